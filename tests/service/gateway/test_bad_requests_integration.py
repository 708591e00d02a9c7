from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.errors import BY_SLUG, MethodNotAllowed
from tests.service.gateway.bad_requests import BODY_LIMIT, CASES, FIELD_LIMIT, HEADER_LIMIT, BadRequestCase
from tests.service.gateway.fake_bus import FakeBus
from tests.service.gateway.serving import RunningGateway, read_answer, request


@pytest.fixture(scope="module")
def strict_gateway() -> Iterator[RunningGateway]:
    limits = {"body_limit_bytes": BODY_LIMIT, "field_limit_bytes": FIELD_LIMIT, "header_limit_bytes": HEADER_LIMIT}
    with RunningGateway(FakeBus(), **limits) as running:
        yield running


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_request_is_refused_and_told_why(strict_gateway: RunningGateway, case: BadRequestCase) -> None:
    answer = strict_gateway.ask(case.raw, case.method)
    problem = answer.problem
    assert problem["type"] == case.slug
    assert problem["status"] == answer.status == BY_SLUG[case.slug].status
    assert problem["instance"] == answer.headers["x-request-id"]
    assert case.said in problem["detail"]
    assert len(problem["detail"]) < 400
    assert ("allow" in answer.headers) == (case.slug == MethodNotAllowed.slug)
    assert strict_gateway.bus.arrived.empty(), "a bad request must not reach a worker"


@pytest.mark.parametrize("case", [case for case in CASES if case.name in ("no HTTP", "a wish for a tunnel", "a PDF")])
def test_a_bad_request_after_a_good_one_is_told_why_too(strict_gateway: RunningGateway, case: BadRequestCase) -> None:
    with strict_gateway.connect() as connection:
        connection.sendall(request("/healthz", b"", "GET"))
        assert read_answer(connection).status == 200
        connection.sendall(case.raw)
        assert read_answer(connection).problem["type"] == case.slug


def test_there_are_enough_kinds() -> None:
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)
