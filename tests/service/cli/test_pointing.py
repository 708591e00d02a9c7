import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.bundles import make_bundle, solid_photo
from tests.detector import make_tiny_detector, spot
from tests.pointing_bundles import make_answer_bundle, make_ground_bundle

Run = Callable[..., Any]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A store of both bundles, and a red photo."""
    make_ground_bundle(tmp_path / "store")
    make_answer_bundle(tmp_path / "store")
    (tmp_path / "red.jpg").write_bytes(solid_photo())
    return tmp_path


def test_expressions_are_found_drawn_and_told_for_a_person(fieldmark: Run, place: Path) -> None:
    result = fieldmark(
        "ground",
        place / "red.jpg",
        "the red thing",
        "blue sky",
        "--store",
        place / "store",
        "--draw",
        place / "out.png",
    )
    assert (result.status, result.err) == (0, "")
    first, found, absent, reason, unknown = result.out.splitlines()
    assert first == f"{place}/red.jpg (pointer 1.0.0)"
    assert found.startswith("   73.0%  the red thing  ")
    assert absent == "       -  blue sky"
    assert "seems not to show it" in reason
    assert unknown.strip() == "unknown: sky"
    with Image.open(place / "out.png") as picture:
        assert picture.width == 640


def test_all_subjects_are_told_and_drawn_and_a_photo_of_none_keeps_its_place(fieldmark: Run, tmp_path: Path) -> None:
    make_bundle(tmp_path / "store")
    make_tiny_detector(tmp_path / "published", tmp_path / "store")
    (tmp_path / "spot.png").write_bytes(spot((255, 0, 0), at=(128, 64), side=64, size=256))
    (tmp_path / "blue.jpg").write_bytes(solid_photo((0, 0, 255)))
    asked = ("classify", "--locate-all", "--store", tmp_path / "store")
    result = fieldmark(*asked, tmp_path / "spot.png", "--json", "--draw", tmp_path / "out.png")
    (told,) = (json.loads(line) for line in result.out.splitlines())
    assert (told["path"], told["image"]) == (f"{tmp_path}/spot.png", {"width": 256, "height": 256})
    assert {one["predictions"][0]["label"] for one in told["subjects"]} == {"Red"}
    assert all("box" in one for one in told["subjects"])
    assert (tmp_path / "out.png").stat().st_size
    nothing = fieldmark(*asked, tmp_path / "blue.jpg")
    assert (nothing.status, nothing.out) == (0, f"{tmp_path}/blue.jpg: no subject was found\n")
    header, *rows = fieldmark(*asked, tmp_path, "--format", "csv").out.splitlines()
    assert header.startswith("path,")
    assert [row for row in rows if row.startswith(f"{tmp_path}/spot.png,")]
    assert [row for row in rows if row.startswith(f"{tmp_path}/blue.jpg,")] == [
        f"{tmp_path}/blue.jpg{',' * (header.count(','))}no subject was found"
    ]
    assert "exclude each other" in fieldmark(*asked, tmp_path / "blue.jpg", "--locate").err


def test_a_question_is_answered_and_drawn(fieldmark: Run, place: Path) -> None:
    asked = ("answer", place / "red.jpg", "what is the thing", "--store", place / "store")
    result = fieldmark(*asked, "--top-k", "1", "--draw", place / "out.png")
    assert (result.status, result.out) == (0, f"{place}/red.jpg (teller 1.0.0)\n  100.0%  red\n")
    assert (place / "out.png").stat().st_size
    told = json.loads(fieldmark(*asked, "--json").out)
    assert next(iter(told)) == "path"
    assert told["answers"][0] == {"answer": "red", "probability": 1.0}


@pytest.mark.parametrize(
    ("command", "words", "said"),
    [
        ("ground", " ", "EXPRESSION is blank"),
        ("ground", "x" * 2001, "2,001 characters"),
        ("answer", "\x01", r"U+0001"),
        ("answer", "\u4ec0\u4e48", "no word that teller@1.0.0 knows"),
    ],
)
def test_absurd_words_end_in_one_sentence(fieldmark: Run, place: Path, command: str, words: str, said: str) -> None:
    result = fieldmark(command, place / "red.jpg", words, "--store", place / "store")
    assert (result.status, result.out) == (1, "")
    assert said in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("command", ["ground", "answer"])
def test_where_nothing_can_be_drawn_is_told_before_anything_is_answered(
    fieldmark: Run, place: Path, command: str
) -> None:
    asked = (command, place / "red.jpg", "what is the thing", "--store", place / "store", "--draw")
    result = fieldmark(*asked, place / "none" / "out.png")
    assert (result.status, result.out) == (1, "")
    assert result.err == f"fieldmark: --draw {place}/none/out.png: there is no folder {place}/none; make it first.\n"
    assert f"--draw {place} is a folder; name a file." in fieldmark(*asked, place).err


@pytest.mark.parametrize(
    ("command", "model", "task"), [("ground", "teller", "answer"), ("answer", "pointer", "ground")]
)
def test_a_model_of_another_task_is_said_to_be_one(
    fieldmark: Run, place: Path, command: str, model: str, task: str
) -> None:
    result = fieldmark(command, place / "red.jpg", "what is it", "--store", place / "store", "--model", model)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"fieldmark: Model '{model}' is of task '{task}', not '{command}'. Served: ")


def test_a_photo_that_cannot_be_read_is_named(fieldmark: Run, place: Path) -> None:
    result = fieldmark("ground", place / "none.jpg", "red", "--store", place / "store")
    assert (result.status, result.out) == (1, "")
    assert "none.jpg: The file cannot be read" in result.err
