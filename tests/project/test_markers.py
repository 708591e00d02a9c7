"""A test's level follows from where it stands."""

from pathlib import Path

import pytest

from tests.conftest import TESTS, level_of


@pytest.mark.parametrize(
    ("path", "level"),
    [
        ("service/test_errors.py", "unit"),
        ("service/bus/test_local_integration.py", "integration"),
        ("project/test_wheel_e2e.py", "e2e"),
        ("drills/test_kill.py", "drill"),
        ("drills/test_kill_integration.py", "drill"),
    ],
)
def test_level_follows_from_folder_and_name(path: str, level: str) -> None:
    assert level_of(TESTS / path) == level


def test_this_test_is_a_unit_test(request: pytest.FixtureRequest) -> None:
    own = {mark.name for mark in request.node.iter_markers()}
    assert "unit" in own
    assert own.isdisjoint({"integration", "e2e", "drill"})


def test_every_test_file_is_found_by_its_name() -> None:
    """A file that holds tests but is not called test_... would never run."""
    lost = [path for path in TESTS.rglob("*.py") if not path.name.startswith("test_") and _holds_tests(path)]
    assert lost == []


def _holds_tests(path: Path) -> bool:
    return any(line.startswith(("def test_", "async def test_")) for line in path.read_text().splitlines())
