# Fieldmark: the few verbs. `make help` lists them.
#
# Each verb makes the environment that it needs, once: a stamp inside it remembers the pins that it was made from.
# Serving is free of torch; `test`, `lint` and `bench` add what training and the tools need to the same environment.

SHELL := /bin/sh
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
PINS := pyproject.toml constraints.txt
# The pip that comes with Python 3.11 takes most of an install to choose among an index's files.
PIP := pip==26.3
WORKERS ?= 3
SERVE_STAMP := $(VENV)/.installed-serve
DEV_STAMP := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: serve test lint bench env dev-env pins clean help

serve: $(SERVE_STAMP)  ## Run the service on 127.0.0.1 (options: make serve ARGS="--port 9000")
	$(BIN)/fieldmark serve $(ARGS)

test: $(DEV_STAMP)  ## Run the tests (a part of them: make test ARGS="tests/service -k drain")
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(DEV_STAMP)  ## Check format, rules, types and who imports whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(DEV_STAMP)  ## Measure the service beside others and write deploy/bench/RESULTS.md
	$(BIN)/python -m deploy.bench $(ARGS)

env: $(SERVE_STAMP)  ## Make the environment for serving only
dev-env: $(DEV_STAMP)  ## Make the environment for tests, tools and training

pins: $(DEV_STAMP)  ## Write constraints.txt anew from the newest versions that go together
	$(BIN)/python deploy/pins.py

clean:  ## Remove the environment, caches and built packages
	rm -rf $(VENV) build dist .cache .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Fieldmark needs Python 3.11 or newer; name one: make PYTHON=python3.12" >&2; exit 1; }
ifdef UV
	$(UV) venv --quiet --seed --python $(PYTHON) $(VENV)
else
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| { echo "python3-venv is missing: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(PIP)
endif

$(SERVE_STAMP): $(PINS) | $(BIN)/python
ifdef UV
	$(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[cpu]'
else
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[cpu]'
endif
	@touch $@

# pip alone finds a CPU build of torch where an index other than the usual one offers it, so uv has no part in this.
$(DEV_STAMP): $(PINS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[cpu,train,redis,otel,dev]'
	@touch $@ $(SERVE_STAMP)
