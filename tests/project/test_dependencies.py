"""What the code imports is what pyproject.toml declares: no more than declared, in each part for whom it is meant."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OWN = {"deploy", "export", "fieldmark", "models", "service", "tests"}
#: Base packages that no file imports: uvicorn runs on it when it is there.
TAKEN_BY_UVICORN = {"uvloop"}
#: Which extras a folder may count on besides the base; `cpu` stands for either engine. What is not installed here (`oracle`)
#: goes by its module's name.
EXTRAS = {
    "service": {"cpu", "client", "redis", "otel"},
    "fieldmark": set(),
    "models": {"cpu", "train", "oracle"},
    "export": {"cpu", "train"},
    "tests": {"cpu", "train", "dev", "otel", "redis"},
}


@pytest.mark.parametrize("folder", EXTRAS)
def test_a_folder_imports_declared_packages_only(folder: str) -> None:
    declared = _declared(EXTRAS[folder])
    distributions = packages_distributions()
    undeclared = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for module in _imported(path)
        if declared.isdisjoint(_normal(name) for name in distributions.get(module, [module]))
    }
    assert undeclared == set()


def test_every_declared_base_package_is_imported_by_the_service_or_what_it_shares() -> None:
    distributions = packages_distributions()
    used = {
        _normal(name)
        for folder in ("service", "models")
        for path in (ROOT / folder).rglob("*.py")
        for module in _imported(path)
        for name in distributions.get(module, [])
    }
    assert _declared(set()) - used == TAKEN_BY_UVICORN


def _declared(extras: set[str]) -> set[str]:
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    return {_normal(Requirement(line).name) for line in lines}


def _imported(path: Path) -> Iterator[str]:
    """Top-level names of the packages that a file imports anywhere, its own and the standard library's left out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        else:
            continue
        tops = {name.partition(".")[0] for name in names}
        yield from tops - OWN - set(sys.stdlib_module_names)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
