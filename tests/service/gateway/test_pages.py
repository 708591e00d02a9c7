from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import NotFound
from service.gateway.pages import PageFiles, content_policy

HEADERS = {"cache-control": "no-cache"}


@pytest.fixture
def files(tmp_path: Path) -> PageFiles:
    folder = tmp_path / "page"
    (folder / "fonts").mkdir(parents=True)
    (folder / "page.js").write_text("run()")
    (folder / "fonts" / "letters.woff2").write_bytes(b"\0")
    (folder / "LICENSE.txt").write_text("free")
    (tmp_path / "secret.js").write_text("no")
    return PageFiles(folder, HEADERS)


def test_files_of_known_types_are_given_with_their_headers(files: PageFiles) -> None:
    answer = files.answer("page.js")
    assert (answer.status_code, answer.body) == (200, b"run()")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert files.answer("fonts/letters.woff2").headers["content-type"] == "font/woff2"


@pytest.mark.parametrize(
    "name", ["LICENSE.txt", "../secret.js", "fonts", "", "/page.js", "page.js/", "fonts/../page.js"]
)
def test_nothing_else_is_given(files: PageFiles, name: str) -> None:
    with pytest.raises(NotFound):
        files.answer(name)


def test_a_copy_that_is_still_right_is_not_sent_again(files: PageFiles) -> None:
    tag = files.answer("page.js").headers["etag"]
    again = files.answer("page.js", f'"other", {tag}', {"x-more": "1"})
    assert (again.status_code, again.body) == (304, b"")
    assert again.headers["etag"] == tag
    assert files.answer("page.js", '"other"').status_code == 200


def test_a_policy_allows_only_what_it_names() -> None:
    policy = content_policy({"script-src": "'self'"})["content-security-policy"]
    assert policy.split("; ") == [
        "default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "script-src 'self'",
    ]  # fmt: skip
