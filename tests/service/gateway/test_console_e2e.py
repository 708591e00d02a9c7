"""The console in a real Chromium, before a real service: the shipped bundles, and a tiny one of each system.

What it makes of answers that are hard to come by, `test_console_answers_integration.py` tells.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from deploy.console_screenshot import SCENES, take_picture
from tests.bundles import solid_photo
from tests.drills.service_process import PATIENCE_S, service
from tests.service.gateway.browsing import DESK, NEAR_PX, TELEPHONE, ConsolePage, find_chromium
from tests.system_bundles import make_system_bundle

ROOT = Path(__file__).parents[3]
PELICAN, DOGS, COWS = (
    (ROOT / "tests" / "samples" / f"{name}.jpg").read_bytes() for name in ("white_pelican", "two_dogs", "cows")
)
AMBER = (230, 159, 0)  # the first mark's colour
GREEN = (31, 122, 85)  # a chart's first line

pytestmark = [
    pytest.mark.timeout(240),  # a service with the shipped bundles and a browser start for the first test
    pytest.mark.skipif(
        find_chromium() is None, reason="needs Chromium on the PATH: apt install chromium-headless-shell"
    ),
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


def ask(url: str, photo: bytes, task: str = "classify", **params: Any) -> dict[str, Any]:
    answer = httpx.post(f"{url}/v1/{task}", content=photo, params=params, timeout=PATIENCE_S, trust_env=False)
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


def test_an_unsure_answer_says_so_and_lists_what_it_may_be(console: ConsolePage, url: str) -> None:
    console.open()
    console.upload("no bird.jpg", COWS)
    console.panel.get_by_role("radio", name="Birds").check(force=True)
    expect(console.panel.locator(".verdict h2")).to_have_text("Unlike the 200 species that it knows")
    told = ask(url, COWS, domain="birds")
    chips = console.panel.locator(".chips li")
    expect(chips.last).to_have_text(f"and {len(told['set']['class_ids']) - (chips.count() - 1)} more")
    assert console.panel.locator(".ladder .held").count() == 0


@pytest.mark.parametrize("model", ["pma-visual", "rams-trans", "s3n"])
def test_marks_lie_on_the_pixels_that_the_answer_names(console: ConsolePage, url: str, model: str) -> None:
    photo = turned_photo()
    told = ask(url, photo, model=model, explain="true")
    console.open()
    console.upload("turned.jpg", photo)
    console.panel.get_by_role("radio", name="Colours").check(force=True)
    console.verdict()
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


def test_what_words_mean_is_marked_where_the_service_says_it_is(console: ConsolePage, url: str) -> None:
    told = ask(url, DOGS, "ground", expressions="the dog on the right\na purple elephant")
    (found, missing), width = told["results"], told["image"]["width"]
    assert (found["found"], missing["found"]) == (True, False)
    console.open("point")
    console.upload("dogs.jpg", DOGS)
    words = console.panel.get_by_label("One description a line")
    words.fill("the dog on the right\na purple elephant")
    console.panel.get_by_text("More wishes").click()
    console.panel.get_by_label("Model").select_option(label="ground 1.2.0 (referring)")
    console.panel.get_by_role("button", name="Point at it").click()
    expect(console.panel.locator(".found li")).to_have_count(2)
    expect(console.panel.locator(".found li").last).to_contain_text("is not there, it seems")
    assert marks_on_photo(console, width) == [pytest.approx(list(found["box"].values()), abs=NEAR_PX)]


def test_a_question_is_answered_with_the_cells_that_were_read(console: ConsolePage, url: str) -> None:
    told = ask(url, DOGS, "answer", question="how many dogs are there")
    console.open("ask")
    console.upload("dogs.jpg", DOGS)
    console.panel.get_by_label("A short question, in English").fill("how many dogs are there")
    console.page.keyboard.press("Enter")
    assert console.verdict().lower() == told["answers"][0]["answer"]
    shaded = sum(value == 0 for value in told["kept"]["values"])
    expect(console.panel.locator("rect.cell")).to_have_count(shaded)


def test_a_mark_is_seen_where_it_is(console: ConsolePage, url: str) -> None:
    photo = turned_photo()
    box = ask(url, photo, model="rams-trans", explain="true")["explanation"]["regions"][0]["box"]
    console.open()
    console.upload("turned.jpg", photo)
    console.panel.get_by_role("radio", name="Colours").check(force=True)
    console.verdict()
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
            let most = 0;
            for (let at = 0; at < pixels.length; at += 4) most = Math.max(most, pixels[at]);
            let count = 0, down = 0, across = 0;  // the middle of all that are as bright
            for (let at = 0; at < pixels.length; at += 4) if (pixels[at] === most) {
                count += 1, down += Math.floor(at / 4 / canvas.width) + 0.5, across += (at / 4) % canvas.width + 0.5;
            }
            return [Math.floor(down / count / canvas.height * rows), Math.floor(across / count / canvas.width * columns)];
        }""",
        [told["rows"], told["columns"]],
    )
    assert row * told["columns"] + column == best


