"""The ways to a photo in the console, in a real Chromium: before a gateway that answers whatever the photo is."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.service.gateway.browsing import TELEPHONE, ConsolePage, find_chromium
from tests.service.gateway.serving import JPEG, RunningGateway

pytestmark = [
    pytest.mark.timeout(240),  # a browser starts for the first test
    pytest.mark.skipif(
        find_chromium() is None, reason="needs Chromium on the PATH: apt install chromium-headless-shell"
    ),
]


@pytest.fixture(scope="module")
def url(gateway: RunningGateway) -> str:
    return gateway.url


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
        [event, list(JPEG)],
    )
    assert console.verdict() == "Northern Cardinal"


@pytest.mark.parametrize("console", [{"viewport": TELEPHONE, "is_mobile": True, "has_touch": True}], indirect=True)
def test_a_photo_may_be_taken_with_the_camera(console: ConsolePage) -> None:
    console.open()
    expect(console.panel.locator("input[type=file]")).to_have_count(2)
    expect(console.panel.get_by_text("Take a photo")).to_be_visible()
    expect(console.panel.get_by_text("Drop a photo here")).to_be_hidden()
    camera = console.panel.get_by_label("Take a photo")
    expect(camera).to_have_attribute("capture", "environment")
    expect(camera).to_have_attribute("accept", "image/*")
    camera.set_input_files({"name": "taken.jpg", "mimeType": "image/jpeg", "buffer": JPEG})
    assert console.verdict() == "Northern Cardinal"
    expect(console.panel.locator(".caption")).to_contain_text("taken.jpg")


def test_the_chosen_example_is_in_sight_among_the_others(console: ConsolePage) -> None:
    console.open()
    console.choose_example("Cup of coffee")
    console.verdict()
    chosen = console.panel.locator(".others .example[aria-pressed=true]")
    chosen.evaluate("chosen => scrollTo(0, chosen.getBoundingClientRect().top)")
    expect(chosen).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("console", [{"viewport": TELEPHONE}], indirect=True)
def test_the_photo_is_in_sight_once_it_was_chosen(console: ConsolePage) -> None:
    console.open()
    for title in ("Cup of coffee", "Kingfisher"):
        console.choose_example(title)
        expect(console.panel.get_by_role("img", name=f"The photo: {title}")).to_be_in_viewport(ratio=1)


def test_an_example_that_comes_late_takes_no_later_photos_place(console: ConsolePage) -> None:
    held = console.hold("**/console/examples/white_pelican.jpg")
    console.open()
    with console.page.expect_request(lambda request: request.resource_type == "fetch" and "pelican" in request.url):
        console.choose_example("White pelican")
    console.choose_example("Kingfisher")
    console.verdict()
    with console.page.expect_response("**/console/examples/white_pelican.jpg"):
        held[0].continue_()
    console.page.evaluate("new Promise((resolve) => setTimeout(resolve))")  # whatever it leads to has come
    expect(console.panel.locator(".caption-name")).to_have_text("Kingfisher")


def test_a_text_is_pasted_as_a_text_though_its_picture_comes_with_it(console: ConsolePage) -> None:
    console.open()
    console.upload("bird.jpg", JPEG)
    console.verdict()
    kept = console.panel.get_by_label("What does it look like?").evaluate(
        """(field, bytes) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "image.png", { type: "image/png" }));
            transfer.setData("text/plain", "red crown");
            return field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }));
        }""",
        list(JPEG),
    )
    assert kept, "the browser puts the text in"
    expect(console.panel.locator(".caption-name")).to_have_text("bird.jpg")


def test_the_pages_own_photo_is_no_new_one(console: ConsolePage) -> None:
    console.open()
    console.choose_example("White pelican")
    console.verdict()
    console.panel.get_by_role("img", name="The photo: White pelican").evaluate(
        """(photo, bytes) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "image.jpg", { type: "image/jpeg" }));
            for (const name of ["dragstart", "dragover", "drop", "dragend"])
                photo.dispatchEvent(new DragEvent(name, { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",
        list(JPEG),
    )
    expect(console.panel.locator(".caption-name")).to_have_text("White pelican")
    expect(console.page.locator(".drop-veil")).to_have_count(0)


def test_the_chosen_example_is_in_sight_in_every_tab(console: ConsolePage) -> None:
    console.pretend("ground")
    console.open()
    console.choose_example("Cup of coffee")
    console.verdict()
    console.page.get_by_role("tab", name="Point").click()
    expect(console.panel.locator(".others .example[aria-pressed=true]")).to_be_in_viewport(ratio=1)
