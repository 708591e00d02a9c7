from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.cli import main
from tests.bundles import make_bundle, solid_photo


@dataclass(frozen=True)
class Result:
    """How a command ended and what it wrote."""

    status: int
    out: str
    err: str


@pytest.fixture
def fieldmark(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command in this process."""

    def run(*arguments: str | Path) -> Result:
        status = main([str(argument) for argument in arguments])
        return Result(status, *capsys.readouterr())

    return run


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with one bundle that tells colours apart."""
    make_bundle(tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with a red and a blue photo, one that is none, and what a folder holds besides."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    (folder / "bad.jpg").write_bytes(b"no photo")
    (folder / "red.jpg").write_bytes(solid_photo((255, 0, 0)))
    (folder / "sub" / "blue.PNG").write_bytes(solid_photo((0, 0, 255), image_format="PNG"))
    (folder / "notes.txt").write_text("left alone")
    (folder / ".hidden.jpg").write_bytes(b"left alone")
    return folder
