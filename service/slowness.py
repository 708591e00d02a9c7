"""What makes a process slower than it could be, in words for who asks `/readyz` why.

A package without which everything is slower is missed at start instead (`supervisor/checks.py`); here is what somebody
left on, and what the machine lacks.
"""

from __future__ import annotations

import sys
from pathlib import Path


def watchers() -> list[str]:
    """What looks on at every step of this process: it stays on after a debugger or a measurement."""
    found = {
        "a tracer watches every line of Python": sys.gettrace() is not None,
        "a profiler watches every call of Python": sys.getprofile() is not None,
    }
    return [words for words, is_on in found.items() if is_on]


def missing_instructions(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """What an x86 processor lacks of that which inference on a CPU is written for; virtual machines may hide it."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), None)
    if flags is None or "avx2" in flags:
        return []
    return ["the processor has no AVX2, which inference on a CPU is written for"]
