"""Features of photos that were looked at before, kept for the next expressions on the same photo.

Owns the bound on their memory: what was not asked for longest goes first. A photo is known by a digest of its bytes as
they were uploaded, so a photo that was kept is neither decoded nor looked at again, and its answer is the same.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from service.answers import ImageSize
from service.engine.backends.base import Array

_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Seen:
    """A photo that was looked at: the size it has for a person, and its features [cells, D]."""

    size: ImageSize
    features: Array


class FeatureCache:
    """Keeps the features of photos, up to `limit_bytes`; 0 keeps none. Safe from several threads."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._kept: OrderedDict[bytes, Seen] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def is_on(self) -> bool:
        """Whether anything is kept at all."""
        return self._limit_bytes > 0

    def key(self, model: str, photo: bytes | memoryview) -> bytes:
        """Name a photo as one model sees it."""
        return hashlib.blake2b(photo, digest_size=_DIGEST_BYTES, person=_person(model)).digest()

    def get(self, key: bytes) -> Seen | None:
        """Find a photo, which then counts as asked for."""
        with self._lock:
            seen = self._kept.get(key)
            if seen is not None:
                self._kept.move_to_end(key)
            return seen

    def put(self, key: bytes, seen: Seen) -> None:
        """Keep a photo, unless it alone is above the limit."""
        size = seen.features.nbytes
        if size > self._limit_bytes:
            return
        with self._lock:
            before = self._kept.pop(key, None)
            self._bytes += size - (before.features.nbytes if before else 0)
            self._kept[key] = seen
            while self._bytes > self._limit_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.features.nbytes


def _person(model: str) -> bytes:
    """BLAKE2's own way to keep apart what is hashed for different ends takes 16 bytes."""
    return hashlib.blake2b(model.encode(), digest_size=_DIGEST_BYTES).digest()
