"""What several commands share: help texts that are the settings' own, options, the way to an engine, and failing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.settings import Arithmetic, Device, Settings

if TYPE_CHECKING:
    from service.engine import Engine


class CommandFailed(Exception):
    """A command could not do its work; the text is one sentence for a person."""


def about(name: str) -> str:
    """Describe an option by the setting that it sets, with its default."""
    field = Settings.model_fields[name]
    is_told = field.default not in (None, (), False)
    return f"{field.description}{f' [default: {field.default}]' if is_told else ''}"


Store = Annotated[list[Path] | None, typer.Option("--store", help=about("store"), metavar="FOLDER")]
InArithmetic = Annotated[Arithmetic | None, typer.Option("--arithmetic", help=about("arithmetic"))]
OnDevice = Annotated[Device | None, typer.Option("--device", help=about("device"))]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]


def check_place(option: str, path: Path) -> None:
    """Check that a file can lie where an option says, before what takes long is begun.

    Raises:
        CommandFailed: it is a folder, or in a folder that does not exist.
    """
    if path.is_dir():
        raise CommandFailed(f"{option} {path} is a folder; name a file.")
    if not path.parent.is_dir():
        raise CommandFailed(f"{option} {path}: there is no folder {path.parent}; make it first.")


def open_engine(settings: Settings) -> Engine:
    """Load the bundles of the settings' stores.

    Raises:
        CommandFailed: no bundle can be served, or not on this device.
    """
    from service.engine.backends.base import StartError
    from service.engine.engine import Engine

    try:
        return Engine(
            settings.store or None,
            device=settings.device,
            arithmetic=settings.arithmetic,
            lanes=settings.lanes,
            testing_backends=settings.testing_backends,
        )
    except StartError as error:
        raise CommandFailed(str(error)) from error
