import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_without_a_command_the_commands_are_listed(fieldmark: Run) -> None:
    result = fieldmark()
    assert result.status == 2
    for command in ("serve", "classify", "ground", "answer", "models", "keys", "settings"):
        assert f"\n  {command} " in result.out + result.err


def test_the_version_is_printed(fieldmark: Run) -> None:
    result = fieldmark("--version")
    assert (result.status, result.out) == (0, "fieldmark 0.1.0\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["serv"], "No such command 'serv'"),
        (["serve", "--prot", "1"], "No such option: --prot"),
        (["serve", "--port", "many"], "--port many: it must be a whole number."),
        (["classify"], "Missing argument 'PHOTO'"),
        (["gateway", "--prot"], "gateway does not know --prot"),
        (["worker"], "worker needs its INDEX, a whole number"),
    ],
)
def test_wrong_usage_is_named_on_stderr_with_exit_status_2(arguments: list[str], sentence: str, fieldmark: Run) -> None:
    result = fieldmark(*arguments)
    assert (result.status, result.out) == (2, "")
    assert sentence in result.err


@pytest.mark.parametrize("command", ["gateway", "worker"])
def test_the_processes_take_the_short_way_in(command: str) -> None:
    """Start-up time and memory of the children: wrong usage is told by them without typer or rich."""
    code = f"""
import sys
from service.cli import main
assert main([{command!r}, "--no-such-option"]) == 2
heavy = {{"typer", "rich", "numpy", "cv2", "onnxruntime", "fastapi"}} & set(sys.modules)
assert not heavy, heavy
"""
    assert subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, check=False).returncode == 0


def test_the_supervisor_is_light() -> None:
    code = """
import sys
import service.cli.app, service.supervisor
heavy = {"rich", "numpy", "cv2", "onnxruntime", "fastapi", "starlette", "torch", "PIL"} & set(sys.modules)
assert not heavy, heavy
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("size", [100, 5000, 20000])
def test_results_that_cannot_be_written_are_a_failure(size: int) -> None:
    code = f"""
import sys, typer
from service.cli import app
def build(arguments):
    made = typer.Typer()
    @made.command()
    def command() -> None: sys.stdout.write("x" * {size})
    return made
app.build_app = build
sys.exit(app.run_command([]))
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False
        )
    assert (done.returncode, done.stderr) == (1, "fieldmark: No space left on device.\n")
