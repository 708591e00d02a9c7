"""The meter of process trees, on processes that the tests start: each does a known thing and waits to be read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from deploy.bench.load.meter import (
    command_of,
    find_in_tree,
    is_alive,
    machine_time,
    process_cpu_s,
    resident_bytes,
    tree_cpu_s,
    tree_of,
    tree_pss_bytes,
)

BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"
SAY_AND_WAIT = "print('done', flush=True); input()\n"

Starter = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Starter]:
    """Start Python code that says `done` when it has done its thing, and waits for its stdin to end."""
    processes = []

    def start_code(code: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        return process

    yield start_code
    for process in processes:
        process.kill()
        process.communicate()


def test_cpu_time_is_that_which_the_process_says(start: Starter) -> None:
    process = start(BURN.format(seconds=0.2) + SAY_AND_WAIT)
    assert 0.2 <= process_cpu_s(process.pid) < 0.3


def test_a_child_that_has_ended_is_charged_to_its_parent(start: Starter) -> None:
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN.format(seconds=0.2)!r}])\n"
    process = start(child + SAY_AND_WAIT)
    assert process_cpu_s(process.pid) < 0.2 <= tree_cpu_s(process.pid) + 0.02  # reaped children count in ticks of 10 ms


def test_a_tree_holds_living_grandchildren(start: Starter) -> None:
    sleeper = "import sys; sys.stdin.read()"
    child = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {sleeper!r}, 'grandchild'])\n"
    process = start(child + SAY_AND_WAIT)
    tree = tree_of(process.pid)
    assert len(tree) == 2
    assert find_in_tree(process.pid, "grandchild") == [tree[1]] or process.pid in find_in_tree(
        process.pid, "grandchild"
    )


def test_memory_that_is_touched_is_counted(start: Starter) -> None:
    small = start(SAY_AND_WAIT)
    large = start("held = b'x' * (40 << 20)\n" + SAY_AND_WAIT)
    assert tree_pss_bytes(large.pid) - tree_pss_bytes(small.pid) > 35 << 20
    assert resident_bytes(large.pid) >= tree_pss_bytes(large.pid)


def test_a_process_that_is_gone_counts_nothing(start: Starter) -> None:
    process = start(SAY_AND_WAIT)
    process.kill()
    process.wait()
    assert not is_alive(process.pid)
    assert tree_of(process.pid) == []
    assert (process_cpu_s(process.pid), tree_cpu_s(process.pid), resident_bytes(process.pid)) == (0, 0, 0)
    assert command_of(process.pid) == ""


def test_the_machine_is_at_least_as_busy_as_one_process(start: Starter) -> None:
    before = machine_time().busy_s
    start(BURN.format(seconds=0.2) + SAY_AND_WAIT)
    assert machine_time().busy_s - before > 0.15
