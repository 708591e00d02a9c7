"""The folder in which the gateway and the workers of a host meet: private, and cleared away whatever ended its maker.

A maker that is killed leaves its folder behind, with a dead socket in it. Each holds a lock on its folder, which the
kernel gives back when the process is gone (flock(2)), and who comes next removes what nobody holds. Owns names, rights
and locks; who listens at the socket is `local.py`'s affair.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from pathlib import Path

SOCKET_NAME = "bus.sock"
_PREFIX = "fieldmark-bus-"
#: What folder and socket add to the path of their root.
NAME_BYTES = len(f"/{_PREFIX}0123456789abcdef/{SOCKET_NAME}")


def fresh_socket(root: Path) -> Path:
    """A path for a socket, in a folder below `root` that is not there yet and that nobody can guess."""
    return root / f"{_PREFIX}{secrets.token_hex(8)}" / SOCKET_NAME


class HeldFolder:
    """A folder that only this user can enter, held until `close` or the end of the process."""

    def __init__(self, path: Path) -> None:
        """Make it; raises OSError."""
        making = path.with_name(f".{path.name}")
        making.mkdir(mode=0o700)
        self._path = path
        self._descriptor = os.open(making, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        making.rename(path)  # it has its name when it is held already

    def close(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self._path, ignore_errors=True)
        os.close(self._descriptor)


def remove_abandoned(root: Path) -> int:
    """Remove this user's folders below `root` that nobody holds; gives how many.

    Only the dead socket goes with its folder: one that holds anything else is left.
    """
    return sum(map(_remove_if_abandoned, root.glob(f"{_PREFIX}*")))


def _remove_if_abandoned(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if os.fstat(descriptor).st_uid != os.getuid():
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SOCKET_NAME, dir_fd=descriptor)
        folder.rmdir()
    except OSError:  # it is held, holds something else, or is removed by somebody else
        return False
    else:
        return True
    finally:
        os.close(descriptor)
