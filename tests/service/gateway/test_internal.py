"""The internal port's application: what it serves, and whom it lets administer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from service.gateway.app import create_internal_app
from service.gateway.keyring import KeyRing
from service.keys import Scope, add_key
from service.metrics import Metrics
from tests.service.gateway.fake_bus import FakeBus

RELOAD = "/v1/admin/reload"


def ask(
    method: str, path: str, headers: dict[str, str] | None = None, *, ring: KeyRing | None = None, is_heard: bool = True
) -> tuple[httpx.Response, int]:
    """Ask once; gives the answer and how often a reload was asked for."""
    reloads: list[None] = []

    def reload() -> bool:
        reloads.append(None)
        return is_heard

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(create_internal_app(FakeBus(), Metrics(), reload, ring))
        async with httpx.AsyncClient(transport=transport, base_url="http://internal") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(run()), len(reloads)


def test_a_reload_is_passed_on() -> None:
    answer, reloads = ask("POST", RELOAD)
    assert (answer.status_code, answer.json(), reloads) == (202, {"status": "reloading"}, 1)


def test_without_a_supervisor_there_is_no_reload() -> None:
    answer, _ = ask("POST", RELOAD, is_heard=False)
    assert (answer.status_code, answer.json()["type"]) == (404, "not-found")
    assert "started by itself" in answer.json()["detail"]


def test_a_web_page_reloads_nothing() -> None:
    answer, reloads = ask("POST", RELOAD, {"origin": "http://elsewhere.example"})
    assert (answer.status_code, reloads) == (403, 0)


def test_to_look_is_not_to_reload() -> None:
    answer, reloads = ask("GET", RELOAD)
    assert (answer.status_code, reloads) == (405, 0)


@pytest.mark.parametrize(("scope", "status"), [(None, 401), (Scope.INFER, 403), (Scope.ADMIN, 202)])
def test_where_keys_are_asked_for_a_reload_needs_one_for_it(tmp_path: Path, scope: Scope | None, status: int) -> None:
    path = tmp_path / "keys"
    key = add_key(path, "somebody", [scope or Scope.INFER])
    answer, reloads = ask("POST", RELOAD, {"authorization": f"Bearer {key}"} if scope else None, ring=KeyRing(path))
    assert (answer.status_code, reloads) == (status, status == 202)


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_figures_and_health_need_no_key(tmp_path: Path, path: str) -> None:
    add_key(tmp_path / "keys", "somebody", [Scope.INFER])
    answer, _ = ask("GET", path, ring=KeyRing(tmp_path / "keys"))
    assert answer.status_code == 200
    if path == "/readyz":
        assert answer.json()["workers"], "here it is told in full"
