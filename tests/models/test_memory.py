from __future__ import annotations

import subprocess
import sys

import pytest

_PROBE = """
import resource, sys
if {keeps}:
    from models.training.memory import keep_freed_memory
    if not keep_freed_memory():
        sys.exit(77)
def use():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(b"x" * (16 << 20))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
use()
print(use())
"""


def _faults(*, keeps: bool) -> int:
    """Page faults of the second use of 16 MiB, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE.format(keeps=keeps)], capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip("this C library has no mallopt")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_block_that_was_freed_is_used_again_without_page_faults() -> None:
    assert _faults(keeps=True) < 100
    assert _faults(keeps=False) > 1000
