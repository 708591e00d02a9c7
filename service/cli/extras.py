"""Commands that other packages bring: entry points of the group `fieldmark.commands`.

Each entry point is a function `register(app: typer.Typer)`. So the service offers the commands of the extra `train`
without importing what they need: that happens when one runs, and is explained where it is not installed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

import typer

GROUP = "fieldmark.commands"
#: What the extra `train` installs and serving does not.
TRAIN_PACKAGES = frozenset(
    {"google", "matplotlib", "onnx", "onnx_ir", "onnxscript", "onnxslim", "safetensors", "torch"}
)


class ExtraMissing(Exception):
    """A command needs an extra that is not installed."""

    def __init__(self, package: str | None) -> None:
        super().__init__(
            f"This command needs the extra `train` ({package} is not installed): pip install 'fieldmark[train]'."
        )


def add_commands(app: typer.Typer, found: Iterable[EntryPoint] | None = None) -> None:
    """Let every entry point add its commands; one that is broken is named on stderr and takes none of the others with it."""
    for entry in entry_points(group=GROUP) if found is None else found:
        try:
            register = entry.load()
        except ImportError as error:
            sys.stderr.write(f"fieldmark: the commands of {entry.value} are missing: {error}\n")
        else:
            register(app)
