"""Do all servers give the same answers? Asked before anything is timed.

A server with Fieldmark's decoder and graph must agree in the best class of every photo and in every probability to
1e-4. The tutorial's server decodes and scales in its own way, and a graph in 8 bits rounds, so of them only the share of
equal best classes is told.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from deploy.bench.servers import Server, ServerError, Setup, ask, bodies_for

TOLERANCE = 1e-4


def compare(servers: Sequence[Server], setup: Setup) -> list[str]:
    """Compare each server with the first, one sentence each.

    Raises:
        ServerError: a server that should agree does not, or does not answer.
    """
    wanted = [_answers(servers[0], body.read_bytes()) for body in bodies_for(servers[0].row, setup)]
    sentences = []
    for server in servers[1:]:
        given = [_answers(server, body.read_bytes()) for body in bodies_for(server.row, setup)]
        same = sum(max(a, key=a.__getitem__) == max(b, key=b.__getitem__) for a, b in zip(wanted, given, strict=True))
        apart = max(_distance(a, b) for a, b in zip(wanted, given, strict=True))
        if server.row.is_alike and (same < len(wanted) or apart > TOLERANCE):
            raise ServerError(
                f"{server.row.name} and {servers[0].row.name} agree on {same} of {len(wanted)} photos and are "
                f"{apart:.2g} apart in probability; they must agree on all, to {TOLERANCE:g}"
            )
        sentences.append(
            f"{server.row.name} gives the same best class for {same} of {len(wanted)} photos, probabilities at most "
            f"{apart:.1g} apart"
        )
    return sentences


def _answers(server: Server, body: bytes) -> dict[str, float]:
    status, answer = ask(server.address, server.address.path, body, server.address.content_type)
    if status != 200:
        raise ServerError(f"{server.row.name} answered {status}: {answer[:300]!r}")
    predictions = json.loads(answer)["predictions"]
    return {prediction["class_id"]: prediction["probability"] for prediction in predictions}


def _distance(wanted: dict[str, float], given: dict[str, float]) -> float:
    """Largest difference over the classes that both name: the last of the best five may differ by rounding."""
    return max((abs(wanted[name] - given[name]) for name in wanted.keys() & given.keys()), default=1.0)
