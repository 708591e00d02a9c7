"""`fieldmark serve`: flags into settings, then the supervisor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import InArithmetic, about
from service.logs import configure
from service.settings import Device, LogFormat, LogLevel, read_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    host: Annotated[str | None, typer.Option(help=about("host"))] = None,
    port: Annotated[int | None, typer.Option(help=about("port"))] = None,
    internal_port: Annotated[int | None, typer.Option(help=about("internal_port"))] = None,
    store: Annotated[list[Path] | None, typer.Option(help=about("store"), metavar="FOLDER")] = None,
    device: Annotated[Device | None, typer.Option(help=about("device"))] = None,
    arithmetic: InArithmetic = None,
    workers: Annotated[int | None, typer.Option(help=about("workers"))] = None,
    lanes: Annotated[int | None, typer.Option(help=about("lanes"))] = None,
    timeout_ms: Annotated[int | None, typer.Option(help=about("timeout_ms"))] = None,
    max_queue_wait_ms: Annotated[int | None, typer.Option(help=about("max_queue_wait_ms"))] = None,
    log_format: Annotated[LogFormat | None, typer.Option(help=about("log_format"))] = None,
    log_level: Annotated[LogLevel | None, typer.Option(help=about("log_level"))] = None,
    keys_file: Annotated[Path | None, typer.Option(help=about("keys_file"), metavar="FILE")] = None,
    insecure: Annotated[bool | None, typer.Option("--insecure", help=about("insecure"))] = None,
) -> None:
    """Run the service until a signal ends it.

    It is a gateway and its workers. Every other setting (`fieldmark settings` lists them) comes from FIELDMARK_* or fieldmark.toml.
    """
    from service.supervisor import serve as supervise

    settings = read_settings(
        {
            "host": host,
            "port": port,
            "internal_port": internal_port,
            "store": store or None,
            "device": device,
            "arithmetic": arithmetic,
            "workers": workers,
            "lanes": lanes,
            "timeout_ms": timeout_ms,
            "max_queue_wait_ms": max_queue_wait_ms,
            "log_format": log_format,
            "log_level": log_level,
            "keys_file": keys_file,
            "insecure": insecure,
        }
    )
    configure(settings, "supervisor")
    raise typer.Exit(supervise(settings))
