import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from typer.core import TyperGroup

from service.cli import usage
from service.cli.app import build_app

Run = Callable[..., Any]
_TABLE = re.compile(r"\nCommands:\n(.*?)(?:\n\n|\Z)", re.DOTALL)


class _Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


def _commands(group: TyperGroup, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, *path, name)
        else:
            yield *path, name


COMMANDS = list(_commands(typer.main.get_command(build_app([]))))


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("group", [[], ["models"], ["keys"]], ids=["all", "models", "keys"])
def test_each_command_is_told_whole_in_one_line_of_80_columns(group: list[str], fieldmark: Run) -> None:
    (table,) = _TABLE.findall(fieldmark(*group, "--help").out)
    rows = table.splitlines()
    assert len(rows) >= (25 if not group else 3)
    for row in rows:
        assert re.fullmatch(r"  [a-z-]+ +[A-Z].*\.", row), row
        assert not row.endswith("..."), row
        assert len(row) <= 80, row


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_help_shows_the_type_that_a_program_has_for_a_value(command: tuple[str, ...], fieldmark: Run) -> None:
    shown = fieldmark(*command, "--help").out
    assert not re.findall(r"<[^>]*>|[{}]|list\[|\bPath\b", shown)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("classify", "Usage: fieldmark classify [OPTIONS] PHOTO..."),
        ("classify", "  PHOTO...  Photos, or folders with photos.  [required]"),
        ("classify", "  --top-k NUMBER "),
        ("classify", "  --out FILE "),
        ("classify", "  --device cpu|cuda|tensorrt "),
        ("ground", "Usage: fieldmark ground [OPTIONS] PHOTO EXPRESSION..."),
        ("answer", "Usage: fieldmark answer [OPTIONS] PHOTO QUESTION"),
        ("train", "  --out FOLDER "),
        ("train", "  --weights FILE "),
    ],
)
def test_values_are_called_what_people_call_them(command: str, line: str, fieldmark: Run) -> None:
    assert any(shown.startswith(line) for shown in fieldmark(command, "--help").out.splitlines())


def test_the_commands_of_other_packages_are_shown_so_too(capsys: pytest.CaptureFixture[str]) -> None:
    app, group = typer.Typer(rich_markup_mode=None), typer.Typer()

    def paint(
        wall: list[Path],
        colour: Annotated[list[_Colour] | None, typer.Option()] = None,
        form: Annotated[Literal["flat", "round"], typer.Option()] = "flat",
        layers: Annotated[float, typer.Option(min=1, max=9)] = 2,
        coats: Annotated[int, typer.Option(min=1)] = 1,
        drops: Annotated[int, typer.Option(max=5)] = 1,
        whose_name: Annotated[str, typer.Option()] = "",
    ) -> None:
        pass

    group.command("paint")(paint)
    group.command("other")(lambda: None)
    app.add_typer(group, name="house")
    usage.apply_to(app)
    with pytest.raises(SystemExit):
        app(args=["house", "paint", "--help"])
    shown = capsys.readouterr().out
    assert "FOLDER..." in shown
    assert all(f"; {told}]" in shown for told in ("1 to 9", "at least 1", "at most 5"))
    assert {"--colour red|blue", "--form flat|round", "--layers NUMBER", "--whose-name WHOSE-NAME"} <= set(
        re.findall(r"--[a-z-]+ \S+", shown)
    )


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("classify a.jpg --top-k 0", "--top-k 0: it must be at least 1."),
        ("classify a.jpg --top-k five", "--top-k five: it must be a whole number."),
        ("classify a.jpg --device gpu", "--device: 'gpu' is not one of 'cpu', 'cuda', 'tensorrt'."),
        ("classify a.jpg --arithmetic int4", "--arithmetic: 'int4' is not one of 'exact', 'int8'."),
        ("classify a.jpg --format xml", "--format: 'xml' is not one of 'text', 'csv', 'jsonl'."),
        ("classify a.jpg --json --format csv", "--json and --format csv exclude each other"),
        ("answer a.jpg what colour is it", "There is no place for 'colour is it': put words that belong together in"),
        ("train --data a --out b --stages 20", "--stages 20: it must be at most 8."),
        ("distill --data a --out b --teacher c --tau hot", "--tau hot: it must be a number."),
        ("keys add camera --scope root", "--scope: 'root' is not one of 'infer', 'admin'."),
        ("ground a.jpg", "Missing argument 'EXPRESSION'."),
    ],
)
def test_wrong_usage_is_said_with_the_value_and_the_limit(line: str, sentence: str, fieldmark: Run) -> None:
    result = fieldmark(*line.split())
    assert (result.status, result.out) == (2, "")
    assert f"Error: {sentence}" in result.err
    assert not re.search("Invalid value|Value error|Input should", result.err)
