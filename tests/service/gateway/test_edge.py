"""What no server of ours does to the edge, and what happens when an answer breaks off."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.bus.base import Job
from service.errors import ClientClosed, Internal
from service.gateway.edge import Edge
from service.gateway.exchange import Exchange, Wire, attach_wire
from service.gateway.relay import await_outcome
from service.metrics import Metrics
from tests.service.gateway.fake_bus import FakeBus

HTTP: Scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "state": {}}
START: Message = {"type": "http.response.start", "status": 200, "headers": []}


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def sent(app: object, scope: Scope) -> list[Message]:
    """Run one request through the edge and give what it sent."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    edge = Edge(app, Metrics(), clock=lambda: 1.0)  # type: ignore[arg-type]
    asyncio.run(edge(scope, receive, send))
    return messages


def test_what_is_not_http_passes_through() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": f"{scope['type']}.startup.complete"})

    assert sent(app, {"type": "lifespan"}) == [{"type": "lifespan.startup.complete"}]


@pytest.mark.parametrize("error", [Internal("late"), RuntimeError("late")])
def test_an_answer_that_has_begun_gets_no_second_one(error: Exception) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        raise error

    assert [message["type"] for message in sent(app, HTTP)] == ["http.response.start"]


def test_a_client_that_left_gets_no_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientClosed

    assert sent(app, HTTP) == []


def test_a_page_may_bring_its_own_policy() -> None:
    policy = (b"content-security-policy", b"default-src 'self'")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [policy]})

    headers = sent(app, HTTP)[0]["headers"]
    assert [header for header in headers if header[0] == policy[0]] == [policy]
    assert (b"cache-control", b"no-store") in headers


def test_a_job_of_a_client_that_left_already_is_not_handed_in() -> None:
    wire = Wire()
    wire.leave()
    scope = dict(HTTP)
    attach_wire(scope, wire)
    bus = FakeBus()
    job = Job("classify/birds", [b""], None, 0.0)  # type: ignore[arg-type]
    with pytest.raises(ClientClosed):
        asyncio.run(await_outcome(bus, job, Exchange(scope, 0.0)))
    assert bus.arrived.empty()
