import os
from pathlib import Path

import pytest

from service.machine import usable_cores, visible_gpus

CORES = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", CORES), ("50000 100000", 1), ("100000 100000", 1), ("9999900000 100000", CORES)]
)
def test_the_quota_of_cgroup_2_bounds_the_cores(quota: str, cores: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", CORES), ("100000", 1), ("150000", min(2, CORES))])
def test_the_quota_of_cgroup_1_bounds_the_cores(quota: str, cores: int, tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path) == cores


def test_without_a_quota_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == CORES


@pytest.mark.parametrize(
    ("named", "gpus"), [("2,3", ("2", "3")), ("GPU-5f3a", ("GPU-5f3a",)), ("", ()), ("-1", ()), (" 0 , 1 ", ("0", "1"))]
)
def test_the_variable_rules_which_gpus_are_seen(named: str, gpus: tuple[str, ...], tmp_path: Path) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": named}, tmp_path) == gpus


def test_without_the_variable_the_device_nodes_are_counted(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert visible_gpus({}, tmp_path) == ("0", "1")
    assert visible_gpus({}, tmp_path / "nothing") == ()
