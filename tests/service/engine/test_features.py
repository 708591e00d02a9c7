"""Kept features: bounded in bytes, the longest unasked goes first, and no model sees another's."""

from __future__ import annotations

import numpy as np

from service.answers import ImageSize
from service.engine.features import FeatureCache, Seen


def seen(bytes_each: int = 100) -> Seen:
    return Seen(ImageSize(1, 1), np.zeros(bytes_each, np.uint8))


def test_what_was_not_asked_for_longest_goes_first() -> None:
    cache = FeatureCache(250)
    cache.put(b"a", seen())
    cache.put(b"b", seen())
    assert cache.get(b"a") is not None
    cache.put(b"c", seen())
    assert [cache.get(key) is not None for key in (b"a", b"b", b"c")] == [True, False, True]


def test_a_photo_that_is_kept_again_counts_once() -> None:
    cache = FeatureCache(250)
    for _ in range(5):
        cache.put(b"a", seen())
    cache.put(b"b", seen())
    assert cache.get(b"a") is not None
    assert cache.get(b"b") is not None


def test_what_is_above_the_limit_alone_drives_nothing_out() -> None:
    cache = FeatureCache(250)
    cache.put(b"a", seen())
    cache.put(b"b", seen(300))
    assert cache.get(b"a") is not None
    assert cache.get(b"b") is None


def test_a_limit_of_nothing_keeps_nothing() -> None:
    cache = FeatureCache(0)
    cache.put(b"a", seen())
    assert (cache.is_on, cache.get(b"a")) == (False, None)


def test_a_photo_has_another_key_for_another_model() -> None:
    cache = FeatureCache(250)
    assert cache.key("one@1", b"photo") == cache.key("one@1", memoryview(b"photo"))
    assert len({cache.key("one@1", b"photo"), cache.key("two@1", b"photo"), cache.key("one@1", b"other")}) == 3
