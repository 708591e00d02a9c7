"""The console in a real Chromium, before a real service: the shipped bundles, and a tiny one of each system."""

from __future__ import annotations

import functools
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from service.gateway.keyring import KeyRing
from service.keys import Scope, add_key
from tests.bundles import solid_photo
from tests.drills.service_process import PATIENCE_S, service
from tests.service.gateway.browsing import ConsolePage, chromium, find_chromium
from tests.service.gateway.fake_bus import FakeBus
from tests.service.gateway.serving import RunningGateway
from tests.system_bundles import make_system_bundle

ROOT = Path(__file__).parents[3]
PELICAN = (ROOT / "tests" / "samples" / "white_pelican.jpg").read_bytes()
AMBER = (230, 159, 0)  # the first mark's colour
NEAR_PX = 1.5
DESK, TELEPHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}

pytestmark = [
    pytest.mark.timeout(240),  # a service with the shipped bundles and a browser start for the first test
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium on the PATH: apt install chromium"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service with the shipped domains, `colours`, whose models explain in every way."""
    store = tmp_path_factory.mktemp("store")
    make_system_bundle(store, "pma_student", name="colours", domain="colours")
    for system in ("pma", "pma_visual", "rams_trans", "s3n"):
        make_system_bundle(store, system, name=system.replace("_", "-"), domain="colours", default=False)
    with service(store, "--store", str(ROOT / "models" / "zoo"), lanes=1) as running:
        yield f"http://127.0.0.1:{running.port}"


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


@pytest.fixture(scope="module")
def script(browser: Browser, url: str) -> Iterator[Page]:
    """A page of the console for tests of its modules alone, which change nothing that is seen."""
    with browser.new_context() as context:
        page = context.new_page()
        ConsolePage(page, url).open()
        yield page


def ask(url: str, photo: bytes, **params: Any) -> dict[str, Any]:
    answer = httpx.post(f"{url}/v1/classify", content=photo, params=params, timeout=PATIENCE_S, trust_env=False)
    told: dict[str, Any] = answer.raise_for_status().json()
    return told


def turned_photo() -> bytes:
    """A photo that lies on its side in the file: 320 x 200 there, 200 x 320 as a person sees it; half of it is red."""
    picture = Image.new("RGB", (320, 200), (40, 60, 50))
    picture.paste((255, 0, 0), (0, 0, 160, 120))
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=exif, quality=95)
    return buffer.getvalue()


def test_an_uploaded_photo_is_named_in_plain_words(console: ConsolePage) -> None:
    console.open()
    console.upload("my bird.jpg", PELICAN)
    assert console.verdict() == "American White Pelican"
    expect(console.panel.locator(".verdict .latin").first).to_have_text("Pelecanus erythrorhynchos")
    expect(console.panel.locator(".verdict-lead")).to_have_text("It is certain")
    assert console.panel.locator(".ladder .held").count() == 4
    expect(console.panel.locator(".caption")).to_contain_text("258 × 201 px")


def test_an_example_comes_with_its_credit(console: ConsolePage) -> None:
    console.open()
    console.choose_example("White pelican")
    assert console.verdict() == "American White Pelican"
    licence = console.panel.locator(".caption a")
    expect(licence).to_have_text("CC BY-SA 2.5")
    expect(licence).to_have_attribute("href", "https://creativecommons.org/licenses/by-sa/2.5/")


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_photo_may_be_dropped_or_pasted(console: ConsolePage, event: str) -> None:
    console.open()
    console.page.evaluate(
        """([event, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.jpg", { type: "image/jpeg" }));
            const made = event === "drop" ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true });
            document.body.dispatchEvent(made);
        }""",
        [event, list(PELICAN)],
    )
    assert console.verdict() == "American White Pelican"


