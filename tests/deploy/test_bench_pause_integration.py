"""What the benchmark stops for its time goes on afterwards, whatever happens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from deploy.bench.__main__ import paused
from deploy.bench.load.meter import is_stopped, tree_of

PARENT = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
    "print('started', flush=True)\n"
    "input()\n"
    "child.communicate(b'go\\n')\n"
)


@pytest.fixture
def family() -> Iterator[list[int]]:
    """Process ids of a parent and its child that both wait for a word."""
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    tree = tree_of(process.pid)
    assert len(tree) == 2
    yield tree
    process.communicate("go\n", timeout=30)


def test_a_training_and_its_children_stop_and_go_on(family: list[int]) -> None:
    with paused([family[0]]):
        assert all(map(is_stopped, family))
    assert not any(map(is_stopped, family))


def test_it_goes_on_after_a_failure_too(family: list[int]) -> None:
    with pytest.raises(RuntimeError, match="broke"), paused([family[0]]):
        raise RuntimeError("broke")
    assert not any(map(is_stopped, family))


def test_a_process_that_is_gone_is_no_failure() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with paused([process.pid]):
        pass
