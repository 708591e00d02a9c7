"""The in-process limit: decode and infer as fast as this machine can, one thread a core, without any server.

Fieldmark's decoder and session options; no HTTP, no answer. A server cannot answer more requests per CPU-second than
this. It obeys lines on stdin, `THREADS SECONDS`, and answers each with a line of JSON: how many photos were done in
how much time, and the median of one photo. Photos are named on the command line.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.bench.peers.recogniser import Recogniser


def run(recogniser: Recogniser, photos: Sequence[bytes], threads: int, seconds: float) -> dict[str, float]:
    """Recognise photos in turn on `threads` threads for `seconds`."""
    until = time.perf_counter() + seconds
    times: list[list[float]] = [[] for _ in range(threads)]

    def lane(number: int) -> None:
        mine, index = times[number], number
        while (begun := time.perf_counter()) < until:
            recogniser.infer(recogniser.decode(photos[index % len(photos)]))
            mine.append(time.perf_counter() - begun)
            index += threads

    started = time.perf_counter()
    lanes = [threading.Thread(target=lane, args=(number,)) for number in range(threads)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    every = [time_s for mine in times for time_s in mine]
    hundredths = statistics.quantiles(every, n=100)
    return {
        "photos": len(every),
        "seconds": time.perf_counter() - started,
        "median_s": statistics.median(every),
        "p90_s": hundredths[89],
        "p99_s": hundredths[98],
    }


def main(names: Sequence[str]) -> None:
    """Load the bundle, say so, and obey until stdin ends."""
    recogniser = Recogniser.from_environment()
    photos = [Path(name).read_bytes() for name in names]
    run(recogniser, photos, 1, 0.2)
    print("ready", flush=True)
    for line in sys.stdin:
        threads, seconds = line.split()
        print(json.dumps(run(recogniser, photos, int(threads), float(seconds))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
