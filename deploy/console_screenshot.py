"""Takes the README's pictures of the console: a running service, a real Chromium, an example and its true answer.

    fieldmark serve
    python deploy/console_screenshot.py http://127.0.0.1:8000 deploy/console.jpg
    python deploy/console_screenshot.py http://127.0.0.1:8000 deploy/console_point.jpg --task point

Needs the extra `dev` and Chromium on the PATH. `--dark` and `--phone` give the other looks.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

#: By task: the example, the button that asks, and what is there when the answer is.
SCENES = {
    "identify": ("White pelican", None, ".verdict h2"),
    "point": ("Horses", "Point at it", ".found li"),
    "ask": ("Two dogs", "Ask", ".verdict h2"),
}
QUALITY = 80
DESK, PHONE = {"width": 1280, "height": 960}, {"width": 390, "height": 844}


def main() -> None:
    """Take the picture that the command line asks for."""
    parser = argparse.ArgumentParser(description="Take a picture of the console.")
    parser.add_argument("url", help="address of a running service")
    parser.add_argument("picture", type=Path, help="JPEG to write")
    parser.add_argument("--task", choices=SCENES, default="identify", help="what is asked of the example")
    parser.add_argument("--dark", action="store_true", help="in dark colours")
    parser.add_argument("--phone", action="store_true", help="as a telephone shows it")
    given = parser.parse_args()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium-headless-shell") or shutil.which("chromium")
        )
        look = "dark" if given.dark else "light"
        options = {"viewport": PHONE, "is_mobile": True, "has_touch": True} if given.phone else {"viewport": DESK}
        page = browser.new_page(**options, color_scheme=look, reduced_motion="reduce")
        given.picture.write_bytes(take_picture(page, given.url, given.task))
        browser.close()
    print(f"{given.picture}: {given.picture.stat().st_size:,} bytes")


def take_picture(page: Page, url: str, task: str) -> bytes:
    """Show the page of a service with its answer to the example; gives a JPEG."""
    example, button, answer = SCENES[task]
    page.goto(f"{url}/#{task}")
    panel = page.locator("[role=tabpanel]:not([hidden])")
    panel.get_by_role("button", name=example).click()
    if button is not None:
        panel.get_by_role("button", name=button, exact=True).click()
    panel.locator(answer).first.wait_for()
    page.evaluate("scrollTo(0, 0)")  # a click scrolls to the button
    return page.screenshot(type="jpeg", quality=QUALITY)


if __name__ == "__main__":
    main()
