"""What every test is, decided by where it stands, and what some of them need from the machine.

Owns the markers: a file under `tests/drills` is a `drill`, `..._integration.py` is `integration`, `..._e2e.py` is `e2e`,
any other is `unit`. `data` and `gpu` are written on the test by hand; without the photos or the device such a test is
skipped with its reason. Fixtures of one folder stand in that folder's own conftest.

Files of tests may run side by side, each in one of several processes (`make test` starts three, since the service's tests
often wait): such a process leaves the other cores to the others.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# An example's time depends on what else the machine does; the limit of a test is pytest's own.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

TESTS = Path(__file__).parent
SUFFIX_MARKERS = {"_integration": "integration", "_e2e": "e2e"}
#: Whole files go to one process or another: what takes long begins first, so that all processes end at about the same time.
ORDER = ("drill", "e2e", "integration", "unit")
DATA_VARIABLE = "FIELDMARK_DATA"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--data`; the environment variable serves scripts that cannot pass an option on."""
    parser.addoption(
        "--data",
        metavar="PATH",
        default=os.environ.get(DATA_VARIABLE),
        help=f"folder of the photo collections that `data` tests read (default: ${DATA_VARIABLE})",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Give one of several test processes one thread for numbers, before a test file imports what computes them."""
    if hasattr(config, "workerinput"):
        os.environ["OMP_NUM_THREADS"] = "1"


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Give each test its level and skip, visibly, what this machine cannot run; of what is chosen by level, begin with the longest."""
    missing = {"data": _data_fault(config), "gpu": None}
    if any(item.get_closest_marker("gpu") for item in items):
        missing["gpu"] = _gpu_fault()
    for item in items:
        item.add_marker(level_of(item.path))
        if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
            # A hundred examples take twice the time under coverage, and run few lines of their own.
            item.add_marker("no_cover")
        for marker, fault in missing.items():
            if fault and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=fault))
    yield
    items.sort(key=lambda item: ORDER.index(level_of(item.path)))


def pytest_collection_finish() -> None:
    """Let the collector of garbage leave alone what lives to the end, which is most: exports of graphs make it run often."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def level_of(path: Path) -> str:
    """Name the level of a test file: by its first folder, else by the end of its name."""
    if path.relative_to(TESTS).parts[0] == "drills":
        return "drill"
    return next((marker for suffix, marker in SUFFIX_MARKERS.items() if path.stem.endswith(suffix)), "unit")


@pytest.fixture(scope="session")
def data_folder(pytestconfig: pytest.Config) -> Path:
    """Folder of the photo collections; only for tests marked `data`."""
    fault = _data_fault(pytestconfig)
    if fault:
        pytest.skip(fault)
    return Path(pytestconfig.getoption("--data"))


@pytest.fixture(scope="session")
def samples_folder() -> Path:
    """The photos that ship with the tests; CREDITS.md in it says whose they are."""
    return TESTS / "samples"


def _data_fault(config: pytest.Config) -> str | None:
    named = config.getoption("--data")
    if named is None:
        return f"needs the photo collections: --data PATH or {DATA_VARIABLE}"
    if not Path(named).is_dir():
        return f"--data {named} is not a folder"
    return None


def _gpu_fault() -> str | None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        return None
    return "needs ONNX Runtime with a CUDA provider (extra gpu)"
