"""Documents lead to files that exist, and every code block says how it is checked."""

from pathlib import Path

import pytest

from tests.project.documents import ROOT, blocks, documents, links

WORDS = {"sh": {(), ("service",), ("recipe",), ("by-hand",)}, "python": {("service",)}}
#: The folders that a newcomer sees first; each has a README.
TOP_FOLDERS = ("deploy", "export", "models", "service", "tests")


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_of_the_project(path: Path) -> None:
    lost = [target for target in links(path) if not (path.parent / target).resolve().is_relative_to(ROOT)]
    lost += [target for target in links(path) if not (path.parent / target).exists()]
    assert lost == []


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_code_blocks_say_how_they_are_checked(path: Path) -> None:
    unclear = [str(block) for block in blocks(path) if block.words not in WORDS.get(block.language, {block.words})]
    unclear += [str(block) for block in blocks(path) if block.language in ("bash", "shell", "console")]
    assert unclear == []


@pytest.mark.parametrize("folder", TOP_FOLDERS)
def test_every_top_folder_has_a_readme(folder: str) -> None:
    assert (ROOT / folder / "README.md").is_file()


@pytest.mark.parametrize(
    "name", ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"]
)
def test_the_documents_that_readers_look_for_exist(name: str) -> None:
    assert (ROOT / name).is_file()