def test_an_unsure_answer_says_so_and_lists_what_it_may_be(console: ConsolePage, url: str) -> None:
    console.open()
    console.choose_example("Nuthatch")
    assert console.verdict().startswith("Perhaps a")
    photo = httpx.get(f"{url}/console/examples/nuthatch.jpg", trust_env=False).content
    told = ask(url, photo, domain="birds")
    assert console.panel.locator(".chips li").count() == len(told["set"]["class_ids"])
    assert console.panel.locator(".ladder .held").count() == 0


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


@pytest.mark.parametrize("model", ["pma-visual", "rams-trans", "s3n"])
def test_marks_lie_on_the_pixels_that_the_answer_names(console: ConsolePage, url: str, model: str) -> None:
    photo = turned_photo()
    told = ask(url, photo, model=model, explain="true")
    console.open()
    console.upload("turned.jpg", photo)
    console.verdict()
    console.panel.get_by_role("radio", name="Colours").check(force=True)
    console.panel.get_by_text("More wishes").click()
    console.panel.get_by_label("Model").select_option(f"{model}@1.0.0")
    regions = told["explanation"]["regions"]
    expect(console.panel.locator(".mark-line")).to_have_count(len(regions))
    frame = console.panel.locator(".stage-photo img").bounding_box()
    assert frame is not None
    assert frame["height"] / frame["width"] == pytest.approx(320 / 200, abs=0.01), "the photo stands upright"
    boxes = [pytest.approx(list(region["box"].values()), abs=NEAR_PX) for region in regions]
    assert marks_on_photo(console, 200) == boxes


def marks_on_photo(console: ConsolePage, width_px: int) -> list[list[float]]:
    """Where the marks lie on the screen, in pixels of a photo of this width; what is outside of them, a stroke, aside."""
    frame = console.panel.locator(".stage-photo img").bounding_box()
    assert frame is not None
    scale = frame["width"] / width_px
    drawn: list[list[float]] = console.panel.locator(".mark-line").evaluate_all(
        """marks => marks.map(mark => {
            const at = mark.getScreenCTM(), box = mark.getBBox();
            return [box.x * at.a + at.e, box.y * at.d + at.f, box.width * at.a, box.height * at.d];
        })"""
    )
    return [
        [(x - frame["x"]) / scale, (y - frame["y"]) / scale, width / scale, height / scale]
        for x, y, width, height in drawn
    ]


def test_a_mark_is_seen_where_it_is(console: ConsolePage, url: str) -> None:
    photo = turned_photo()
    box = ask(url, photo, model="rams-trans", explain="true")["explanation"]["regions"][0]["box"]
    console.open()
    console.upload("turned.jpg", photo)
    console.verdict()
    console.panel.get_by_role("radio", name="Colours").check(force=True)
    console.panel.get_by_text("More wishes").click()
    console.panel.get_by_label("Model").select_option("rams-trans@1.0.0")
    expect(console.panel.locator(".mark-line")).to_have_count(1)
    stage = console.panel.locator(".stage-photo")
    with Image.open(io.BytesIO(stage.screenshot())) as seen:
        pixels = seen.convert("RGB")
    scale = pixels.width / 200
    bottom = min((box["y"] + box["height"]) * scale, pixels.height - 2)
    middle = (box["x"] + box["width"] / 2) * scale
    reached = [pixels.getpixel((round(middle), round(bottom) + step)) for step in (-2, -1, 0, 1)]
    assert any(near(colour, AMBER) for colour in reached), reached


def near(colour: Any, wanted: tuple[int, int, int]) -> bool:
    return all(abs(have - want) < 25 for have, want in zip(colour, wanted, strict=True))


