"""Every command in a document could be typed: it exists, its options too, and each value is of the right kind.

Those that CI can afford are executed (`test_documents_e2e.py`); of trainings that take hours this is what it can check.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator

import pytest
import typer
from typer.core import TyperGroup

from service.cli.app import build_app
from service.settings import Settings
from tests.project.documents import ROOT, blocks, commands, documents

_ENDS = {"|", ">", ">>", "<", "&", "&&", ";"}
_PROCESSES = {"gateway", "worker"}  # read by `service.cli.processes`, and started by tests
_PROGRAM = re.compile(r"(?:\S*/)?(fieldmark|make)")
_VARIABLE = re.compile(r"FIELDMARK_([A-Z_0-9]+)=")


def _lines_of(program: str) -> Iterator[tuple[str, list[str]]]:
    """Where each command line of a program stands, and its arguments."""
    for block in (block for path in documents() for block in blocks(path) if block.language == "sh"):
        for line in commands(block):
            words = list(itertools.dropwhile(_VARIABLE.match, shlex.split(line)))
            found = _PROGRAM.fullmatch(words[0])
            if found is not None and found[1] == program:
                end = next((place for place, word in enumerate(words) if word in _ENDS), len(words))
                yield f"{block}: {line[:60]}", words[1:end]


FIELDMARK = {place: arguments for place, arguments in _lines_of("fieldmark") if arguments[0] not in _PROCESSES}
MAKE = dict(_lines_of("make"))


@pytest.fixture(scope="module")
def program() -> TyperGroup:
    command = typer.main.get_command(build_app([]))
    assert isinstance(command, TyperGroup)
    return command


def parse(program: TyperGroup, arguments: list[str]) -> list[str]:
    """Parse a command line, and run nothing: the names of the command that it would run; wrong usage is an error."""
    group, rest, names = program, arguments, []
    while True:
        name, command, rest = group.resolve_command(group.context_class(group), rest)
        assert command is not None
        names.append(str(name))
        if not isinstance(command, TyperGroup):
            command.make_context(name, rest)
            return names
        group = command


@pytest.mark.parametrize("arguments", FIELDMARK.values(), ids=FIELDMARK.keys())
def test_a_documented_command_can_be_parsed(program: TyperGroup, arguments: list[str]) -> None:
    names = parse(program, arguments)
    assert names
    assert names == arguments[: len(names)]


@pytest.mark.parametrize(
    "line", ["trian", "train --out run", "train --data a --out b --sistem s3n", "train --data a --out b --system s4n"]
)
def test_what_cannot_be_typed_is_found(program: TyperGroup, line: str) -> None:
    with pytest.raises(Exception, match=r"trian|data|--sistem|s4n"):
        parse(program, line.split())


@pytest.mark.parametrize("arguments", MAKE.values(), ids=MAKE.keys())
def test_a_documented_target_exists(arguments: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {word for word in arguments if "=" not in word} <= set(targets)


def test_a_variable_before_a_command_is_a_setting() -> None:
    texts = [block.text for path in documents() for block in blocks(path) if block.language == "sh"]
    named = {name.lower() for text in texts for name in _VARIABLE.findall(text)}
    assert named
    assert named <= {*Settings.model_fields, "data"}  # `data` is read by the tests


def test_there_are_commands_to_check() -> None:
    assert len(FIELDMARK) > 50
    assert MAKE
