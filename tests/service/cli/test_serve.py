from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service import supervisor
from service.settings import Settings

Run = Callable[..., Any]


def test_flags_become_settings_and_the_rest_keeps_its_default(fieldmark: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Settings] = []
    monkeypatch.setattr(supervisor, "serve", lambda settings: served.append(settings) or 0)
    line = "serve --host 0.0.0.0 --port 0 --store a --store b --device cuda --arithmetic int8 --workers 2 --lanes 3 --insecure --internal-port 9"
    assert fieldmark(*line.split(), "--timeout-ms", "50").status == 0
    (settings,) = served
    changed = {"host": "0.0.0.0", "port": 0, "store": (Path("a"), Path("b")), "device": "cuda",
               "arithmetic": "int8", "workers": 2, "lanes": 3, "insecure": True, "internal_port": 9, "timeout_ms": 50}  # fmt: skip
    assert settings.model_dump() == Settings().model_dump() | changed


def test_the_status_of_the_service_is_that_of_the_command(fieldmark: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "serve", lambda _settings: 1)
    assert fieldmark("serve").status == 1


def test_a_missing_store_is_one_sentence(fieldmark: Run, tmp_path: Path) -> None:
    result = fieldmark("serve", "--store", tmp_path / "none")
    assert (result.status, result.out) == (1, "")
    assert result.err == f"fieldmark: --store {tmp_path}/none: there is no such folder.\n"


def test_an_impossible_value_is_wrong_usage(fieldmark: Run) -> None:
    result = fieldmark("serve", "--workers", "0")
    assert result.status == 2
    assert result.err.startswith("fieldmark: workers = 0 (command line): it must be at least 1")
