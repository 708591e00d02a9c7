"""The console as files: complete, licensed, strict about what it loads. What it does, the other tests of it tell."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path

import pytest

from deploy.console_examples import EXAMPLES_SHOWN, SAMPLES, read_credits
from service.gateway.routes.console import FILES, FOLDER
from tests.service.gateway.serving import RunningGateway

ROWS = re.compile(r"^\| `(?P<file>[\w./-]+)` \| (?P<release>[^|]+) \| `(?P<digest>[0-9a-f]{16})` \|", re.MULTILINE)
SIZE_LIMIT = 1 << 20  # bytes of all that is served: the wheel carries it


def test_the_page_stands_at_the_root_and_needs_no_other_host(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        page = client.get("/")
        assert page.status_code == 200
        links = re.findall(r'(?:href|src)="([^"]+)"', page.text)
        assert len(links) > 8
        for link in links:
            assert link.startswith("/"), f"{link} is elsewhere"
            assert client.get(link).status_code == 200, link


def test_the_policy_lets_no_inline_script_or_style_run(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "trusted-types 'none'" in policy
    assert "<style" not in page.text
    assert " style=" not in page.text
    assert re.findall(r"<script(?![^>]* src=)", page.text) == []


def test_every_module_and_letter_that_is_asked_for_is_there() -> None:
    for path in (FOLDER / name for name in FILES.names if name.endswith((".js", ".mjs"))):
        for wanted in re.findall(r'(?:from|import)\s*"([^"]+)"', path.read_text()):
            assert wanted.startswith("./"), f"{path.name} imports {wanted}"
            assert (path.parent / wanted).is_file(), f"{path.name} imports {wanted}"
    for path in FOLDER.glob("*.css"):
        for wanted in re.findall(r"url\(([^)]+)\)", path.read_text()):
            assert (path.parent / wanted).is_file(), f"{path.name} wants {wanted}"


def test_a_browsers_copy_is_asked_about_and_not_sent_again(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        first = client.get("/console/app.js")
        again = client.get("/console/app.js", headers={"if-none-match": first.headers["etag"]})
    assert first.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")


def test_a_file_that_is_not_of_the_page_is_not_found(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        for path in ("/console/README.md", "/console/vendor/preact.LICENSE.txt", "/console/../app.py", "/console/"):
            answer = client.get(path)
            assert answer.status_code == 404
            assert answer.json()["type"] == "not-found"


def test_vendored_files_are_those_of_their_releases_with_their_licences() -> None:
    rows = {row["file"]: row["digest"] for row in ROWS.finditer((FOLDER / "README.md").read_text())}
    vendored = {name for name in FILES.names if name.startswith(("vendor/", "fonts/"))}
    assert rows.keys() == vendored
    for name, digest in rows.items():
        assert sha256((FOLDER / name).read_bytes()).hexdigest().startswith(digest), name
        stem = re.split(r"[.-]", Path(name).name)[0]
        library = "preact" if stem == "hooks" else stem
        assert (FOLDER / name).with_name(f"{library}.LICENSE.txt").is_file(), name


@pytest.mark.parametrize(
    "example", json.loads((FOLDER / "examples" / "examples.json").read_text()), ids=lambda one: one["file"]
)
def test_an_example_is_a_sample_with_its_credit(example: dict[str, object]) -> None:
    credited = read_credits((SAMPLES / "CREDITS.md").read_text())
    assert example["credit"] == credited[str(example["file"])]
    assert f"examples/{example['file']}" in FILES.names


def test_no_example_was_forgotten_and_all_of_it_stays_small() -> None:
    shown = {f"examples/{example.file}" for example in EXAMPLES_SHOWN}
    assert shown == {name for name in FILES.names if name.endswith(".jpg")}
    assert sum((FOLDER / name).stat().st_size for name in FILES.names) < SIZE_LIMIT
