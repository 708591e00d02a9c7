"""The short form of every drill; `python -m tests.drills` runs them for longer."""

from __future__ import annotations

import asyncio

import pytest

from tests.drills.__main__ import DRILLS, run_drill

SECONDS = {"crash": 6.0, "soak": 60.0}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", DRILLS)
def test_drill(name: str) -> None:
    findings = asyncio.run(run_drill(name, SECONDS.get(name, 0.0)))
    assert findings
