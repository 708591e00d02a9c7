from __future__ import annotations

import sys
from pathlib import Path

import pytest

from service.slowness import missing_instructions, watchers


def test_a_profiler_that_was_left_on_is_named() -> None:
    before = sys.getprofile()
    sys.setprofile(lambda *_: None)
    try:
        found = watchers()
    finally:
        sys.setprofile(before)
    assert "a profiler watches every call of Python" in found


@pytest.mark.parametrize(
    ("cpuinfo", "count"),
    [("flags\t\t: fpu sse4_2 avx2\n", 0), ("flags\t\t: fpu sse4_2\n", 1), ("Features\t: fp asimd\n", 0), ("", 0)],
)
def test_an_x86_processor_without_avx2_is_named(cpuinfo: str, count: int, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert len(missing_instructions(tmp_path / "cpuinfo")) == count


def test_a_machine_that_does_not_tell_lacks_nothing(tmp_path: Path) -> None:
    assert missing_instructions(tmp_path / "none") == []
