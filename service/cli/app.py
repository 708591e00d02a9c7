"""The commands for people: one typer application, one small file per command group.

Owns how a command ends: a failure that has an explanation is one sentence on stderr and exit status 1, wrong usage and
impossible settings are 2, anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer

from models.manifest import BundleError
from service.cli import classify, extras, keys, models, pointing, serve, settings, usage
from service.cli.options import CommandFailed
from service.errors import FieldmarkError
from service.keys import KeysFault
from service.settings import SettingsError
from service.stores import StoreMissing

GROUPS = (serve, classify, pointing, models, keys, settings)
_SUMMARY = "Which bird or car a photo shows, where in it is what words describe, and what the answer to a question is."
OWN_COMMANDS = ("serve", "classify", "ground", "answer", "models", "keys", "settings")


def run_command(arguments: list[str]) -> int:
    """Run one command and give its exit status."""
    try:
        try:
            build_app(arguments)(args=arguments, prog_name="fieldmark")
        finally:
            _write_out()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BrokenPipeError:
        return 1
    except SettingsError as error:
        return _say(error, 2)
    except ModuleNotFoundError as error:
        if error.name not in extras.TRAIN_PACKAGES:
            raise
        return _say(extras.ExtraMissing(error.name), 1)
    except (BundleError, CommandFailed, extras.ExtraMissing, FieldmarkError, KeysFault, OSError, StoreMissing) as error:
        return _say(error, 1)
    return 0


def _write_out() -> None:
    """Write what stdout still holds while it can be told that this failed: at its own end the interpreter may not."""
    if sys.stdout is None:  # it was closed from the beginning
        return
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = None  # or the interpreter would try again
        raise


def build_app(arguments: list[str]) -> typer.Typer:
    """Make the application; other packages' commands are looked for only where one of ours was not named."""
    app = typer.Typer(
        help=_SUMMARY,
        epilog="`fieldmark gateway` and `fieldmark worker` start one process of a service by hand; each has a --help.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for group in GROUPS:
        group.register(app)
    if not arguments or arguments[0] not in OWN_COMMANDS:
        extras.add_commands(app)
    usage.apply_to(app)
    return app


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"fieldmark {metadata.version('fieldmark')}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)]


def _root(version: Version = False) -> None:
    pass


def _say(error: Exception, status: int) -> int:
    told = str(error)
    if isinstance(error, OSError) and error.strerror:
        told = f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    sys.stderr.write(f"fieldmark: {told}\n")
    return status
