"""`fieldmark gateway` and `fieldmark worker N`: the processes that the supervisor starts.

Owns their few arguments and the tie to the parent. Neither typer nor rich is imported here. With a status pipe the
settings come from the environment alone, as the supervisor resolved them; without one the process was started by hand and
reads them as every command does.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import cast, get_args

from service.logs import configure
from service.settings import Settings, SettingsError, read_inherited, read_settings
from service.status import StartReason, StatusPipe, die_with_parent
from service.supervisor.checks import StartRefused, as_variable, check_address, check_ports

_SETTINGS = """Its settings come from FIELDMARK_* and fieldmark.toml; `fieldmark settings` lists them all. Most needed:

"""
HELP = {
    "gateway": f"""usage: fieldmark gateway

Runs a gateway alone: it takes requests and hands them to workers, which are started by themselves.
`fieldmark serve` runs both.

{_SETTINGS}  FIELDMARK_HOST, FIELDMARK_PORT   where it listens for requests
  FIELDMARK_SOCKET                 the socket at which workers of this host find it
  FIELDMARK_REDIS_URL              the Redis at which it finds workers of other hosts

`--status-fd N` is what `fieldmark serve` says to it: a pipe that is told how it is.""",
    "worker": f"""usage: fieldmark worker INDEX

Runs a worker alone: it loads bundles and answers what gateways hand to it. INDEX, a whole number, tells the workers of a
host apart. `fieldmark serve` runs a gateway and its workers.

{_SETTINGS}  FIELDMARK_STORE       the folders of its bundles
  FIELDMARK_SOCKET      the socket of a gateway of this host
  FIELDMARK_REDIS_URL   or the Redis at which it finds gateways of other hosts

`--status-fd N` and `--started-because {"|".join(get_args(StartReason))}` are what `fieldmark serve` says to it: a pipe
that is told how it is, and why it was started.""",
}


@dataclass(frozen=True, slots=True)
class ProcessArguments:
    """What the supervisor says to a child; `index` is None for the gateway."""

    index: int | None = None
    status_fd: int | None = None
    started_because: StartReason = "start"


def run_process(arguments: list[str]) -> int:
    """Run the gateway or a worker until it ends."""
    command = arguments[0]
    if not {"--help", "-h"}.isdisjoint(arguments):
        sys.stdout.write(f"{HELP[command]}\n")
        return 0
    try:
        parsed = parse_arguments(arguments)
    except ValueError as error:
        StatusPipe().failed(f"{error}. `fieldmark {command} --help` tells how it is used.")
        return 2
    if parsed.status_fd is not None:
        die_with_parent(parsed.status_fd)
    status = StatusPipe(parsed.status_fd)
    try:
        settings = read_settings() if parsed.status_fd is None else read_inherited()
    except SettingsError as error:
        status.failed(str(error))
        return 2
    if parsed.index is None and parsed.status_fd is None:
        try:
            check_address(settings, as_variable)
            check_ports(settings, as_variable)
        except StartRefused as refusal:
            status.failed(str(refusal))
            return 1
    return _run_gateway(settings, status) if parsed.index is None else _run_worker(settings, parsed, status)


def parse_arguments(arguments: list[str]) -> ProcessArguments:
    """Read the arguments; raises ValueError with a sentence."""
    command, *rest = arguments
    if command == "worker" and not rest:
        raise ValueError("worker needs its INDEX, a whole number such as 0")
    index = _whole_number("INDEX", rest.pop(0)) if command == "worker" else None
    status_fd, reason = None, "start"
    while rest:
        option = rest.pop(0)
        value = rest.pop(0) if rest else ""
        if option == "--status-fd":
            status_fd = _whole_number(option, value)
        elif option == "--started-because" and command == "worker":
            reason = value
        else:
            raise ValueError(f"{command} does not know {option}{_set_otherwise(option)}")
    if reason not in get_args(StartReason):
        raise ValueError(f"--started-because {reason!r} is not one of {', '.join(get_args(StartReason))}")
    return ProcessArguments(index, status_fd, cast("StartReason", reason))


def _set_otherwise(option: str) -> str:
    """Where what looks like an option is a setting, say how that is set."""
    name = option.removeprefix("--").partition("=")[0].replace("-", "_")
    return f": {as_variable(name)} sets it" if name in Settings.model_fields else ""


def _whole_number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{name} must be a whole number, not {text!r}")
    return int(text)


def _run_gateway(settings: Settings, status: StatusPipe) -> int:
    configure(settings, "gateway")
    from service.gateway.main import run_gateway

    return run_gateway(settings, status)


def _run_worker(settings: Settings, parsed: ProcessArguments, status: StatusPipe) -> int:
    configure(settings, f"worker {parsed.index}")
    from service.worker.main import run_worker

    return run_worker(settings, parsed.index or 0, status, parsed.started_because)
