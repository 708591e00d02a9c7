"""What is remembered of photos that brought workers down."""

from __future__ import annotations

import hashlib

import pytest

from service.bus import recovery
from service.bus.recovery import MEMORY_LIMIT, PhotoMemory, Verdict


def test_poison_is_known_until_its_time_is_over():
    memory = PhotoMemory(keep_s=60.0)
    memory.record([b"bad"], Verdict.POISON, now=100.0)
    assert memory.verdict([b"bad"], 159.0) is Verdict.POISON
    assert memory.verdict([b"bad"], 160.0) is Verdict.CLEAN
    assert len(memory) == 0


def test_only_the_same_photos_in_the_same_cut_are_known():
    memory = PhotoMemory(keep_s=60.0)
    memory.record([b"ab", b"c"], Verdict.POISON, now=0.0)
    assert memory.verdict([b"a", b"bc"], 1.0) is Verdict.CLEAN
    assert memory.verdict([b"ab", b"d"], 1.0) is Verdict.CLEAN
    assert memory.verdict([b"ab", b"c"], 1.0) is Verdict.POISON


def test_a_suspicion_ends_and_a_verdict_of_poison_stays():
    memory = PhotoMemory(keep_s=60.0)
    memory.record([b"odd"], Verdict.SUSPECT, now=0.0)
    memory.clear([b"odd"])
    assert memory.verdict([b"odd"], 1.0) is Verdict.CLEAN
    memory.record([b"odd"], Verdict.POISON, now=0.0)
    memory.record([b"odd"], Verdict.SUSPECT, now=0.0)
    assert memory.verdict([b"odd"], 1.0) is Verdict.POISON


def test_the_memory_is_bounded_and_forgets_the_oldest():
    memory = PhotoMemory(keep_s=60.0)
    for number in range(MEMORY_LIMIT + 1):
        memory.record([b"%d" % number], Verdict.POISON, now=0.0)
    assert len(memory) == MEMORY_LIMIT
    assert memory.verdict([b"0"], 1.0) is Verdict.CLEAN
    assert memory.verdict([b"1"], 1.0) is Verdict.POISON


def test_a_digest_is_made_only_for_photos_of_a_known_size(monkeypatch: pytest.MonkeyPatch):
    memory = PhotoMemory(keep_s=60.0)
    memory.record([b"bad"], Verdict.POISON, now=0.0)
    made = []

    def blake2b(**options: int) -> object:
        made.append(options)
        return hashlib.blake2b(**options)

    monkeypatch.setattr(recovery, "hashlib", type("Hashes", (), {"blake2b": staticmethod(blake2b)}))
    assert memory.verdict([b"a longer one"], 1.0) is Verdict.CLEAN
    assert made == []
    assert memory.verdict([b"odd"], 1.0) is Verdict.CLEAN
    assert len(made) == 1
