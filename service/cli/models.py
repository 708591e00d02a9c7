"""`fieldmark models`: what the stores hold, and whether a bundle holds what it promises."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from service.catalog import ModelEntry
from service.cli.options import AsJson, CommandFailed, Store, open_engine
from service.settings import Settings, read_settings
from service.stores import resolve_stores


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="What the stores hold.", no_args_is_help=True, rich_markup_mode=None)
    group.command("list")(list_models)
    group.command("show")(show_model)
    group.command("check")(check_models)
    app.add_typer(group, name="models")


def list_models(store: Store = None, json: AsJson = False) -> None:
    """List every bundle: what it knows, and why one is refused."""
    entries = _load_entries(read_settings({"store": store or None}))
    if json:
        _print_json(entries)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("model", "answers for", "system", "classes", "licence", "status"):
        table.add_column(heading, overflow="fold")
    for entry in entries:
        answers_for = entry.domain or "" if entry.default else ""
        status = entry.status if entry.status == "serving" else f"refused: {'; '.join(entry.faults)}"
        classes = str(entry.classes or "")
        table.add_row(entry.identity, answers_for, entry.system, classes, entry.licence, status)
    Console().print(table, markup=False)


def show_model(
    name: Annotated[str, typer.Argument(help="A model: name, or name@version.", metavar="NAME")],
    store: Store = None,
    json: AsJson = False,
) -> None:
    """Show what is known of one model, with its card."""
    settings = read_settings({"store": store or None})
    entries = _load_entries(settings)
    entry = next((entry for entry in entries if name in (entry.identity, entry.name if entry.default else "")), None)
    if entry is None:
        found = ", ".join(entry.identity for entry in entries)
        raise CommandFailed(f"There is no model {name}. Found: {found}.")
    if json:
        _print_json([entry])
        return
    for field, value in msgspec.to_builtins(entry).items():
        if isinstance(value, bool) or value not in ("", None, [], {}, 0):
            sys.stdout.write(f"{field}: {_in_words(value)}\n")
    for folder in resolve_stores(settings.store):
        card = folder / entry.name / entry.version / "card.md"
        if card.is_file():
            sys.stdout.write("\n" + card.read_text(encoding="utf-8", errors="replace"))
            return


def check_models(
    folder: Annotated[
        list[Path], typer.Argument(help="Bundles (name/version), or stores of bundles.", metavar="FOLDER")
    ],
    json: AsJson = False,
) -> None:
    """Name every fault of bundles.

    Their files are checked and, where those hold, their graphs. The exit status is 1 if there is any.
    """
    from service.cli.checking import check_folder

    admit_fakes = read_settings().testing_backends
    results = [result for path in folder for result in check_folder(path, admit_fakes=admit_fakes)]
    for result in results:
        if json:
            _print_json([result])
        elif result.faults:
            sys.stdout.write(f"{result.path}: {len(result.faults)} fault{'s' * (len(result.faults) > 1)}\n")
            sys.stdout.writelines(f"  {fault}\n" for fault in result.faults)
        else:
            sys.stdout.write(f"{result.path}: ok\n")
    raise typer.Exit(1 if any(result.faults for result in results) else 0)


def _load_entries(settings: Settings) -> list[ModelEntry]:
    return open_engine(settings).catalog.models


def _print_json(items: Sequence[msgspec.Struct]) -> None:
    for item in items:
        sys.stdout.write(msgspec.json.encode(item).decode() + "\n")


def _in_words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_in_words(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
