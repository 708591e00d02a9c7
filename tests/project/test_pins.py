"""constraints.txt pins what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ASKED = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]


def pins() -> dict[str, Version]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    pairs = [line.split("==") for line in lines]
    assert [name for name, _ in pairs] == sorted({name for name, _ in pairs}), "each name once, sorted"
    return {name: Version(version) for name, version in pairs}


@pytest.mark.parametrize("line", ASKED)
def test_every_dependency_is_pinned_within_what_is_asked(line: str) -> None:
    asked = Requirement(line)
    assert asked.specifier.contains(pins()[re.sub(r"[-_.]+", "-", asked.name).lower()])


def test_serving_asks_for_nothing_that_training_needs() -> None:
    extras = PROJECT["optional-dependencies"]
    serving = {Requirement(line).name for line in [*PROJECT["dependencies"], *extras["cpu"], *extras["gpu"]]}
    training = {Requirement(line).name for line in extras["train"]}
    assert "torch" in training
    assert serving.isdisjoint(training)


def test_no_pin_names_a_local_build() -> None:
    assert [name for name, version in pins().items() if version.local] == []
