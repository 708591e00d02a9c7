"""The documents' commands run: those about the service against `make serve` in an environment made for the purpose."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.app import build_app
from tests.project.documents import ROOT, Block, blocks_in, commands, documents
from tests.project.documents import blocks as blocks_of

SERVING_VARIABLE = "SERVING_VENV"
DOCUMENTED_ADDRESS = "127.0.0.1:8000"
#: What differs between two answers to the same question.
VOLATILE = {"id", "timing_ms"}
PROBABILITY_TOLERANCE = 0.02  # the last digits depend on the processor's instructions
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.timeout(300)  # the first test makes an environment


@pytest.fixture(scope="module")
def service_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service that `make serve` started: a free port, and an environment of its own, made here or by `.ci/run`."""
    venv = os.environ.get(SERVING_VARIABLE) or tmp_path_factory.mktemp("serve") / "venv"
    command = ["make", "--no-print-directory", "serve", f"VENV={venv}", "ARGS=--port 0"]
    environment = _outside_of_make() | {"PIP_COMPILE": "0"}  # one short life needs a few of the packages' modules
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield _ready_url(process).removeprefix("http://")
        finally:
            os.killpg(process.pid, signal.SIGTERM)


@pytest.mark.parametrize("block", blocks_in("sh", words=("service",)), ids=str)
def test_a_command_to_the_service_gets_the_answer_that_is_shown(
    block: Block, service_address: str, tmp_path: Path
) -> None:
    done = _run(block.text.replace(DOCUMENTED_ADDRESS, service_address), tmp_path)
    assert done.returncode == 0, done.stderr
    if block.answer is not None:
        assert _matches(json.loads(done.stdout), json.loads(block.answer))


@pytest.mark.parametrize("block", blocks_in("python", words=("service",)), ids=str)
def test_code_that_asks_the_service_prints_what_is_shown(block: Block, service_address: str, tmp_path: Path) -> None:
    done = _run(f"python -c {shlex.quote(block.text.replace(DOCUMENTED_ADDRESS, service_address))}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == block.answer


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_document_run_in_their_order(path: Path, tmp_path: Path) -> None:
    text = "".join(block.text for block in blocks_of(path) if (block.language, block.words) == ("sh", ()))
    done = _run(text, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_names_what_exists(path: Path) -> None:
    lines = [line for block in blocks_of(path) if block.language == "sh" for line in commands(block)]
    assert [fault for line in lines for fault in _faults(line)] == []


def test_the_readme_asks_the_service_and_shows_its_answer() -> None:
    asked = [block for block in blocks_in("sh", words=("service",)) if block.path == ROOT / "README.md"]
    assert any("white_pelican.jpg" in block.text and block.answer for block in asked)


def _outside_of_make() -> dict[str, str]:
    """The environment without what an outer `make test` hands down, and with this Python's commands first."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return environment | {"PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "200", "NO_COLOR": "1"}


def _ready_url(process: subprocess.Popen[str]) -> str:
    """Read the log until it says where the service is ready."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("{") and (event := json.loads(line)).get("event") == "ready":
            return event["url"]
    return pytest.fail("the service left before it was ready:\n" + "".join(said))


def _run(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block in a folder that looks like the checkout; what it writes at the top stays there."""
    for entry in ROOT.iterdir():
        if entry.name not in (".git", ".venv"):
            (folder / entry.name).symlink_to(entry)
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env=_outside_of_make(),
        capture_output=True,
        text=True,
        check=False,
    )


def _matches(real: object, shown: object) -> bool:
    """Tell whether an answer is the one shown, apart from what differs between two runs."""
    if isinstance(shown, dict) and isinstance(real, dict):
        return real.keys() == shown.keys() and all(key in VOLATILE or _matches(real[key], shown[key]) for key in shown)
    if isinstance(shown, list) and isinstance(real, list):
        return len(real) == len(shown) and all(map(_matches, real, shown))
    if isinstance(shown, float) and isinstance(real, float):
        return real == pytest.approx(shown, abs=PROBABILITY_TOLERANCE)
    return real == shown


def _faults(line: str) -> list[str]:
    """What a documented command names that does not exist: verbs of make, commands, options, sample photos."""
    words = shlex.split(line, comments=True)
    faults = [f"{word}: no such file" for word in words if _is_sample(word) and not (ROOT / word.lstrip("@")).exists()]
    if words[0] == "make":
        verbs = {word for word in words[1:] if "=" not in word}
        faults += [f"make {verb}: no such verb" for verb in verbs if verb not in _make_verbs()]
    if words[0] == "fieldmark" or words[:2] == ["docker", "run"]:
        faults += _unknown_options(words)
    return faults


def _is_sample(word: str) -> bool:
    return re.fullmatch(r"@?tests/samples/[\w.]+", word) is not None


def _make_verbs() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _unknown_options(words: list[str]) -> list[str]:
    """Commands and options after the program's (or the image's) name that `--help` does not know."""
    start = next(at for at, word in enumerate(words) if word == "fieldmark" or word.startswith("fieldmark:"))
    path: list[str] = []
    faults = []
    for word in words[start + 1 :]:
        if word in ("|", ">", "&&", ";"):
            break
        if word.startswith("--") and word.partition("=")[0] not in _options(tuple(path)):
            faults.append(f"fieldmark {' '.join(path)} {word}: no such option")
        elif not word.startswith("-") and word in _subcommands(tuple(path)):
            path.append(word)
        elif not path:
            faults.append(f"fieldmark {word}: no such command")
    return faults


@functools.cache
def _help(path: tuple[str, ...]) -> str:
    shown = CliRunner().invoke(build_app(list(path)), [*path, "--help"])
    assert shown.exit_code == 0, shown.output
    return shown.output


def _options(path: tuple[str, ...]) -> set[str]:
    return set(re.findall(r"--[a-z][a-z-]*", _help(path)))


def _subcommands(path: tuple[str, ...]) -> set[str]:
    """The names in the table of commands: the first word of a row of that table."""
    table = _help(path).partition("Commands:")[2]
    return set(re.findall(r"^  ([a-z][a-z-]*)  ", table, re.MULTILINE))
