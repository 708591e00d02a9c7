import errno
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest
import typer

from service.cli import app, extras
from service.cli.extras import GROUP

Run = Callable[..., Any]


class _Entry:
    """An entry point whose loading ends as the test says."""

    def __init__(self, name: str, ends: Exception | Callable[[typer.Typer], None]) -> None:
        self.name, self.value, self._ends = name, f"{name}.cli:register", ends

    def load(self) -> Callable[[typer.Typer], None]:
        if isinstance(self._ends, Exception):
            raise self._ends
        return self._ends


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[_Entry]]:
    found: list[_Entry] = []
    monkeypatch.setattr(extras, "entry_points", lambda group: found if group == GROUP else [])
    return found


def test_another_package_brings_its_command(fieldmark: Run, entries: list[_Entry]) -> None:
    def register(target: typer.Typer) -> None:
        target.command("hello")(lambda: typer.echo("hello"))

    entries.append(_Entry("other", register))
    assert fieldmark("hello").out == "hello\n"


def test_a_missing_extra_is_explained_when_a_command_runs(fieldmark: Run, entries: list[_Entry]) -> None:
    def train() -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    entries.append(_Entry("models", lambda target: target.command("train")(train) and None))
    result = fieldmark("train")
    assert (result.status, result.out) == (1, "")
    assert result.err == (
        "fieldmark: This command needs the extra `train` (torch is not installed): pip install 'fieldmark[train]'.\n"
    )


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.csv"), "a.csv: No such file or directory."),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device."),
        (OSError("the disk is gone"), "the disk is gone"),
    ],
)
def test_a_fault_of_the_system_is_a_sentence_without_its_number(
    fieldmark: Run, entries: list[_Entry], fault: OSError, sentence: str
) -> None:
    def write() -> None:
        raise fault

    entries.append(_Entry("other", lambda target: target.command("write")(write) and None))
    result = fieldmark("write")
    assert (result.status, result.out, result.err) == (1, "", f"fieldmark: {sentence}\n")


def test_a_broken_package_takes_no_other_command_with_it(fieldmark: Run, entries: list[_Entry]) -> None:
    entries.append(_Entry("broken", ImportError("cannot import name 'x'")))
    result = fieldmark("--help")
    assert result.status == 0
    assert "the commands of broken.cli:register are missing: cannot import name 'x'" in result.err


def test_our_own_commands_do_not_look_for_others(monkeypatch: pytest.MonkeyPatch, fieldmark: Run) -> None:
    def fail(group: str) -> list[EntryPoint]:
        raise AssertionError(group)

    monkeypatch.setattr(extras, "entry_points", fail)
    assert fieldmark("settings").status == 0


def test_the_names_of_our_own_commands_are_true() -> None:
    built = typer.main.get_command(app.build_app(["serve"]))
    assert sorted(built.commands) == sorted(app.OWN_COMMANDS)  # type: ignore[attr-defined]
