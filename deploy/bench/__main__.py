"""`python -m deploy.bench`: measure Fieldmark beside other servers and write RESULTS.md.

Makes what the parts need (the peers' environment, photos, a store with the one bundle), runs the parts that were asked
for, keeps their results in results.json and renders the report. `--quick` tries everything in a few minutes with
windows too short to mean anything, and keeps nothing in the project.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.version import Version

from deploy.bench.load.meter import is_stopped, tree_of
from deploy.bench.load.photos import make_photos
from deploy.bench.load.window import ROOT
from deploy.bench.parts.closed import run_closed
from deploy.bench.parts.footprint import domains_alone, run_footprint
from deploy.bench.parts.gateway import run_gateway
from deploy.bench.parts.open_loop import run_open_loop
from deploy.bench.parts.overload import run_overload
from deploy.bench.report import render
from deploy.bench.results import FULL, QUICK, Circumstances, Extent, Results, read_results, write_results
from deploy.bench.servers import STOP_TIMEOUT_S, Setup

HERE = Path(__file__).parent
CACHE = ROOT / ".cache" / "bench"
ZOO = ROOT / "models" / "zoo"
PARTS = ("closed", "open", "overload", "gateway", "footprint")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; the exit status is 0 when everything ran, whatever it reached."""
    options = _options(arguments)
    setup = _set_up(options)
    target = CACHE / "quick" if options.quick else HERE
    target.mkdir(parents=True, exist_ok=True)
    results = read_results(target / "results.json")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what is paused and started is put right
    with paused(options.pause):
        for part in options.parts.split(","):
            _run_part(part, results, setup, options)
            write_results(target / "results.json", results)
            (target / "RESULTS.md").write_text(render(results), encoding="utf-8")
    print(render(results))
    return 0


@contextlib.contextmanager
def paused(roots: Sequence[int]) -> Iterator[None]:
    """Stop processes and all their children while the block runs, and let them go on whatever happens."""
    stopped = [pid for root in roots for pid in tree_of(root)]
    try:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        until = time.monotonic() + STOP_TIMEOUT_S
        while not all(map(is_stopped, stopped)) and time.monotonic() < until:
            time.sleep(0.01)  # a process stops when it is next scheduled, not when it is told
        yield
    finally:
        for pid in reversed(stopped):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="try everything with tiny windows; keep nothing")
    parser.add_argument("--parts", default=",".join(PARTS), help="parts to measure, by commas (default: %(default)s)")
    parser.add_argument("--zoo", type=Path, default=ZOO, help="store whose domains are loaded for the memory figures")
    parser.add_argument("--bundle", type=Path, help="bundle to serve (default: the newest birds of the zoo)")
    parser.add_argument("--peers-python", type=Path, help="interpreter that has requirements.txt installed already")
    parser.add_argument("--pause", type=int, action="append", default=[], metavar="PID", help="stop it meanwhile")
    options = parser.parse_args(arguments)
    unknown = set(options.parts.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: not a part; there are {', '.join(PARTS)}")
    return options


def _run_part(part: str, results: Results, setup: Setup, options: argparse.Namespace) -> None:
    extent: Extent = QUICK if options.quick else FULL
    name = "@".join(setup.bundle.parts[-2:])
    circumstances = Circumstances.now(name, is_quick=options.quick)
    if part == "closed":
        results.closed = run_closed(setup, extent, circumstances)
    elif part == "open":
        results.open = run_open_loop(setup, extent, circumstances)
    elif part == "overload":
        results.overload = run_overload(setup, extent, circumstances)
    elif part == "gateway":
        results.gateway = run_gateway(setup, extent, circumstances)
    else:
        results.footprint = run_footprint(setup, extent, circumstances, options.zoo)
        alone = domains_alone(options.zoo, CACHE)
        results.domains_alone = run_footprint(setup, extent, circumstances, alone)


def _set_up(options: argparse.Namespace) -> Setup:
    bundle = options.bundle or max((options.zoo / "birds").iterdir(), key=_version_of)
    store = CACHE / "store"
    shutil.rmtree(store, ignore_errors=True)
    copy = store / bundle.parent.name / bundle.name
    shutil.copytree(bundle, copy)
    photos = make_photos(CACHE / "photos")
    return Setup(copy, tuple(photos), CACHE, options.peers_python or _peers_environment())


def _version_of(folder: Path) -> Version:
    return Version(folder.name) if folder.is_dir() else Version("0.dev0")


def _peers_environment() -> Path:
    """Install the peers into an environment of their own, once for each state of the requirements."""
    requirements, constraints = HERE / "requirements.txt", ROOT / "constraints.txt"
    python, stamp = CACHE / "peers" / "bin" / "python", CACHE / "peers" / "installed.txt"
    wanted = requirements.read_text() + constraints.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(CACHE / "peers")], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--requirement", str(requirements), "--constraint", str(constraints)], check=True)
        stamp.write_text(wanted)
    return python


if __name__ == "__main__":
    sys.exit(main())
