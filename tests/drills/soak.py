"""The soak: mixed load for a long time while workers are killed; nothing stays unanswered and memory stays flat.

    python -m tests.drills.soak --minutes 30 [--store models/zoo]

Good photos in several formats, bad ones, slow and aborted uploads come at once and all the time. One of two
workers is killed every minute (every 15 s in a run of less than five minutes); the other lives on, and its memory tells
whether work leaks any. The pass criteria stand in `_judge`.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from deploy.bench.load.meter import resident_bytes
from deploy.bench.servers import FORM_TYPE, form_of
from tests.bundles import make_bundle
from tests.drills.service_process import RunningService, require, service
from tests.drills.traffic import Ask, Crowd, Tally

SAMPLES = Path(__file__).parents[1] / "samples"
CLIENTS = 10
REST_S = 0.05
KILL_EVERY_S = {"short": 15.0, "long": 60.0}
LONG_MINUTES = 5.0
GROWTH_LIMIT_BYTES = 8 << 20
FILES_LIMIT = 16
BUSY = {429, 503}  # honest answers while a worker is away


@dataclass(frozen=True, slots=True)
class Sample:
    """What the gateway and the worker held at a moment before a kill."""

    gateway_bytes: int
    worker_bytes: int
    gateway_files: int


async def soak(store: Path, minutes: float, domain: str | None = None) -> list[str]:
    """Run the soak on a store and judge it."""
    asks = _mixture(domain)
    samples: list[Sample] = []
    pause_s = KILL_EVERY_S["long" if minutes >= LONG_MINUTES else "short"]
    with service(store, "--workers", "2") as running:
        survivor = running.worker_pids()[0]  # the other is killed again and again: only one that lives long can leak
        crowd = Crowd(running.port, CLIENTS, lambda: next(asks), rest_s=REST_S)
        until = time.monotonic() + minutes * 60
        async with crowd.asking():
            while (left := until - time.monotonic()) > 0:
                await asyncio.sleep(min(pause_s, left))  # the load's time, not a wait for something
                samples.append(_look(running, survivor))
                await _kill_worker(running, survivor)
                await crowd.more(1)
                _tell(crowd.tally, samples[-1])
        return _judge(crowd.tally, samples)


async def drill(folder: Path, seconds: float) -> list[str]:
    """Run the short form on a tiny bundle that really decodes and infers."""
    make_bundle(folder)
    return await soak(folder, seconds / 60)


def _mixture(domain: str | None) -> Iterator[Ask]:
    """Endless requests, good, bad, slow and aborted, in an order that is the same every time."""
    path = f"/v1/classify?domain={domain}" if domain else "/v1/classify"
    photos = [sample.read_bytes() for sample in sorted(SAMPLES.glob("*.jpg"))]
    png = _as_png(photos[0])
    source = random.Random(7)
    kinds = {"good": 12, "png": 2, "form": 3, "truncated": 2, "text": 2, "empty": 1, "parameter": 1, "slow": 2,
             "aborted upload": 2, "left": 2}  # fmt: skip
    for kind in iter(lambda: source.choices(list(kinds), list(kinds.values()))[0], None):
        photo = source.choice(photos)
        yield {
            "good": Ask(kind, photo, path),
            "png": Ask(kind, png, path, "image/png"),
            "form": Ask(kind, form_of(photo), path, FORM_TYPE),
            "truncated": Ask(kind, photo[: len(photo) // 3], path),
            "text": Ask(kind, b"this is no photo " * 200, path),
            "empty": Ask(kind, b"", path),
            "parameter": Ask(kind, photo, "/v1/classify?top_k=none"),
            "slow": Ask(kind, photo, path, pieces=6, pause_s=0.2),
            "aborted upload": Ask(kind, photo, path, leaves_after=0.5),
            "left": Ask(kind, photo, path, leaves_after=1.0),
        }[kind]


GOOD = ("good", "png", "form", "slow")
BAD = {"truncated": {200, 422}, "text": {415}, "empty": {400, 415, 422}, "parameter": {422}}


def _judge(tally: Tally, samples: list[Sample]) -> list[str]:
    """The pass criteria."""
    faults = tally.faults()
    require(not faults, f"{len(faults)} requests were not answered properly: {faults[:5]}")
    for kind in GOOD:
        found = set(tally.statuses(kind))
        require(found <= {200} | BUSY, f"{kind} photos were answered {dict(tally.statuses(kind))}")
    for kind, wanted in BAD.items():
        found = set(tally.statuses(kind))
        require(found <= wanted | BUSY, f"{kind} requests were answered {dict(tally.statuses(kind))}")
    settled = samples[1:] or samples  # the first holds what a start leaves to be filled: caches, arenas, pools
    for name in ("gateway_bytes", "worker_bytes"):
        sizes = [getattr(sample, name) for sample in settled]
        growth = sizes[-1] - sizes[0]
        require(growth <= GROWTH_LIMIT_BYTES, f"{name} grew by {growth:,} bytes: {sizes}")
    files = [sample.gateway_files for sample in settled]
    require(files[-1] - files[0] <= FILES_LIMIT, f"the gateway's open files went from {files[0]} to {files[-1]}")
    statuses = ", ".join(f"{count} x {status or 'left'}" for status, count in sorted(tally.statuses().items(), key=str))
    gateway, worker = (
        " to ".join(str(getattr(sample, name) >> 20) for sample in (settled[0], settled[-1]))
        for name in ("gateway_bytes", "worker_bytes")
    )
    return [
        f"{len(tally.outcomes)} requests, none unanswered: {statuses}",
        f"{len(samples)} workers killed; resident memory of the gateway {gateway} MiB, of a worker {worker} MiB",
    ]


def _look(running: RunningService, survivor: int) -> Sample:
    gateway = running.gateway_pid()
    return Sample(
        gateway_bytes=resident_bytes(gateway),
        worker_bytes=resident_bytes(survivor),
        gateway_files=sum(1 for _ in Path(f"/proc/{gateway}/fd").iterdir()),
    )


async def _kill_worker(running: RunningService, survivor: int) -> None:
    mark = running.mark()
    for victim in set(running.worker_pids()) - {survivor}:
        os.kill(victim, signal.SIGKILL)
    await asyncio.to_thread(running.wait_for, "child_ready", since=mark)


def _tell(tally: Tally, sample: Sample) -> None:
    sys.stderr.write(
        f"{len(tally.outcomes)} requests, gateway {sample.gateway_bytes >> 20} MiB, worker {sample.worker_bytes >> 20} MiB, "
        f"{sample.gateway_files} files, {len(tally.faults())} unanswered\n"
    )


def _as_png(photo: bytes) -> bytes:
    file = io.BytesIO()
    with Image.open(io.BytesIO(photo)) as image:
        image.save(file, "PNG")
    return file.getvalue()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--store", type=Path, help="store to serve (default: a tiny bundle made for this)")
    parser.add_argument("--domain", help="domain to ask for, where the store has several")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.store is None:
            make_bundle(Path(folder))
        findings = asyncio.run(soak(options.store or Path(folder), options.minutes, options.domain))
    sys.stdout.write("\n".join(findings) + "\n")


if __name__ == "__main__":
    main()
