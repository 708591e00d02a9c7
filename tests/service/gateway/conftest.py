"""A gateway that any test may ask; tests that change its settings or its bus start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.gateway.fake_bus import FakeBus
from tests.service.gateway.serving import RunningGateway


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    """A gateway whose every job is answered at once; birds is its only domain."""
    with RunningGateway(FakeBus()) as running:
        yield running
