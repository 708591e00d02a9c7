"""The facade offers exactly these names, lightly, and each leads to its class."""

import subprocess
import sys

import pytest

import fieldmark

HEAVY = ("numpy", "onnxruntime", "cv2", "torch", "fastapi", "httpx", "service.engine")


def test_public_names_are_pinned() -> None:
    assert fieldmark.__all__ == ["AsyncClient", "Client", "Engine"]
    assert dir(fieldmark) == ["AsyncClient", "Client", "Engine"]


@pytest.mark.parametrize("name", fieldmark.__all__)
def test_every_public_name_leads_to_a_class(name: str) -> None:
    assert getattr(fieldmark, name).__name__ == name


def test_an_unknown_name_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Motor'; it offers AsyncClient, Client, Engine"):
        _ = fieldmark.Motor


def test_importing_the_facade_loads_nothing_heavy() -> None:
    code = f"import sys, fieldmark; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
