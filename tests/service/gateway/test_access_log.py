"""The access log: which requests it notes, and what it never tells."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from service.errors import Internal
from service.gateway.access_log import AccessLog
from service.gateway.keyring import KeyRing
from service.keys import Scope, add_key
from service.logs import configure
from service.settings import Settings
from tests.service.gateway.fake_bus import FakeBus
from tests.service.gateway.serving import JPEG, RunningGateway


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    configure(Settings(log_format="json"), "gateway", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    read = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [line for line in read if line["event"] == "request"]


def test_a_line_tells_how_it_went_and_nothing_of_what_was_asked(stream: io.StringIO, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys", "laptop", [Scope.INFER])
    headers = {"authorization": f"Bearer {key}", "x-request-id": "r-1", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    with (
        RunningGateway(FakeBus(), ring=KeyRing(tmp_path / "keys"), observers=[AccessLog(1.0)]) as gateway,
        gateway.client() as client,
    ):
        client.post("/v1/classify", params={"text": "a secret"}, content=JPEG, headers=headers)
        job = gateway.bus.arrived.get_nowait()
    (line,) = lines(stream)
    told = {"request_id": "r-1", "method": "POST", "path": "/v1/classify", "status": 200, "task": "classify",
            "model": "birds@1.0.0", "key": key.split("_")[1], "trace_id": "a" * 32}  # fmt: skip
    assert told.items() <= line.items()
    assert line["ms"] > 0
    assert "secret" not in str(line)
    assert key not in str(line)
    assert job.request_id == "r-1", "the worker's log names it, too"


def test_a_share_is_noted_and_every_fault_of_ours(stream: io.StringIO) -> None:
    drawn = iter([0.49, 0.5])
    bus = FakeBus()
    with RunningGateway(bus, observers=[AccessLog(0.5, lambda: next(drawn))]) as gateway, gateway.client() as client:
        for name in ("kept", "left"):
            client.get("/healthz", headers={"x-request-id": name})
        bus.rule = lambda job: Internal("it broke")
        client.post("/v1/classify", content=JPEG, headers={"x-request-id": "fault"})
    assert [(line["request_id"], line["status"]) for line in lines(stream)] == [("kept", 200), ("fault", 500)]
