"""The photos that a command was given: files and folders, read in portions that fit in memory.

Owns which files of a folder count as photos and the limit on a file's size; whether one can be decoded is the engine's
affair. A file that cannot be read takes its place in the portion as an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.errors import BadRequest, FieldmarkError, TooLarge

#: Endings of the allowed formats; in a folder, other files are left alone.
SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
PORTION_PHOTOS = 64
PORTION_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo's path as it was named or found, with its bytes or why they could not be read."""

    path: Path
    content: bytes | FieldmarkError


def find_photos(named: Sequence[Path]) -> list[Path]:
    """List the named files, and of named folders every photo below them in the order of its path; hidden ones are not."""
    found: list[Path] = []
    for path in named:
        found += sorted(_below(path)) if path.is_dir() else [path]
    return found


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in SUFFIXES and not is_hidden and path.is_file():
            yield path


def read_portions(paths: Iterable[Path], limit_bytes: int) -> Iterator[list[Photo]]:
    """Read photos in their order, `PORTION_PHOTOS` or about `PORTION_BYTES` at once."""
    portion: list[Photo] = []
    size = 0
    for path in paths:
        photo = Photo(path, _read(path, limit_bytes))
        portion.append(photo)
        size += len(photo.content) if isinstance(photo.content, bytes) else 0
        if len(portion) == PORTION_PHOTOS or size >= PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def read_photo(path: Path, limit_bytes: int) -> bytes:
    """Read one photo.

    Raises:
        BadRequest, TooLarge: the file cannot be read, or is larger than the limit.
    """
    content = _read(path, limit_bytes)
    if isinstance(content, FieldmarkError):
        raise type(content)(f"{path}: {content.detail}")
    return content


def _read(path: Path, limit_bytes: int) -> bytes | FieldmarkError:
    try:
        with path.open("rb") as file:
            content = file.read(limit_bytes + 1)
    except OSError as error:
        return BadRequest(f"The file cannot be read: {error.strerror}.")
    if len(content) > limit_bytes:
        return TooLarge(f"The file is larger than {limit_bytes:,} bytes.")
    return content
