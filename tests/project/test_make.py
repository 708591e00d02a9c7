"""`make help` tells of every verb, the promised ones exist, and serving stays free of the training extra."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make(*words: str) -> list[str]:
    """Lines that make prints; what an outer make (`make test`) handed down is left out."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--no-print-directory", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_help_lists_every_verb() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert [line.split()[1] for line in make("help")] == phony[1].split()


def test_the_promised_verbs_exist() -> None:
    assert {"serve", "test", "lint", "bench", "help"} <= {line.split()[1] for line in make("help")}


def test_serving_installs_the_cpu_extra_and_no_other() -> None:
    installs = [line for line in make("--dry-run", "--always-make", "serve") if "pip install" in line]
    assert len(installs) == 2
    assert installs[0].split()[-1].startswith("pip==")
    assert installs[1].endswith("--editable '.[cpu]'")
