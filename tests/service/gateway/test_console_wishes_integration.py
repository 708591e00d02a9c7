"""What the console asks as photos and wishes change, in a real Chromium: before a gateway that answers whatever the photo is."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Request, Route, expect

from tests.bundles import solid_photo
from tests.service.gateway.browsing import ConsolePage, find_chromium
from tests.service.gateway.serving import JPEG, RunningGateway

pytestmark = [
    pytest.mark.timeout(240),  # a browser starts for the first test
    pytest.mark.skipif(
        find_chromium() is None, reason="needs Chromium on the PATH: apt install chromium-headless-shell"
    ),
]

CHOOSE_AT_ONCE = """async (bytes) => {
  const files = new DataTransfer();
  files.items.add(new File([new Uint8Array(bytes)], "bird.jpg", { type: "image/jpeg" }));
  const input = document.querySelector("[role=tabpanel]:not([hidden]) input[type=file]");
  const shown = new Promise((resolve) => {
    new MutationObserver((_, watch) => {
      const radio = document.querySelector("input[type=radio][value=birds]");
      if (!radio) return;
      watch.disconnect();
      radio.click();
      resolve();
    }).observe(document.body, { childList: true, subtree: true });
  });
  input.files = files.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  await shown;
}"""


@pytest.fixture(scope="module")
def url(gateway: RunningGateway) -> str:
    return gateway.url


class Questions:
    """What a page has asked `/v1/classify` so far; a form counts as a field `form`."""

    def __init__(self, console: ConsolePage) -> None:
        self._asked: list[Request] = []
        console.page.on("request", self._hear)

    def _hear(self, request: Request) -> None:
        if urlsplit(request.url).path == "/v1/classify":
            self._asked.append(request)

    @property
    def last(self) -> dict[str, str]:
        """The fields of the latest."""
        request = self._asked[-1]
        fields = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        is_form = request.headers["content-type"].startswith("multipart/")
        return fields | ({"form": ""} if is_form else {})


def test_a_wish_before_the_photo_is_painted_is_the_one_that_is_asked(console: ConsolePage) -> None:
    console.pretend("route")
    questions = Questions(console)
    console.open()
    console.page.evaluate(CHOOSE_AT_ONCE, list(solid_photo()))
    assert console.verdict() == "Northern Cardinal"
    assert questions.last == {"domain": "birds", "explain": "true"}


def test_what_was_said_of_one_photo_is_not_said_of_the_next(console: ConsolePage) -> None:
    console.pretend("route", "ground")
    questions = Questions(console)
    console.open()
    console.upload("first.jpg", JPEG)
    console.verdict()
    console.panel.get_by_label("What does it look like?").fill("a red crown")
    console.panel.get_by_label("Which one is meant").fill("the bird on the left")
    with console.page.expect_response("**/v1/classify*"):
        console.panel.get_by_role("button", name="Ask again").click()
    assert "form" in questions.last
    with console.page.expect_response("**/v1/classify*"):
        console.upload("second.jpg", JPEG)
    assert questions.last == {"explain": "true"}
    expect(console.panel.get_by_label("What does it look like?")).to_have_value("")
    expect(console.panel.get_by_label("Which one is meant")).to_have_value("")


def refuse(route: Route) -> None:
    """Answer as the service does where a photo shows nothing that is known."""
    problem = {"type": "no-known-subject", "title": "No known subject", "status": 422, "detail": "No.", "instance": "7"}
    route.fulfill(status=422, content_type="application/problem+json", body=json.dumps(problem))


def test_an_answer_is_forced_for_one_photo(console: ConsolePage) -> None:
    console.pretend("route")
    questions = Questions(console)
    console.page.route(
        "**/v1/classify*", lambda route: route.continue_() if "force" in route.request.url else refuse(route)
    )
    console.open()
    console.upload("cup.jpg", JPEG)
    console.panel.get_by_role("button", name="Answer all the same").click()
    console.verdict()
    console.upload("another cup.jpg", JPEG)
    expect(console.panel.get_by_role("alert")).to_be_visible()
    assert questions.last == {"explain": "true"}


def test_what_words_do_not_mean_is_not_answered_all_the_same(console: ConsolePage) -> None:
    console.pretend("ground")
    console.open()
    console.upload("bird.jpg", JPEG)
    console.verdict()
    console.page.route("**/v1/classify*", refuse)
    console.panel.get_by_label("Which one is meant").fill("the red car")
    console.panel.get_by_role("button", name="Ask again").click()
    expect(console.panel.get_by_role("alert")).to_be_visible()
    expect(console.panel.get_by_role("button", name="Answer all the same")).to_have_count(0)


def test_an_example_of_what_is_not_served_is_asked_about_as_any_photo(console: ConsolePage) -> None:
    questions = Questions(console)
    console.open()
    console.choose_example("Street with cars")
    assert console.verdict() == "Northern Cardinal"
    assert questions.last == {"domain": "birds", "explain": "true"}


def test_an_answer_is_told_by_the_certainty_that_was_asked_for(console: ConsolePage) -> None:
    open_answer = {"uncertain": False, "rollup": None}
    console.page.route("**/v1/classify*", lambda route: route.fulfill(json=route.fetch().json() | open_answer))
    console.open()
    console.upload("bird.jpg", JPEG)
    said = console.panel.locator(".verdict-body")
    expect(said).to_contain_text("nothing reaches 90")
    held = console.hold("**/v1/classify*")
    console.panel.get_by_text("More wishes").click()
    with console.page.expect_request("**/v1/classify*"):
        console.panel.get_by_label("How certain must it be?").select_option("50 %")
    expect(console.panel.locator(".outcome")).to_have_attribute("aria-busy", "true")
    expect(said).to_contain_text("nothing reaches 90")
    held[0].fallback()
    expect(said).to_contain_text("nothing reaches 50")
