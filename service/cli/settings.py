"""`fieldmark settings`: every setting with its value and where that came from."""

from __future__ import annotations

import sys
from dataclasses import asdict

import msgspec
import typer

from service.cli.options import AsJson
from service.settings import explain, read_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(settings)


def settings(json: AsJson = False) -> None:
    """Show every setting, its value and where it came from."""
    rows = explain(read_settings())
    if json:
        for row in rows:
            sys.stdout.write(msgspec.json.encode(asdict(row)).decode() + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("setting", "value", "from", "what it is"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "setting")
    for row in rows:
        table.add_row(row.name, row.value or "-", row.origin, row.description)
    Console().print(table, markup=False)
