"""A gateway that any test may ask, and the console in a browser; tests that change settings or bus start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.service.gateway.browsing import DESK, ConsolePage, chromium
from tests.service.gateway.fake_bus import FakeBus
from tests.service.gateway.serving import RunningGateway


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    """A gateway whose every job is answered at once; birds is its only domain."""
    with RunningGateway(FakeBus()) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def console(browser: Browser, url: str, request: pytest.FixtureRequest) -> Iterator[ConsolePage]:
    """A fresh page; nothing may be thrown, logged as an error or loaded from elsewhere on it."""
    options = {"viewport": DESK} | getattr(request, "param", {})
    with browser.new_context(**options) as context:
        shown = ConsolePage(context.new_page(), url)
        yield shown
        assert shown.complaints == []
