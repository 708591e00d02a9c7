"""The documented recipes as trials: what each command reads and makes, and how it runs on tiny collections.

A recipe is a command of a block that is fenced `sh recipe`. Those that make what it reads run before it, wherever the
documents have them, so none can name a run, a bundle or a report that no documented command makes. Owns what makes a trial
of a command and the memory of what has run; what lies in the folder from the start is `tests.research_sets`' and
`tests.published_weights`' part.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from typer import Typer
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from tests.project.documents import ROOT, blocks_in, commands

ZOO = "models/zoo"
#: Where commands write. Whatever else they name is there from the start.
MADE = ("bundles", "material", "reports", "runs", ZOO)
#: Folders in which runs keep what is costly and share it: whoever comes first makes them.
_KEPT = ("--cells", "--frozen", "--pool")
_PHOTOS, _HELD_OUT_PHOTOS = 4, 8  # an export does with no fewer than eight
_MOST = {"--epochs": 1, "--explain": 2}
_OUTPUT_CHARACTERS = 2000  # of a failed command, its end


@dataclass(frozen=True)
class Recipe:
    """A command line and where the documents first have it."""

    place: str
    line: str

    def __str__(self) -> str:
        return f"{self.place} {self.line}"

    @cached_property
    def words(self) -> list[str]:
        """The words after the program's name."""
        return shlex.split(self.line)[1:]

    @property
    def makes(self) -> str | None:
        """The folder of the run, the report or the bundle that it writes."""
        name, out = self.words[0], self._value("--out")
        if name.startswith("export"):
            called = self._value("--name") or name.removeprefix("export-")
            return f"{out or ZOO}/{called}/{self._value('--version') or '1.0.0'}"
        if name == "quantize":
            return f"{out or ZOO}/{PurePosixPath(self.words[1]).parts[-2]}/{self._value('--version')}"
        return out

    @property
    def reads(self) -> Iterator[str]:
        """What it names that other recipes make: a bundle's name without a version means all versions."""
        for option, word in zip(["", *self.words], self.words, strict=False):
            path = word.rpartition("=")[2]
            if option not in ("--out", *_KEPT) and path.startswith(tuple(f"{top}/" for top in MADE)):
                yield path
        if model := self._value("--model"):
            yield f"{ZOO}/{model.replace('@', '/')}"
        if "--locate" in self.words:
            yield f"{ZOO}/detector"

    def is_maker_of(self, path: str) -> bool:
        """Whether it makes what a path names, or a version of it."""
        if self.makes is None:
            return False
        made = PurePosixPath(self.makes)
        return PurePosixPath(path).is_relative_to(made) or (path.startswith(ZOO) and made.is_relative_to(path))

    def trial(self, options: set[str]) -> list[str]:
        """Its words for few photos and at most one epoch, in the store of this folder, as far as it has such options."""
        words = list(self.words)
        for option, most in _MOST.items():
            if option in words:
                place = words.index(option) + 1
                words[place] = str(min(most, int(words[place])))
        if "--epochs" in options and "--epochs" not in words:
            words += ["--epochs", "1"]
        photos = _HELD_OUT_PHOTOS if words[0].startswith(("export", "quantize")) else _PHOTOS
        added = {"--limit": str(photos), "--count": str(photos)} | ({"--store": ZOO} if "--model" in words else {})
        for option, value in added.items():
            if option in options and option not in words:
                words += [option, value]
        return words

    def _value(self, option: str) -> str | None:
        return self.words[self.words.index(option) + 1] if option in self.words else None


def documented_recipes() -> list[Recipe]:
    """Every recipe once, in the order of the documents."""
    found: dict[str, str] = {}
    for block in blocks_in("sh", words=("recipe",)):
        for line in commands(block):
            found.setdefault(line, f"{block.path.relative_to(ROOT)}:{block.line}")
    return [Recipe(place, line) for line, place in found.items()]


class Trials:
    """Runs each recipe at most once in the working folder, after those that make what it reads."""

    def __init__(self, recipes: Sequence[Recipe], program: Typer) -> None:
        self._recipes = recipes
        self._program = program
        self._group = get_command(program)
        self._faults: dict[Recipe, str] = {}

    def fault(self, recipe: Recipe) -> str:
        """What went wrong with a recipe or with one that it needs; empty where all went well."""
        if recipe not in self._faults:
            self._faults[recipe] = f"{recipe.line}\nneeds itself"  # until it has run
            self._faults[recipe] = self._missing(recipe) or self._run(recipe)
        return self._faults[recipe]

    def _missing(self, recipe: Recipe) -> str:
        for path in recipe.reads:
            makers = [one for one in self._recipes if one.is_maker_of(path)]
            if not makers:
                return f"{recipe.line}\nnames {path}, which no recipe makes"
            for maker in makers:
                if fault := self.fault(maker):
                    return f"{recipe.line}\nneeds {path}, and its recipe failed:\n{fault}"
        return ""

    def _run(self, recipe: Recipe) -> str:
        words = recipe.trial(self._options(recipe.words[0]))
        done = CliRunner().invoke(self._program, words)
        if done.exit_code == 0:
            return ""
        raised = "" if done.exception is None or isinstance(done.exception, SystemExit) else f"\n{done.exception!r}"
        return f"fieldmark {shlex.join(words)}\n{done.output[-_OUTPUT_CHARACTERS:]}{raised}"

    def _options(self, name: str) -> set[str]:
        if not isinstance(self._group, TyperGroup):
            raise TypeError("the program is a group of commands")
        return {option for parameter in self._group.commands[name].params for option in parameter.opts}
