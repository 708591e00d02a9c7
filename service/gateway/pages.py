"""Files that a page consists of: those of one folder with a known type, read once, when first asked for.

Owns how they go out: their types, a tag by which a browser asks whether its copy is still right, and for how long it need
not ask. Which folder is served where, and under which content policy, the routes of a page decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path

from starlette.responses import Response

from service.errors import NotFound

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
TAG_BYTES = 12
SHOWN_CHARACTERS = 64


class PageFiles:
    """The files of a folder and of those in it; licences and notes beside them, whose type is not known, stay inside.

    `headers` go with each of them.
    """

    def __init__(self, folder: Path, headers: Mapping[str, str]) -> None:
        self._folder = folder
        self._headers = headers
        self._read = cache(self._read_file)

    @cached_property
    def names(self) -> frozenset[str]:
        """What can be asked for: paths in the folder, with `/` between their parts."""
        found = (path for path in self._folder.rglob("*") if path.suffix in TYPES)
        return frozenset(path.relative_to(self._folder).as_posix() for path in found)

    def answer(self, name: str, known_tags: str = "", headers: Mapping[str, str] | None = None) -> Response:
        """Give a file; `known_tags` is the request's `If-None-Match`, `headers` are more than all files have.

        Raises:
            NotFound: there is no such file.
        """
        if name not in self.names:
            raise NotFound(f"There is no file {name[:SHOWN_CHARACTERS]!r} of this page.")
        content, tag = self._read(name)
        described = {**self._headers, "etag": tag, **(headers or {})}
        if tag in known_tags:
            return Response(status_code=304, headers=described)
        return Response(content, headers=described, media_type=TYPES[Path(name).suffix])

    def _read_file(self, name: str) -> tuple[bytes, str]:
        content = (self._folder / name).read_bytes()
        return content, f'"{blake2b(content, digest_size=TAG_BYTES).hexdigest()}"'


def content_policy(sources: Mapping[str, str]) -> dict[str, str]:
    """Make the header that tells a browser from where a page may load what; what is not named, from nowhere.

    No page may be framed, send a form elsewhere or move its base.
    """
    closed = {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"}
    policy = "; ".join(f"{directive} {source}" for directive, source in (closed | dict(sources)).items())
    return {"content-security-policy": policy}
