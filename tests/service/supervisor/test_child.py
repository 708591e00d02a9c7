import os
import sys
from pathlib import Path

import pytest

from service.settings import Settings
from service.supervisor.child import child_command, child_environment, own_command, start_child


def test_ps_shows_what_a_child_is() -> None:
    assert " ".join(child_command("gateway", 0, "start")).endswith("/fieldmark gateway")
    assert " ".join(child_command("worker", 3, "wedge")).endswith("/fieldmark worker 3 --started-because wedge")


def test_without_the_installed_script_the_module_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert own_command() == [str(tmp_path / "python"), "-m", "service.cli"]


def test_a_child_gets_the_decided_settings_and_no_others() -> None:
    base = {"PATH": "/bin", "FIELDMARK_PORT": "1", "fieldmark_lanes": "9"}
    environment = child_environment(Settings(port=2), "gateway", None, base)
    assert (environment["PATH"], environment["FIELDMARK_PORT"]) == ("/bin", "2")
    assert "fieldmark_lanes" not in environment
    assert "OMP_NUM_THREADS" not in environment


def test_a_worker_has_its_gpu_and_one_thread_in_each_library() -> None:
    environment = child_environment(Settings(), "worker", "GPU-5f3a", {"CUDA_VISIBLE_DEVICES": "0,1"})
    assert environment["CUDA_VISIBLE_DEVICES"] == "GPU-5f3a"
    assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "1"


def test_nothing_is_left_of_a_child_that_cannot_be_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    def refuse(pid: int) -> int:
        started.append(pid)
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    before = sorted(Path("/proc/self/fd").iterdir())
    with pytest.raises(OSError, match="Too many open files"):
        start_child([sys.executable, "-c", "import time; time.sleep(60)"], {})
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    (pid,) = started
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
