"""`fieldmark evaluate --text` on tiny bundles that read texts, and `fieldmark compare` of what it wrote."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from models import cli
from tests.photosets import write_photo
from tests.system_bundles import make_system_bundle

# Each photo is slightly brighter in another colour than the one its class is called after; its text says the class.
PHOTOS = {"000.Red": (90, 120, 90), "001.Green": (90, 90, 120), "002.Blue": (120, 90, 90)}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store")
    make_system_bundle(store, "pma_student", name="student", default=True)
    make_system_bundle(store, "pma", name="teacher", default=False)
    return store


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(tmp_path_factory.mktemp("photos"), {"test": 3})


def write_index(root: Path, per_split: dict[str, int]) -> Path:
    """An index of so many photos per split and class, beside them."""
    path = root / "index.csv"
    numbers = [(split, number) for split, count in per_split.items() for number in range(count)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "split", "text"])
        for seed, (class_id, colour) in enumerate(PHOTOS.items()):
            for split, number in numbers:
                photo = write_photo(root / f"{class_id}-{split}{number}.png", colour, 10 * seed + number)
                word = class_id.partition(".")[2].lower()
                writer.writerow([photo.name, class_id, split, f"a {word} crown"])
    return path


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    cli.register(app)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def evaluate(store: Path, index: Path, *arguments: str | Path) -> float:
    result = run("evaluate", "--data", index, "--store", store, "--json", *arguments)
    assert result.exit_code == 0, result.output
    return float(json.loads(result.output)["figures"][0]["top1"]["value"])


@pytest.mark.parametrize(("kind", "top1"), [("own", 1.0), ("shuffled", 1.0), ("other", 0.0), ("none", 0.0)])
def test_a_text_decides_where_it_is_told(store: Path, index: Path, kind: str, top1: float) -> None:
    assert evaluate(store, index, "--model", "teacher", "--text", kind) == top1


def test_a_text_changes_nothing_for_a_model_that_reads_none(store: Path, index: Path) -> None:
    assert evaluate(store, index, "--model", "student", "--text", "own") == 0.0


def test_a_withheld_text_cannot_be_asked_of_a_service(store: Path, index: Path) -> None:
    result = run(
        "evaluate", "--data", index, "--store", store, "--model", "teacher", "--text", "none", "--url", "http://[::1]:9"
    )
    assert result.exit_code == 2
    assert "leave --url out" in " ".join(result.output.split())


def test_texts_about_cars_need_their_folder(store: Path, index: Path) -> None:
    result = run("evaluate", "--data", index, "--store", store, "--model", "teacher", "--text", "cars")
    assert result.exit_code == 1
    assert "stanford_cars" in result.output


def test_words_are_weighed_beside_a_model_that_sees_photos_alone(store: Path, tmp_path: Path) -> None:
    index = write_index(tmp_path, {"train": 8, "validation": 3, "test": 3})
    result = run("weigh-words", store / "student" / "1.0.0", "--data", index)
    assert result.exit_code == 0, result.output
    row = next(line for line in result.output.splitlines() if line.startswith("| test"))
    assert [cell.strip() for cell in row.split("|")[3:5]] == ["0.00", "100.00"]


def test_words_are_not_weighed_beside_a_model_that_reads_them(store: Path, index: Path) -> None:
    result = run("weigh-words", store / "teacher" / "1.0.0", "--data", index)
    assert result.exit_code == 2
    assert "photos alone" in " ".join(result.output.split())


def test_reports_are_compared_photo_by_photo(store: Path, index: Path, tmp_path: Path) -> None:
    evaluate(store, index, "--model", "student", "--out", tmp_path / "student")
    evaluate(store, index, "--model", "teacher", "--text", "own", "--out", tmp_path / "teacher")
    reports = [f"student={tmp_path / 'student'}", f"teacher={tmp_path / 'teacher'}"]
    result = run("compare", *reports, "--against", "student")
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if "own text" in line)
    assert "+100.00" in line
    assert "better" in line


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("student",), 2, "NAME=FOLDER"),
        (("student=/nowhere",), 1, "does not exist"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(arguments: tuple[str, ...], status: int, words: str) -> None:
    result = run("compare", *arguments, "--against", "student")
    assert result.exit_code == status
    assert words in " ".join(result.output.split())


def test_what_reads_texts_is_not_judged_without_one(store: Path, index: Path) -> None:
    result = run("trust", store / "teacher" / "1.0.0", "--data", index)
    assert result.exit_code == 1
    assert "where a text comes with the photo" in result.output
