"""LitServe with Fieldmark's decoder, graph and session options: two worker processes, no batching.

LitServe 0.2.19 with its defaults; the body is the photo: annotating the request so lets FastAPI hand over raw bytes,
the cheapest way that LitServe has.
"""

# No `from __future__ import annotations` here: LitServe reads the annotation of decode_request as an object.
import argparse
import os
from typing import Annotated

import litserve
from fastapi import Body, Response

from deploy.bench.peers.recogniser import Recogniser

WORKERS = len(os.sched_getaffinity(0))
Photo = Annotated[bytes, Body(media_type="image/jpeg")]


class Classify(litserve.LitAPI):
    """What one worker process does."""

    def setup(self, device: str) -> None:
        """Load the bundle."""
        self._recogniser = Recogniser.from_environment()

    def decode_request(self, request: Photo) -> bytes:
        """Keep the photo as it came."""
        return request

    def predict(self, photo: bytes) -> bytes:
        """Answer one photo."""
        return self._recogniser.answer(photo)

    def encode_response(self, output: bytes) -> Response:
        """Send the answer as it is."""
        return Response(output, media_type="application/json")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    server = litserve.LitServer(Classify(), accelerator="cpu", workers_per_device=WORKERS)
    server.run(host="127.0.0.1", port=parser.parse_args().port, generate_client_file=False, log_level="warning")
