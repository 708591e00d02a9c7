"""What this machine lets the service use: processor cores and GPUs.

Owns the reading of affinity, container quota and visible devices; how many processes and lanes follow from it is decided
by the supervisor and the worker. Free of imports beyond the standard library.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores that this process may use: its affinity, and the container's CPU quota rounded up."""
    cores = len(os.sched_getaffinity(0))
    quota = _quota_cores(cgroup)
    return cores if quota is None else max(1, min(cores, quota))


def _quota_cores(cgroup: Path) -> int | None:
    """Whole cores of the CPU quota (cgroup v2 `cpu.max`, v1 `cpu.cfs_*`), or None without one."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if quota in ("max", "-1"):
        return None
    return -(-int(quota) // int(period))


def visible_gpus(environment: Mapping[str, str] = os.environ, devices: Path = Path("/dev")) -> tuple[str, ...]:
    """Names of the GPUs that CUDA will see, as `CUDA_VISIBLE_DEVICES` spells them; empty where none is found.

    The variable rules where it is set; else the NVIDIA driver's device nodes are counted.
    """
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(part.strip() for part in named.split(",") if part.strip() not in ("", "-1"))
    nodes = [path for path in devices.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    return tuple(str(index) for index in range(len(nodes)))
