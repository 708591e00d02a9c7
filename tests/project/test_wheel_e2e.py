"""The wheel holds the code and not the bundles, and what it installs runs."""

import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
EXIT_FAILED = 1

pytestmark = pytest.mark.timeout(300)  # builds a package and an environment


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built as a release would be."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("fieldmark-*.whl")
    return built


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `fieldmark` command of a fresh environment: the wheel, what it declares with the extra `cpu`, nothing else.

    What it declares is linked from the environment of the tests, which was made from the same pins: unpacking it again
    takes a core ten seconds, and that pip finds it the documented `make serve` shows.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=True)
    pip(folder / "bin" / "python", "install", "--quiet", "--no-deps", "--no-compile", str(wheel))
    (packages,) = folder.glob("lib/python*/site-packages")
    (installed,) = metadata.distributions(name="fieldmark", path=[str(packages)])
    for needed in closure(installed, {"cpu"}):
        tops = {file.parts[0] for file in needed.files or ()} - {"..", "__pycache__"}
        for top in tops:
            (packages / top).symlink_to(str(needed.locate_file(top)))
    return folder / "bin" / "fieldmark"


def closure(root: metadata.Distribution, extras: set[str]) -> list[metadata.Distribution]:
    """What a distribution with some extras needs, and all that this needs in turn."""
    found: dict[tuple[str, frozenset[str]], metadata.Distribution] = {}
    waiting = [(root, extras)]
    while waiting:
        needing, extras = waiting.pop()
        for requirement in map(Requirement, needing.requires or ()):
            marker = requirement.marker
            if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
                continue
            needed = metadata.distribution(requirement.name)
            assert requirement.specifier.contains(needed.version, prereleases=True), f"{requirement}: {needed.version}"
            asked = needed.name, frozenset(requirement.extras)
            if asked not in found:
                found[asked] = needed
                waiting.append((needed, requirement.extras))
    return list({needed.name: needed for needed in found.values()}.values())


def pip(python: Path, *words: str) -> str:
    """What this environment's pip says and does in the one of another Python."""
    command = [sys.executable, "-m", "pip", "--python", str(python), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def run(command: Path, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the installed command in `folder`, away from the checkout."""
    environment = {"PATH": "/usr/bin:/bin", "COLUMNS": "120"}
    return subprocess.run(
        [str(command), *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_wheel_leaves_the_zoo_out(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.startswith("models/zoo")] == []
    assert [name for name in names if name.endswith((".onnx", ".npz"))] == []


def test_the_wheel_holds_the_four_packages_and_the_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert folders == {"export", "fieldmark", "models", "service"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_installed_code_is_the_wheels(command: Path, tmp_path: Path) -> None:
    python = command.with_name("python")
    code = "import fieldmark, service, models; print(fieldmark.__file__, service.__file__, models.__file__)"
    done = subprocess.run([str(python), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert all(path.startswith(str(command.parents[1])) for path in done.stdout.split())


def test_serving_is_free_of_torch(command: Path) -> None:
    shown = pip(command.with_name("python"), "list", "--format=freeze")
    assert "onnxruntime==" in shown
    assert "torch==" not in shown


def test_help_names_the_commands(command: Path, tmp_path: Path) -> None:
    done = run(command, "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "serve" in done.stdout
    assert "classify" in done.stdout


def test_serving_without_a_store_fails_and_names_the_option(command: Path, tmp_path: Path) -> None:
    done = run(command, "serve", "--port", "0", folder=tmp_path)
    assert done.returncode == EXIT_FAILED
    assert "--store" in done.stderr
    assert "Traceback" not in done.stderr
