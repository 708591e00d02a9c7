"""Large blocks of memory stay with the process between the steps of a training.

glibc gives a freed tensor's pages back to the kernel, and the next step takes new ones, each of which costs a page
fault and is cleared first: that was a sixth of the processor time of a training on two cores, and half of an evaluation's.
"""

from __future__ import annotations

import ctypes

#: `mallopt(3)`: parameters by number, as malloc.h has them.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEPT_BYTES = 1 << 30


def keep_freed_memory() -> bool:
    """Let the heap keep what is freed, up to a bound; False where the C library has no such setting."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return all(mallopt(parameter, _KEPT_BYTES) == 1 for parameter in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD))
