"""A real Chromium for the tests of the console: found, started once, and a page that notices what a person would not.

Owns the browser's start and the watch over each page: what the page writes to its console, what it throws, and from where
it loads. What is on the page, the tests say.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Route, expect, sync_playwright

#: The first draws as the others do, but without a window around each page, which would take as long as the page itself.
CHROMIUM_NAMES = ("chromium-headless-shell", "chromium", "google-chrome")
WAIT_MS = 60_000
DESK, TELEPHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
NEAR_PX = 1.5  # what drawing rounds
#: Chromium's own note on an answer with an error's status; a test that wants such an answer looks at the page instead.
_STATUS_NOTE = "Failed to load resource"
_AXE = Path(__file__).parent / "axe" / "axe.min.js"
#: What passes is not listed, and the style sheets, which only a rule that is off by itself would read, are not fetched again.
_AXE_OPTIONS = {"resultTypes": ["violations"], "preload": {"assets": ["media"]}}


def find_chromium() -> str | None:
    """Path of a Chromium, if the machine has one."""
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the machine's Chromium, unseen, until the block ends."""
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_chromium())
        yield browser
        browser.close()


class ConsolePage:
    """The console in a page of its own; `complaints` are what went wrong unseen."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"thrown: {error}"))
        page.on("request", self._check)

    def open(self, tab: str = "") -> None:
        """Load the page, perhaps at a tab, and wait until it shows what is served."""
        self.page.goto(f"{self.url}/{tab and '#'}{tab}")
        self.page.get_by_role("tablist").wait_for()

    @property
    def panel(self) -> Locator:
        """The panel of the tab that is open."""
        return self.page.locator("[role=tabpanel]:not([hidden])")

    def upload(self, name: str, content: bytes, media_type: str = "image/jpeg") -> None:
        """Choose a file as in the browser's own dialogue."""
        file = {"name": name, "mimeType": media_type, "buffer": content}
        self.panel.locator("input[type=file]").first.set_input_files(file)  # type: ignore[arg-type]

    def choose_example(self, title: str) -> None:
        """Click an example."""
        self.panel.locator(f".example[title='{title}']").click()

    def verdict(self) -> str:
        """Wait for an answer and give its headline."""
        return self.panel.locator(".verdict h2").inner_text()

    def pretend(self, *tasks: str, **answers: Any) -> None:
        """Let the page believe that models for these tasks are served, and what `/v1/` and a name answers."""

        def add_models(route: Route) -> None:
            body = route.fetch().json()
            like = body["models"][0]
            body["models"] += [like | {"name": task, "task": task, "domain": None, "levels": []} for task in tasks]
            route.fulfill(json=body)

        self.page.route("**/v1/models", add_models)
        for name, answer in answers.items():
            self.page.route(f"**/v1/{name}*", functools.partial(_reply, answer))

    def hold(self, address: str, resource_type: str = "fetch") -> list[Route]:
        """Keep what is asked for at an address from its answer; what is kept is in the list, and can go on from there."""
        held: list[Route] = []

        def keep(route: Route) -> None:
            if route.request.resource_type == resource_type:
                held.append(route)
            else:
                route.continue_()

        self.page.route(address, keep)
        return held

    def faults(self, within: str = "html") -> list[str]:
        """What axe finds against accessibility, by rule and place, on all of the page or in a part that a selector names.

        Nothing moves from then on: what rises into sight is judged as it will be.
        """
        self.page.emulate_media(reduced_motion="reduce")
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(_AXE.read_text())
        found: dict[str, Any] = self.page.evaluate(
            "([within, options]) => axe.run(within, options)", [within, _AXE_OPTIONS]
        )
        return [
            f"{violation['id']}: {node['target']} {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_STATUS_NOTE):
            self.complaints.append(f"{message.type}: {message.text}")

    def _check(self, request: Request) -> None:
        if not request.url.startswith((self.url, "blob:")):
            self.complaints.append(f"loads from elsewhere: {request.url}")


def _reply(answer: dict[str, Any], route: Route) -> None:
    route.fulfill(json=answer)
