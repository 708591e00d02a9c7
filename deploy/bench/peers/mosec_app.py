"""Mosec with Fieldmark's decoder, graph and session options: two worker processes of one thread, no batching.

Mosec 0.9.8 as its documentation starts it; the body is the photo, not JSON. Run with `--port` like any Mosec program.
"""

from __future__ import annotations

import os

from mosec import Server, Worker

from deploy.bench.peers.recogniser import Recogniser

WORKERS = len(os.sched_getaffinity(0))


class Classify(Worker):
    """One process; `forward` gets the raw body and gives the raw answer."""

    def __init__(self) -> None:
        super().__init__()
        self._recogniser = Recogniser.from_environment()

    def deserialize(self, data: bytes) -> bytes:
        """Keep the photo as it came."""
        return data

    def serialize(self, data: bytes) -> bytes:
        """Keep the answer as it is."""
        return data

    def forward(self, data: bytes) -> bytes:
        """Answer one photo."""
        return self._recogniser.answer(data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Classify, num=WORKERS, max_batch_size=1)
    server.run()
