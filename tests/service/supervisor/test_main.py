import stat
from pathlib import Path

import pytest

from service.settings import Settings
from service.supervisor import serve
from service.supervisor.checks import StartRefused
from service.supervisor.main import SOCKET_PATH_LIMIT, bus_socket, place_workers


def test_the_socket_lies_in_a_folder_of_this_user_alone_which_goes_at_the_end() -> None:
    with bus_socket(None) as path:
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        path.touch()
    assert not path.parent.exists()


def test_a_long_temporary_folder_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    with bus_socket(None) as path:
        assert len(str(path)) <= SOCKET_PATH_LIMIT


def test_a_named_socket_is_taken_as_it_is_unless_it_is_too_long(tmp_path: Path) -> None:
    with bus_socket(tmp_path / "s") as path:
        assert path == tmp_path / "s"
    with pytest.raises(StartRefused, match="longer than 107 bytes"), bus_socket(Path("/" + "x" * 107)):
        pass


def test_a_refused_start_is_one_sentence_and_exit_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(Settings(store=(tmp_path / "none",))) == 1
    assert capsys.readouterr().err == f"fieldmark: --store {tmp_path}/none: there is no such folder.\n"


@pytest.mark.parametrize(
    ("workers", "gpus", "placed"),
    [
        (None, (), [None]),
        (3, (), [None, None, None]),
        (None, ("0", "1"), ["0", "1"]),
        (1, ("0", "1"), ["0"]),
        (3, ("GPU-a", "GPU-b"), ["GPU-a", "GPU-b", "GPU-a"]),
    ],
)
def test_each_gpu_has_one_worker_unless_told_otherwise(
    workers: int | None, gpus: tuple[str, ...], placed: list[str | None]
) -> None:
    assert place_workers(workers, gpus) == placed
