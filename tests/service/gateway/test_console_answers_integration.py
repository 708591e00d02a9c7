"""What the console makes of answers, in a real Chromium: before a gateway whose bus answers as the test says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from service.gateway.keyring import KeyRing
from service.keys import Scope, add_key
from tests.service.gateway.browsing import NEAR_PX, ConsolePage, find_chromium
from tests.service.gateway.fake_bus import FakeBus
from tests.service.gateway.serving import RunningGateway

pytestmark = [
    pytest.mark.timeout(240),  # a browser starts for the first test
    pytest.mark.skipif(
        find_chromium() is None, reason="needs Chromium on the PATH: apt install chromium-headless-shell"
    ),
]


@pytest.fixture(scope="module")
def url(gateway: RunningGateway) -> str:
    return gateway.url


@pytest.fixture(scope="module")
def script(browser: Browser, url: str) -> Iterator[Page]:
    """A page of the console for tests of its modules alone, which change nothing that is seen."""
    with browser.new_context() as context:
        page = context.new_page()
        ConsolePage(page, url).open()
        yield page


@pytest.mark.parametrize(
    ("changes", "tone", "title"),
    [
        ({"rollup": {"level": "species", "label": "Herring Gull", "probability": 0.96}}, "sure", "Herring Gull"),
        ({"rollup": {"level": "genus", "label": "Larus", "probability": 0.97}}, "partly", "A bird of the genus Larus"),
        ({}, "open", "Perhaps a Herring Gull"),
        ({"uncertain": True}, "unknown", "Unlike the 200 species that it knows"),
        ({"uncertain": None}, "match", "Herring Gull"),
    ],
)
def test_an_answer_ends_in_one_of_five_verdicts(script: Page, changes: dict[str, Any], tone: str, title: str) -> None:
    levels = {"genus": "Larus", "species": "Larus argentatus"}
    best = {"class_id": "062", "label": "Herring Gull", "probability": 0.6, "levels": levels}
    answer = {"predictions": [best], "uncertain": False} | changes
    entry = {"domain": "birds", "levels": list(levels), "classes": 200}
    told = script.evaluate(
        "async ([answer, entry]) => (await import('/console/verdict.js')).judge(answer, entry, 0.9)", [answer, entry]
    )
    assert (told["tone"], told["title"]) == (tone, title)


def refuse(console: ConsolePage, address: str, status: int, slug: str, detail: str, *, retry_after_s: int) -> None:
    """Answer what the page asks for at an address with a problem."""
    problem = {"type": slug, "title": slug, "status": status, "detail": detail, "instance": "7"}
    headers = {"retry-after": str(retry_after_s), "content-type": "application/problem+json"}
    console.page.route(address, lambda route: route.fulfill(status=status, headers=headers, body=json.dumps(problem)))


def test_a_busy_service_tells_when_to_come_back_and_may_be_asked_again(console: ConsolePage) -> None:
    refuse(console, "**/v1/classify*", 429, "overloaded", "The wait is 3 s.", retry_after_s=4)
    console.open()
    console.choose_example("White pelican")
    expect(console.panel.get_by_role("alert")).to_contain_text("Come back in 4 s.")
    assert faults_in_every_light(console, ".bench-answer") == []
    console.page.unroute("**/v1/classify*")
    console.panel.get_by_role("button", name="Try again").click()
    assert console.verdict() == "Northern Cardinal"


def faults_in_every_light(console: ConsolePage, within: str) -> list[str]:
    found = console.faults(within)
    console.page.emulate_media(color_scheme="dark")
    return found + console.faults(within)


def test_what_nothing_seems_to_know_may_be_answered_all_the_same(console: ConsolePage) -> None:
    problem = {
        "type": "no-known-subject",
        "title": "No known subject",
        "status": 422,
        "detail": "No bird.",
        "instance": "7",
    }

    def refuse_unless_forced(route: Route) -> None:
        if "force=true" in route.request.url:
            route.continue_()
        else:
            route.fulfill(status=422, content_type="application/problem+json", body=json.dumps(problem))

    console.page.route("**/v1/classify*", refuse_unless_forced)
    console.open()
    console.choose_example("White pelican")
    expect(console.panel.get_by_role("alert")).to_contain_text("Nothing here that the models know")
    assert faults_in_every_light(console, ".bench-answer") == []
    console.panel.get_by_role("button", name="Answer all the same").click()
    assert console.verdict() == "Northern Cardinal"


def test_a_refused_model_is_listed_with_its_reason(console: ConsolePage) -> None:
    console.open("live")
    row = console.panel.get_by_role("row").filter(has_text="broken 0.1.0")
    expect(row).to_contain_text("refused model.onnx is missing")
    assert faults_in_every_light(console, ".models") == []


def test_a_mark_stands_out_while_its_words_have_the_focus(console: ConsolePage) -> None:
    box = {"x": 20.0, "y": 30.0, "width": 60.0, "height": 50.0}
    regions = [{"kind": kind, "box": box} for kind in ("discriminative", "complementary")]
    evidence = {"rows": 2, "columns": 2, "values": [0.0, 0.5, 0.25, 1.0]}

    def explain(route: Route) -> None:
        told = {"explanation": {"regions": regions, "map": evidence, "faithful": None}}
        route.fulfill(json=route.fetch().json() | told)

    console.page.route("**/v1/classify*", explain)
    console.open()
    console.choose_example("White pelican")
    console.panel.get_by_label("Show what it looked at").focus()
    marks = console.panel.locator("g.mark")
    for looks in (["mark", "mark faded"], ["mark faded", "mark"], ["mark", "mark"]):
        console.page.keyboard.press("Tab")
        expect(marks).to_have_class(looks)
    assert faults_in_every_light(console, ".stage") == []


def test_a_service_that_is_gone_is_told_of(console: ConsolePage) -> None:
    console.open()
    console.page.route("**/v1/classify*", lambda route: route.abort())
    console.choose_example("White pelican")
    expect(console.panel.get_by_role("alert")).to_contain_text("The service cannot be reached")


def test_tasks_that_nothing_does_have_no_tab(console: ConsolePage) -> None:
    def leave_classifiers(route: Route) -> None:
        body = route.fetch().json()
        body["models"] = [model for model in body["models"] if model["task"] == "classify"]
        route.fulfill(json=body)

    console.page.route("**/v1/models", leave_classifiers)
    console.open("point")
    assert console.page.get_by_role("tab").all_inner_texts() == ["Identify", "Service"]
    expect(console.page.get_by_role("tab", name="Identify")).to_have_attribute("aria-selected", "true")


def test_what_is_pointed_at_is_framed(console: ConsolePage) -> None:
    box = {"x": 64.0, "y": 50.0, "width": 100.0, "height": 75.0}
    results = [
        {"expression": "the bird", "found": True, "score": 0.83, "box": box},
        {"expression": "a red car", "found": False, "score": 0.04, "reason": "the photo seems to show no such thing"},
    ]
    image = {"width": 258, "height": 201}
    console.pretend("ground", ground={"results": results, "image": image, "model": {}})
    console.open("point")
    console.choose_example("White pelican")
    console.panel.get_by_label("One description a line").fill("the bird\na red car")
    console.panel.get_by_role("button", name="Point at it").click()
    expect(console.panel.locator(".found li")).to_have_count(2)
    expect(console.panel.locator(".found li").nth(1)).to_contain_text("is not there, it seems")
    mark = console.panel.locator(".mark-line")
    expect(mark).to_have_count(1)
    frame, drawn = console.panel.locator(".stage-photo img").bounding_box(), mark.bounding_box()
    assert frame is not None
    assert drawn is not None
    scale = frame["width"] / 258
    assert drawn["x"] == pytest.approx(frame["x"] + 64 * scale, abs=NEAR_PX)
    assert drawn["width"] == pytest.approx(100 * scale, abs=2 * NEAR_PX)
    expect(console.panel.locator(".code code")).to_contain_text("--form-string 'expressions=the bird")


def test_a_question_is_answered_with_the_cells_that_were_read(console: ConsolePage) -> None:
    kept = {"rows": 2, "columns": 2, "values": [1, 0, 0, 1]}
    told = {"answers": [{"answer": "orange", "probability": 0.7}], "kept": kept, "image": {"width": 258, "height": 201}}
    console.pretend("answer", answer=told)
    console.open("ask")
    console.choose_example("White pelican")
    console.panel.get_by_role("button", name="Ask", exact=True).click()
    assert console.verdict() == "Orange"
    expect(console.panel.locator(".cell")).to_have_count(2)
    expect(console.panel.locator(".legend")).to_contain_text("2 of 4 cells were read")


def test_figures_of_two_readings_become_rates_and_latencies(script: Page) -> None:
    before, now = figures(10), figures(30)
    told = script.evaluate(
        """async ([before, now]) => {
            const { compare } = await import("/console/figures.js");
            return [compare(before, now, 2), compare(now, before, 2)];
        }""",
        [before, now],
    )
    grown, anew = told
    assert (grown["answered"], grown["refused"], grown["failed"]) == (10, 0, 0)
    assert grown["p50"] == pytest.approx(0.01)
    assert grown["batch"] == 1.5
    assert anew["answered"] == 5, "a counter that fell began anew"


def figures(count: int) -> dict[str, Any]:
    """What the service would tell after so many requests of 0.01 s in batches of 1.5 on average."""
    questions = {
        "answered": count,
        "refused": 0,
        "failed": 0,
        "bounds_s": [0.005, 0.015],
        "latency": [0, count, 0],
        "batch_count": count,
        "batch_sum": count * 1.5,
    }
    return {"questions": questions, "queued": 0, "inflight": 0, "workers": []}


def test_a_service_that_asks_for_a_key_is_given_one(browser: Browser, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys", "laptop", [Scope.INFER])
    with RunningGateway(FakeBus(), ring=KeyRing(tmp_path / "keys")) as keyed, browser.new_context() as context:
        shown = ConsolePage(context.new_page(), keyed.url)
        shown.page.goto(keyed.url)
        field = shown.page.get_by_label("Key")
        field.fill("wrong")
        field.press("Enter")
        expect(shown.page.locator("form")).to_contain_text("The key is not known")
        assert shown.faults() == []
        field.fill(key)
        field.press("Enter")
        shown.choose_example("White pelican")
        shown.verdict()
        recipe = shown.panel.locator("pre")
        expect(recipe).to_contain_text('"Authorization: Bearer $FIELDMARK_KEY"')
        shown.panel.get_by_role("button", name="Python").click()
        expect(recipe).to_contain_text('key=os.environ["FIELDMARK_KEY"]')
    assert shown.complaints == []


def test_the_colours_are_the_systems_until_a_person_chooses(console: ConsolePage) -> None:
    console.page.emulate_media(color_scheme="light")
    console.open()
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = console.page.evaluate(background)
    console.page.get_by_label("Colours").select_option("Dark")
    dark = console.page.evaluate(background)
    assert dark != light
    console.open()
    console.page.reload()
    assert console.page.evaluate(background) == dark


def test_a_browser_that_stores_nothing_is_served_all_the_same(console: ConsolePage) -> None:
    console.page.add_init_script(
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    console.open()
    console.choose_example("White pelican")
    assert console.verdict() == "Northern Cardinal"


def test_what_a_person_reads_stays_while_the_service_is_asked_again(console: ConsolePage) -> None:
    refuse(console, "**/v1/models", 503, "not-ready", "Models are loaded.", retry_after_s=1)
    console.page.goto(console.url)
    alert = console.page.get_by_role("alert")
    alert.evaluate("alert => { alert.dataset.seen = true; }")
    with console.page.expect_response("**/v1/models"):
        pass
    with console.page.expect_response("**/v1/models"):
        pass
    expect(alert).to_have_attribute("data-seen", "true")
    console.page.unroute("**/v1/models")
    console.page.get_by_role("tablist").wait_for()
    expect(alert).to_have_count(0)


def test_one_reading_of_the_figures_follows_the_other(console: ConsolePage) -> None:
    console.page.clock.install()
    console.open()
    held = console.hold("**/v1/stats")
    with console.page.expect_request("**/v1/stats"):
        console.page.get_by_role("tab", name="Service").click()
    console.page.clock.run_for(10_000)
    assert len(held) == 1
    with console.page.expect_request("**/v1/stats"):
        held[0].continue_()
        expect(console.panel.locator(".tile").last).to_contain_text("1")
        console.page.clock.run_for(2_000)


def test_the_way_past_the_head_leaves_the_tab_open(console: ConsolePage) -> None:
    console.open("live")
    console.page.get_by_role("link", name="Skip to the content").focus()
    console.page.keyboard.press("Enter")
    expect(console.page.locator("main")).to_be_focused()
    expect(console.page.get_by_role("tab", name="Service")).to_have_attribute("aria-selected", "true")
    assert console.page.url.endswith("#live")


def test_commands_are_shown_where_there_is_no_answer_any_more(console: ConsolePage) -> None:
    console.open()
    console.choose_example("White pelican")
    console.panel.get_by_role("button", name="Answer", exact=True).click()
    console.page.route("**/v1/classify*", lambda route: route.abort())
    console.panel.get_by_role("button", name="Ask again").click()
    expect(console.panel.get_by_role("button", name="curl")).to_have_attribute("aria-pressed", "true")
    expect(console.panel.locator(".code code")).to_contain_text("curl")
