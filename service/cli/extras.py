"""Commands that other packages bring: entry points of the group `fieldmark.commands`.

Each entry point is a function `register(app: typer.Typer)`. So the service offers the commands of the extra `train`
without importing them, and says which extra is missing where they cannot be imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

import typer

GROUP = "fieldmark.commands"
#: What the extra `train` installs and serving does not.
TRAIN_PACKAGES = frozenset({"matplotlib", "onnx", "onnxscript", "onnxslim", "safetensors", "torch"})
#: The commands of our own entry points, by the entry point's name; known here so that their absence can be explained.
TRAIN_COMMANDS = {"models": ("train", "distill", "evaluate"), "export": ("export",)}


class ExtraMissing(Exception):
    """A command needs an extra that is not installed."""

    def __init__(self, package: str | None) -> None:
        super().__init__(
            f"This command needs the extra `train` ({package} is not installed): pip install 'fieldmark[train]'."
        )


def add_commands(app: typer.Typer, found: Iterable[EntryPoint] | None = None) -> None:
    """Let every entry point add its commands; one whose packages are missing gets commands that say so.

    One that is broken otherwise is named on stderr and takes none of the others with it.
    """
    for entry in entry_points(group=GROUP) if found is None else found:
        try:
            register = entry.load()
        except ImportError as error:
            if error.name not in TRAIN_PACKAGES:
                sys.stderr.write(f"fieldmark: the commands of {entry.value} are missing: {error}\n")
                continue
            for name in TRAIN_COMMANDS.get(entry.name, ()):
                _add_absent(app, name, error.name)
        else:
            register(app)


def _add_absent(app: typer.Typer, name: str, package: str | None) -> None:
    @app.command(
        name,
        help="Needs the extra `train`, which is not installed.",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        add_help_option=False,
    )
    def absent() -> None:
        raise ExtraMissing(package)
