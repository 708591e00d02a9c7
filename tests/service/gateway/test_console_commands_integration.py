"""The commands that the console shows, run: before a real service with tiny bundles, in a real Chromium.

They must give the answer that is shown, whatever a photo is called and whatever was said of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import expect

from service.replies import Located
from tests.bundles import solid_photo
from tests.drills.service_process import service
from tests.pointing_bundles import make_answer_bundle, make_ground_bundle
from tests.service.gateway.browsing import ConsolePage, find_chromium
from tests.system_bundles import make_system_bundle

RED = solid_photo()
#: What has a meaning for a shell, for curl's forms, for Python or for an encoding.
NAME = """my "best" photo, Jürgen's; $HOME `take` 2.jpg"""
WORDS = """Jürgen's "crown", red & $HOME; `wide` \\ \u201ecurly\u201c"""

pytestmark = [
    pytest.mark.timeout(240),  # a service and a browser start for the first test
    pytest.mark.skipif(
        find_chromium() is None, reason="needs Chromium on the PATH: apt install chromium-headless-shell"
    ),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service that does every task; a classifier reads texts."""
    store = tmp_path_factory.mktemp("store")
    make_system_bundle(store, "pma_student", name="birds", domain="birds")
    make_system_bundle(store, "pma", name="birds-pma", domain="birds", default=False)
    make_ground_bundle(store)
    make_answer_bundle(store)
    with service(store, lanes=1) as running:
        yield f"http://127.0.0.1:{running.port}"


def shown(console: ConsolePage, way: str) -> str:
    """What the panel shows of the commands and the answer."""
    console.panel.get_by_role("group", name="Language").get_by_role("button", name=way).click()
    return console.panel.locator(".code code").text_content() or ""


def run_shown(console: ConsolePage, folder: Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Run both commands where the photo lies: the answer that is shown, the one that curl gets, and what Python prints."""
    (folder / NAME).write_bytes(RED)
    told = json.loads(shown(console, "Answer"))
    curl = subprocess.run(["bash", "-euc", shown(console, "curl")], cwd=folder, capture_output=True, check=True)
    code = [sys.executable, "-c", shown(console, "Python")]
    expect(console.panel.locator(".reproduce")).to_contain_text("Needs the package fieldmark with its extra “client”.")
    printed = subprocess.run(code, cwd=folder, capture_output=True, check=True, text=True)
    return told, json.loads(curl.stdout), printed.stdout.strip()


def test_an_example_is_fetched_and_named(console: ConsolePage, tmp_path: Path) -> None:
    console.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    console.open()
    console.choose_example("White pelican")
    console.verdict()
    told, again, printed = run_shown(console, tmp_path)
    assert again["predictions"] == told["predictions"]
    assert printed == told["predictions"][0]["label"]
    assert "explain=True" in shown(console, "Python")
    text = shown(console, "curl")
    console.panel.get_by_role("button", name="Copy").click()
    expect(console.panel.get_by_role("button", name="Copied")).to_be_visible()
    assert console.page.evaluate("navigator.clipboard.readText()") == text


def test_a_photo_is_named_as_it_was_without_words(console: ConsolePage, tmp_path: Path) -> None:
    console.open()
    console.upload(NAME, RED)
    console.verdict()
    told, again, printed = run_shown(console, tmp_path)
    assert again["predictions"] == told["predictions"]
    assert printed == told["predictions"][0]["label"] == "Red"


def test_a_photo_is_named_as_it_was_with_words(console: ConsolePage, tmp_path: Path) -> None:
    console.open()
    console.upload(NAME, RED)
    console.verdict()
    console.panel.get_by_label("What does it look like?").fill(f"blue crown, {WORDS}")
    console.panel.get_by_role("button", name="Ask again").click()
    expect(console.panel.locator(".note").first).to_contain_text("It went by your words, too: blue crown")
    told, again, printed = run_shown(console, tmp_path)
    assert [again[member] for member in ("predictions", "phrases")] == [told["predictions"], told["phrases"]]
    assert printed == told["predictions"][0]["label"] == "Blue"


def test_several_things_are_found_where_they_were(console: ConsolePage, tmp_path: Path) -> None:
    console.open("point")
    console.upload(NAME, RED)
    console.panel.get_by_label("One description a line").fill(f"the red thing\nthe blue thing\nthe red {WORDS}")
    console.panel.get_by_role("button", name="Point at it").click()
    expect(console.panel.locator(".found li")).to_have_count(3)
    told, again, printed = run_shown(console, tmp_path)
    assert [result["found"] for result in told["results"][:2]] == [True, False]
    assert again["results"] == told["results"]
    assert printed == str(msgspec.convert(told["results"], list[Located]))


def test_a_question_is_answered_as_it_was(console: ConsolePage, tmp_path: Path) -> None:
    console.open("ask")
    console.upload(NAME, RED)
    console.panel.get_by_label("A short question, in English").fill(f"what is the thing, {WORDS}?")
    console.page.keyboard.press("Enter")
    console.verdict()
    told, again, printed = run_shown(console, tmp_path)
    assert (again["answers"], again["question"]) == (told["answers"], told["question"])
    assert printed == told["answers"][0]["answer"] == "red"
