"""What a process and all its descendants cost: CPU time, memory, and what else ran on the machine meanwhile.

Reads Linux's /proc and per-process CPU clocks; owns no process. A server is charged for its whole tree: brokers,
controllers and children that came and went.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_CHILD_USER, _CHILD_SYSTEM, _PARENT = 13, 14, 1  # fields of /proc/PID/stat after the name, counted from 0


@dataclass(frozen=True, slots=True)
class MachineTime:
    """CPU seconds of the whole machine since its start: busy, and stolen by the host of a virtual machine."""

    busy_s: float
    stolen_s: float


def tree_of(root: int) -> list[int]:
    """List `root` and all its living descendants; empty when it is gone."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            fields = _stat_fields(int(entry.name))
            if fields:
                children.setdefault(int(fields[_PARENT]), []).append(int(entry.name))
    if not is_alive(root):
        return []
    tree, new = [root], [root]
    while new:
        new = [child for parent in new for child in children.get(parent, ())]
        tree += new
    return tree


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a dead one that its parent has not reaped does not."""
    fields = _stat_fields(pid)
    return fields is not None and fields[0] != "Z"


def is_stopped(pid: int) -> bool:
    """Tell whether a process was stopped by a signal, or is gone."""
    fields = _stat_fields(pid)
    return fields is None or fields[0] in "TZ"


def process_cpu_s(pid: int) -> float:
    """CPU time of one process with all its threads, in seconds, to the nanosecond; 0 when it is gone.

    Uses the clock that clock_getcpuclockid(3) gives: for a process, the number is the complement of its id, shifted by
    three bits, with 2 for the scheduler's own account.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def tree_cpu_s(root: int) -> float:
    """CPU time of a process tree in seconds, with that of the children which have ended and were waited for."""
    total = 0.0
    for pid in tree_of(root):
        fields = _stat_fields(pid)
        if fields:
            reaped_ticks = int(fields[_CHILD_USER]) + int(fields[_CHILD_SYSTEM])
            total += process_cpu_s(pid) + reaped_ticks * _TICK_S
    return total


def tree_pss_bytes(root: int) -> int:
    """Memory of a process tree: proportional set size, in which shared pages are split among their users."""
    return sum(process_pss_bytes(pid) for pid in tree_of(root))


def process_pss_bytes(pid: int) -> int:
    """Proportional set size of one process."""
    return _rollup_bytes(pid, "Pss")


def resident_bytes(pid: int) -> int:
    """Resident memory of one process."""
    return _rollup_bytes(pid, "Rss")


def command_of(pid: int) -> str:
    """Command line of a process, words joined by blanks; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def find_in_tree(root: int, words: str) -> list[int]:
    """List the processes of a tree whose command line holds `words`, such as `fieldmark worker`."""
    return [pid for pid in tree_of(root) if words in command_of(pid)]


def machine_time() -> MachineTime:
    """Read what all cores together have done since the machine started."""
    fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    user, nice, system, _idle, _iowait, irq, softirq, stolen = (int(field) * _TICK_S for field in fields[1:9])
    return MachineTime(user + nice + system + irq + softirq, stolen)


def _stat_fields(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _rollup_bytes(pid: int, key: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), 0)
