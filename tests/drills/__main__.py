"""`python -m tests.drills [NAME ...] --seconds N`: run drills as scripts, longer than the tests do.

Prints what each found; the exit status is 1 when a pass criterion does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.drills import crash, drain, hangup, poison, refuse, soak, wedge
from tests.drills.service_process import DrillFailed

DRILLS: dict[str, Callable[[Path, float], Awaitable[list[str]]]] = {
    "refuse": refuse.drill,
    "hangup": hangup.drill,
    "drain": drain.drill,
    "crash": crash.drill,
    "wedge": wedge.drill,
    "poison": poison.drill,
    "soak": soak.drill,
}


async def run_drill(name: str, seconds: float) -> list[str]:
    """Run one drill in a fresh folder; what it found, in sentences."""
    with tempfile.TemporaryDirectory() as folder:
        return await DRILLS[name](Path(folder), seconds)


def main() -> int:
    """Run the drills that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"drills: {', '.join(DRILLS)} (default: all)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long those last that can (default: 60)")
    options = parser.parse_args()
    failures = 0
    for name in options.names or DRILLS:
        try:
            findings = asyncio.run(run_drill(name, options.seconds))
        except DrillFailed as failure:
            failures += 1
            findings = [f"FAILED: {failure}"]
        sys.stdout.write(f"{name}: {'; '.join(findings)}\n")
        sys.stdout.flush()
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