def test_evidence_is_brightest_where_the_map_is_highest(console: ConsolePage, url: str) -> None:
    told = ask(url, PELICAN, domain="birds", explain="true")["explanation"]["map"]
    best = max(range(len(told["values"])), key=told["values"].__getitem__)
    console.open()
    console.upload("bird.jpg", PELICAN)
    console.verdict()
    canvas = console.panel.locator("canvas.evidence")
    frame, drawn = console.panel.locator(".stage-photo img").bounding_box(), canvas.bounding_box()
    assert frame is not None
    assert drawn == pytest.approx(frame, abs=NEAR_PX)
    row, column = canvas.evaluate(
        """(canvas, [rows, columns]) => {
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            let best = 0;
            for (let at = 0; at < pixels.length; at += 4) if (pixels[at] > pixels[best]) best = at;
            const place = best / 4;
            return [Math.floor(Math.floor(place / canvas.width) / canvas.height * rows),
                Math.floor((place % canvas.width) / canvas.width * columns)];
        }""",
        [told["rows"], told["columns"]],
    )
    assert row * told["columns"] + column == best


def test_words_are_told_of_and_what_became_of_them(console: ConsolePage) -> None:
    console.open()
    console.upload("red.jpg", solid_photo(width=320, height=200))
    console.verdict()
    console.panel.get_by_label("What does it look like?").fill("red crown, my holiday")
    console.panel.get_by_role("button", name="Ask again").click()
    expect(console.panel.locator(".note").first).to_contain_text("Your words were not used.")
    console.panel.get_by_role("radio", name="Colours").check(force=True)
    expect(console.panel.locator(".note").first).to_contain_text("It went by your words, too: red crown.")
    expect(console.panel.locator(".marks li")).to_have_count(3)


@pytest.mark.parametrize(
    ("name", "content", "title"),
    [
        ("notes.txt", b"no photo at all", "This is not a photo that can be read"),
        ("cut.jpg", PELICAN[:300], "This photo cannot be opened"),
    ],
)
def test_a_bad_photo_is_refused_in_plain_words(console: ConsolePage, name: str, content: bytes, title: str) -> None:
    console.open()
    console.upload(name, content)
    alert = console.panel.get_by_role("alert")
    expect(alert.get_by_role("heading")).to_have_text(title)
    expect(alert).to_contain_text("The service says:")
    console.choose_example("White pelican")
    assert console.verdict() == "American White Pelican"
    assert alert.count() == 0


def test_a_busy_service_tells_when_to_come_back_and_may_be_asked_again(console: ConsolePage) -> None:
    problem = {
        "type": "overloaded",
        "title": "Overloaded",
        "status": 429,
        "detail": "The wait is 3 s.",
        "instance": "7",
    }
    headers = {"retry-after": "4", "content-type": "application/problem+json"}
    console.page.route(
        "**/v1/classify*", lambda route: route.fulfill(status=429, headers=headers, body=json.dumps(problem))
    )
    console.open()
    console.choose_example("White pelican")
    expect(console.panel.get_by_role("alert")).to_contain_text("Come back in 4 s.")
    console.page.unroute("**/v1/classify*")
    console.panel.get_by_role("button", name="Try again").click()
    assert console.verdict() == "American White Pelican"


def test_a_service_that_is_gone_is_told_of(console: ConsolePage) -> None:
    console.open()
    console.page.route("**/v1/classify*", lambda route: route.abort())
    console.choose_example("White pelican")
    expect(console.panel.get_by_role("alert")).to_contain_text("The service cannot be reached")


