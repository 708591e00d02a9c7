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
