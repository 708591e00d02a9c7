"""`fieldmark keys`: who may ask a service that has a keys file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from service.cli.options import AsJson, CommandFailed
from service.keys import Key, Scope, add_key, read_keys, revoke_key
from service.settings import read_settings

KeysFile = Annotated[
    Path | None,
    typer.Option(
        "--keys-file",
        help="The keys file; by default the one that FIELDMARK_KEYS_FILE or keys_file in fieldmark.toml names.",
        metavar="FILE",
    ),
]


class KeyEntry(msgspec.Struct, frozen=True):
    """A key as it is shown: without its hash, which nobody needs to see."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    added: str


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Who may ask the service.", no_args_is_help=True, rich_markup_mode=None)
    group.command("add")(add)
    group.command("list")(list_keys)
    group.command("revoke")(revoke)
    app.add_typer(group, name="keys")


def add(
    name: Annotated[str, typer.Argument(help="Whose key it is, such as a camera or a person.", metavar="NAME")],
    scope: Annotated[
        list[Scope] | None, typer.Option("--scope", help="What it opens; several may be given. [default: infer]")
    ] = None,
    keys_file: KeysFile = None,
) -> None:
    """Make a key and print it, this once: the file holds a hash of it."""
    path = _path(keys_file)
    key = add_key(path, name, scope or [Scope.INFER])
    sys.stderr.write(f"{name} may ask with this key, which {path} cannot tell again:\n")
    sys.stdout.write(f"{key}\n")


def list_keys(keys_file: KeysFile = None, json: AsJson = False) -> None:
    """List the keys that are in force."""
    entries = [_entry(key) for key in read_keys(_path(keys_file)).values()]
    if json:
        for entry in entries:
            sys.stdout.write(msgspec.json.encode(entry).decode() + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("key", "name", "opens", "added"):
        table.add_column(heading, overflow="fold")
    for entry in entries:
        table.add_row(entry.id, entry.name, ", ".join(entry.scopes), entry.added)
    Console().print(table, markup=False)


def revoke(
    named: Annotated[str, typer.Argument(help="A key's name or id.", metavar="NAME")], keys_file: KeysFile = None
) -> None:
    """Revoke a key; a running service refuses it within about a second."""
    key = revoke_key(_path(keys_file), named)
    sys.stderr.write(f"{key.name} ({key.id}) is revoked.\n")


def _path(keys_file: Path | None) -> Path:
    path = read_settings({"keys_file": keys_file}).keys_file
    if path is None:
        raise CommandFailed("Which file? Name it by --keys-file, FIELDMARK_KEYS_FILE or keys_file in fieldmark.toml.")
    return path


def _entry(key: Key) -> KeyEntry:
    return KeyEntry(key.id, key.name, key.scopes, key.at.strftime("%Y-%m-%d %H:%M:%SZ"))