def test_words_are_told_of_and_what_became_of_them(console: ConsolePage) -> None:
    console.open()
    console.upload("red.jpg", solid_photo(width=320, height=200))
    console.panel.get_by_role("radio", name="Birds").check(force=True)
    console.verdict()
    words = console.panel.get_by_label("What does it look like?")
    again = console.panel.get_by_role("button", name="Ask again")
    words.fill("my holiday")
    again.click()
    expect(console.panel.locator(".note").first).to_contain_text("Your words were not used.")
    words.fill("red crown, my holiday")
    again.click()
    expect(console.panel.locator(".note").first).to_contain_text("It went by your words, too: red crown.")
    console.panel.get_by_role("radio", name="Colours").check(force=True)
    expect(console.panel.locator(".origin")).to_contain_text("Answered by pma 1.0.0")
    expect(console.panel.locator(".note").first).to_contain_text("It went by your words, too: red crown.")
    expect(console.panel.locator(".marks li")).to_have_count(3)
    assert console.faults(".bench") == []


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


def test_all_can_be_done_from_the_keyboard(console: ConsolePage) -> None:
    console.open()
    console.panel.locator(".example").first.wait_for()
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


@pytest.mark.parametrize(
    ("tab", "field", "said", "button", "answer"),
    [
        ("Point", "One description a line", "the bird", "Point at it", ".found li"),
        ("Ask", "A short question, in English", "is there a bird", "Ask", ".verdict h2"),
    ],
)
def test_words_are_asked_from_the_keyboard(
    console: ConsolePage, tab: str, field: str, said: str, button: str, answer: str
) -> None:
    console.open()
    keyboard = console.page.keyboard
    console.page.get_by_role("tab", name="Identify").focus()
    while console.page.evaluate("document.activeElement.textContent").strip() != tab:
        keyboard.press("ArrowRight")
    press_tab_until(console, console.panel.locator(".example").first)
    keyboard.press("Enter")
    press_tab_until(console, console.panel.get_by_label(field))
    keyboard.type(said)
    press_tab_until(console, console.panel.get_by_role("button", name=button, exact=True))
    keyboard.press("Enter")
    expect(console.panel.locator(answer).first).to_be_visible()


def press_tab_until(console: ConsolePage, wanted: Locator) -> None:
    """Go on from field to field until one has the focus; all that is on the way can be passed."""
    for _ in range(40):
        console.page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"{wanted} cannot be reached by the tab key")


def test_the_service_is_shown_at_work(console: ConsolePage, url: str) -> None:
    console.open("live")
    expect(console.panel.locator("tbody").first.locator("tr")).to_have_count(1)
    expect(console.panel.locator(".uplot canvas")).to_have_count(6)
    expect(console.panel.get_by_role("img", name="Throughput, requests a second. answered: 0")).to_be_visible()
    expect(console.panel.get_by_role("row").filter(has_text="birds-rams 1.1.0")).to_contain_text("RAMS-Trans")
    expect(console.panel.get_by_role("row").filter(has_text="router 1.2.0")).not_to_contain_text("of all")
    busy = console.panel.filter(has_not_text="no requests now")
    for title, value in {
        "Throughput": "answered: (?!0,)", "Latency": "half are faster: [1-9]", "Batch size": "mean: [1-9]",
        "Memory": "all workers: [1-9]",
    }.items():  # fmt: skip
        busy = busy.filter(has=console.page.get_by_role("img", name=re.compile(f"{title}, .*{value}")))
    until = time.monotonic() + PATIENCE_S
    while not busy.is_visible():
        assert time.monotonic() < until, "no reading shows what was asked"
        ask(url, PELICAN)
    with Image.open(io.BytesIO(console.panel.get_by_role("img", name="Memory").screenshot())) as seen:
        drawn = seen.convert("RGB").getcolors(1 << 20)
    assert any(near(colour, GREEN) for _, colour in drawn or ()), "a line is drawn"


@pytest.mark.parametrize("task", SCENES)
def test_the_pictures_of_the_console_can_be_taken(console: ConsolePage, url: str, task: str) -> None:
    with Image.open(io.BytesIO(take_picture(console.page, url, task))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (DESK["width"], DESK["height"]))


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
    console.page.get_by_role("tab", name="Point").click()
    console.panel.get_by_role("button", name="Point at it").click()
    console.panel.locator(".found").wait_for()
    found += console.faults()
    console.page.get_by_role("tab", name="Ask").click()
    console.panel.get_by_role("button", name="Ask", exact=True).click()
    console.verdict()
    found += console.faults()
    assert console.page.evaluate(wide) == 0
    console.page.get_by_role("tab", name="Service").click()
    console.panel.locator(".uplot").first.wait_for()
    found += console.faults()
    assert found == []
