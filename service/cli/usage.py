"""How a command is shown to people: what its help calls each value, and the sentence that wrong usage gets.

Owns both for every command, also for those of other packages (`apply_to`): a command names a value itself (`metavar`) only
where its kind does not tell enough. The words of a fault of one value are those of `models/faults.py`.
"""

from __future__ import annotations

import re
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperArgument, TyperCommand, TyperOption

from models.faults import in_words

_KINDS = {"int": "NUMBER", "float": "NUMBER", "Path": "FOLDER"}
#: How typer tells the range of a number, and how a person would.
_RANGES = {r"([\d.]+)<=x<=([\d.]+)": r"\1 to \2", r"\bx>=([\d.]+)": r"at least \1", r"\bx<=([\d.]+)": r"at most \1"}


class WrongUsage(typer.BadParameter):
    """The command line cannot be meant so; the message is a whole sentence."""

    def format_message(self) -> str:
        """Give the message alone: it names its option itself."""
        return self.message


class Command(TyperCommand):
    """A command whose help and whose faults are in words for people."""

    allow_extra_args = True  # so that `parse_args` can say what to do about them

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for param in self.params:
            if param.metavar is None and isinstance(param, TyperArgument | TyperOption):
                param.metavar = _name_of(param)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as typer does; a value that is not possible is named as it was typed, and so are words too many."""
        try:
            rest = super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if isinstance(error.__cause__, ValidationError) and error.param is not None:
                raise WrongUsage(_sentence(error.param, error.__cause__), ctx) from error
            raise
        if rest and not ctx.resilient_parsing:
            raise WrongUsage(
                f"There is no place for {' '.join(rest)!r}: put words that belong together in quotes.", ctx
            )
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what it finds wrong with its options together is said without a preface."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            raise WrongUsage(error.message, ctx) from error

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Name the arguments without the braces that mark a needed one: an optional one has brackets."""
        return [re.sub(r"^\{(.*)\}", r"\1", piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """List arguments and options; an argument is shown by its name, without a type beside it."""
        for title, kind in (("Arguments", TyperArgument), ("Options", TyperOption)):
            records = [_record(param, ctx) for param in self.get_params(ctx) if isinstance(param, kind)]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def apply_to(app: typer.Typer) -> None:
    """Let all commands of an application, and of its groups, be shown so."""
    for command in app.registered_commands:
        if command.cls in (None, TyperCommand):
            command.cls = Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            apply_to(group.typer_instance)


def _name_of(param: TyperArgument | TyperOption) -> str | None:
    """Call a value by its choices, its kind, or the name of what it is for."""
    described = param.type_descriptor
    if described.choices:
        return "|".join(map(str, described.choices))
    kind = re.sub(r"^list\[(.*)\]$", r"\1", param.bare_type())
    return _KINDS.get(kind, str(param.name).upper().replace("_", "-"))


def _record(param: TyperArgument | TyperOption, ctx: Any) -> tuple[str, str]:
    name, told = param.get_help_record(ctx) or ("", "")
    if isinstance(param, TyperArgument):
        name = f"{param.metavar}{'...' * (param.nargs != 1)}"
    for formula, words in _RANGES.items():
        told = re.sub(formula, words, told)
    return name, told


def _sentence(param: Any, error: ValidationError) -> str:
    """Say which value of the command line is not possible, and what it must be."""
    fault = error.errors()[0]
    name = param.opts[0] if isinstance(param, TyperOption) else param.metavar
    words = in_words(fault).removesuffix(".")
    return f"{name}: {words}." if fault["type"] == "value_error" else f"{name} {fault['input']}: {words}."