def test_all_can_be_done_from_the_keyboard(console: ConsolePage) -> None:
    console.open()
    keyboard = console.page.keyboard
    keyboard.press("Tab")
    expect(console.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for _ in range(20):
        keyboard.press("Tab")
        if console.page.evaluate("document.activeElement.classList.contains('example')"):
            break
    keyboard.press("Enter")
    assert console.verdict() == "American White Pelican"
    console.page.get_by_role("tab", name="Identify").focus()
    keyboard.press("ArrowLeft")
    expect(console.page.get_by_role("tab", name="Service")).to_be_focused()
    expect(console.panel.get_by_role("heading", name="The service at work")).to_be_visible()
    keyboard.press("ArrowRight")
    assert console.verdict() == "American White Pelican", "a tab keeps what was in it"


def test_the_commands_shown_give_the_answer_shown(console: ConsolePage, tmp_path: Path) -> None:
    console.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    console.open()
    console.choose_example("White pelican")
    shown = console.verdict()
    console.panel.get_by_role("button", name="Copy").click()
    expect(console.panel.get_by_role("button", name="Copied")).to_be_visible()
    curl = console.page.evaluate("navigator.clipboard.readText()")
    done = subprocess.run(["bash", "-euc", curl], cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(done.stdout)["predictions"][0]["label"] == shown
    console.panel.get_by_role("button", name="Python").click()
    code = console.panel.locator(".code code").inner_text()
    assert "explain=True" in code
    printed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True, text=True)
    assert printed.stdout.strip() == shown


def test_tasks_that_nothing_does_have_no_tab(console: ConsolePage) -> None:
    def leave_classifiers(route: Route) -> None:
        body = route.fetch().json()
        body["models"] = [model for model in body["models"] if model["task"] == "classify"]
        route.fulfill(json=body)

    console.page.route("**/v1/models", leave_classifiers)
    console.open("point")
    assert console.page.get_by_role("tab").all_inner_texts() == ["Identify", "Service"]
    expect(console.page.get_by_role("tab", name="Identify")).to_have_attribute("aria-selected", "true")


def reply(answer: dict[str, Any], route: Route) -> None:
    route.fulfill(json=answer)


def with_tasks(console: ConsolePage, *tasks: str, answers: dict[str, Any]) -> None:
    """Let the page believe that models for these tasks are served, and what they answer."""

    def add_models(route: Route) -> None:
        body = route.fetch().json()
        like = body["models"][0]
        body["models"] += [like | {"name": task, "task": task, "domain": None, "levels": []} for task in tasks]
        route.fulfill(json=body)

    console.page.route("**/v1/models", add_models)
    for path, answer in answers.items():
        console.page.route(f"**{path}*", functools.partial(reply, answer))


def test_what_is_pointed_at_is_framed(console: ConsolePage) -> None:
    box = {"x": 64.0, "y": 50.0, "width": 100.0, "height": 75.0}
    results = [
        {"expression": "the bird", "found": True, "score": 0.83, "box": box},
        {"expression": "a red car", "found": False, "score": 0.04, "reason": "the photo seems to show no such thing"},
    ]
    image = {"width": 258, "height": 201}
    with_tasks(console, "ground", answers={"/v1/ground": {"results": results, "image": image, "model": {}}})
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
    with_tasks(console, "answer", answers={"/v1/answer": told})
    console.open("ask")
    console.choose_example("White pelican")
    console.panel.get_by_role("button", name="Ask", exact=True).click()
    assert console.verdict() == "Orange"
    expect(console.panel.locator(".cell")).to_have_count(2)
    expect(console.panel.locator(".legend")).to_contain_text("2 of 4 cells were read")


def test_the_service_is_shown_at_work(console: ConsolePage) -> None:
    console.open("live")
    expect(console.panel.locator("tbody").first.locator("tr")).to_have_count(1)
    expect(console.panel.locator(".uplot canvas")).to_have_count(6)
    expect(console.panel.get_by_role("img", name="Throughput, requests a second. answered: 0")).to_be_visible()
    expect(console.panel.locator(".wide-table").last).to_contain_text("birds 1.0.0")


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


@pytest.mark.parametrize(
    "console",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"viewport": TELEPHONE, "is_mobile": True, "has_touch": True},
    ],
    indirect=True,
    ids=["light", "dark", "telephone"],
)
def test_everybody_can_use_every_view(console: ConsolePage) -> None:
    console.page.emulate_media(reduced_motion="reduce")
    console.open()
    console.panel.locator(".example").first.wait_for()
    found = console.faults()
    console.choose_example("White pelican")
    console.verdict()
    console.panel.get_by_text("More wishes").click()
    found += console.faults()
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert console.page.evaluate(wide) == 0, "nothing reaches beyond the page"
    console.page.get_by_role("tab", name="Service").click()
    console.panel.locator(".uplot").first.wait_for()
    found += console.faults()
    assert found == []


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
