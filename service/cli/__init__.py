"""The command `fieldmark`.

Owns the choice between the two ways in: `gateway` and `worker`, which the supervisor starts, take a short way without
typer and rich (start-up time and memory count there); every other command is in `app.py`. Results go to stdout,
everything else to stderr; exit status 0 ok, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run one command and give its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in ("gateway", "worker"):
        from service.cli.processes import run_process

        return run_process(arguments)
    from service.cli.app import run_command

    return run_command(arguments)
