"""Which folders of sockets stay and which go: those of the living, and those of the dead."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from service.bus.folder import NAME_BYTES, SOCKET_NAME, HeldFolder, fresh_socket, remove_abandoned

HOLD = """
import sys
from pathlib import Path
from service.bus.folder import HeldFolder
folder = HeldFolder(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def abandoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a dead socket, as a maker leaves it that was killed."""
    folder = fresh_socket(tmp_path).parent
    folder.mkdir()
    with monkeypatch.context() as patch, socket.socket(socket.AF_UNIX) as listener:
        patch.chdir(folder)  # a socket's path has 107 bytes at most, and the tests' own may be long
        listener.bind(SOCKET_NAME)
    return folder


def test_a_held_folder_is_private_and_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = fresh_socket(tmp_path)
    folder = HeldFolder(path.parent)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == [path.parent]
    path.touch()
    folder.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_path_adds_to_its_root_is_known(tmp_path: Path) -> None:
    assert len(os.fsencode(fresh_socket(tmp_path))) == len(os.fsencode(tmp_path)) + NAME_BYTES


def test_an_abandoned_folder_is_removed(tmp_path: Path, abandoned: Path) -> None:
    assert remove_abandoned(tmp_path) == 1
    assert not abandoned.exists()
    assert remove_abandoned(tmp_path) == 0


def test_a_folder_goes_after_its_maker_was_killed_and_not_before(tmp_path: Path) -> None:
    path = fresh_socket(tmp_path).parent
    maker = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    with maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == b"held\n"
        assert remove_abandoned(tmp_path) == 0
        maker.send_signal(signal.SIGKILL)
    assert remove_abandoned(tmp_path) == 1
    assert not path.exists()


def test_a_folder_that_holds_something_else_is_left(tmp_path: Path, abandoned: Path) -> None:
    (abandoned / "notes.txt").touch()
    assert remove_abandoned(tmp_path) == 0
    assert (abandoned / "notes.txt").exists()


def test_other_names_and_links_are_left(tmp_path: Path, abandoned: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    abandoned.rename(elsewhere)
    abandoned.symlink_to(elsewhere)
    assert remove_abandoned(tmp_path) == 0
    assert (elsewhere / SOCKET_NAME).exists()
    assert abandoned.is_symlink()
