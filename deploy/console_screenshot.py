"""Takes the README's picture of the console: a running service, a real Chromium, an example and its true answer.

    fieldmark serve
    python deploy/console_screenshot.py http://127.0.0.1:8000 deploy/console.jpg

Needs the extra `dev` and Chromium on the PATH. `--dark` and `--phone` give the other looks.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

EXAMPLE = "White pelican"
QUALITY = 80
DESK, PHONE = {"width": 1280, "height": 960}, {"width": 390, "height": 844}
SETTLE_MS = 800  # until the answer has risen into its place


def main() -> None:
    """Take the picture that the command line asks for."""
    parser = argparse.ArgumentParser(description="Take a picture of the console.")
    parser.add_argument("url", help="address of a running service")
    parser.add_argument("picture", type=Path, help="file to write, .jpg or .png")
    parser.add_argument("--dark", action="store_true", help="in dark colours")
    parser.add_argument("--phone", action="store_true", help="as a telephone shows it")
    given = parser.parse_args()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport=PHONE if given.phone else DESK, color_scheme="dark" if given.dark else "light")
        page.goto(given.url)
        page.locator(f".example[title='{EXAMPLE}']").click()
        page.locator(".verdict h2").wait_for()
        page.wait_for_timeout(SETTLE_MS)
        is_jpeg = given.picture.suffix == ".jpg"
        page.screenshot(path=given.picture, type="jpeg" if is_jpeg else "png", quality=QUALITY if is_jpeg else None)
        browser.close()
    print(f"{given.picture}: {given.picture.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
