import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.cli.photos import PORTION_PHOTOS, read_portions
from tests.bundles import make_bundle
from tests.service.zoo import make_router

Run = Callable[..., Any]


def test_a_photo_is_answered_for_a_person(fieldmark: Run, store: Path, photos: Path) -> None:
    result = fieldmark("classify", photos / "red.jpg", "--store", store, "--top-k", "2")
    assert (result.status, result.err) == (0, "")
    assert result.out == f"{photos}/red.jpg (colours 1.0.0)\n  100.0%  Red\n    0.0%  Green\n"


def test_json_has_the_objects_of_the_http_interface_with_the_path_first(
    fieldmark: Run, store: Path, photos: Path
) -> None:
    result = fieldmark("classify", photos / "red.jpg", photos / "bad.jpg", "--store", store, "--json")
    answer, problem = map(json.loads, result.out.splitlines())
    assert result.status == 1
    assert next(iter(answer)) == "path"
    assert answer["model"] == {"name": "colours", "version": "1.0.0", "system": "plain"}
    assert [p["label"] for p in answer["predictions"]] == ["Red", "Green", "Blue"]
    assert problem["path"] == f"{photos}/bad.jpg"
    assert (problem["type"], problem["status"]) == ("unsupported-media", 415)


def test_a_folder_gives_a_row_for_each_photo_and_names_what_failed(fieldmark: Run, store: Path, photos: Path) -> None:
    result = fieldmark("classify", photos, "--store", store)
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert result.status == 1
    assert [(Path(row["path"]).name, row["label"], row["hue"]) for row in rows] == [
        ("bad.jpg", "", ""),
        ("red.jpg", "Red", "red"),
        ("blue.PNG", "Blue", "blue"),
    ]
    assert rows[0]["error"].startswith("unsupported-media: ")
    assert result.err.startswith(f"fieldmark: {photos}/bad.jpg: ")
    assert len(result.err.splitlines()) == 1


def test_results_can_go_to_a_file(fieldmark: Run, store: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    result = fieldmark("classify", photos / "red.jpg", "--store", store, "--format", "jsonl", "--out", out)
    assert (result.status, result.out) == (0, "")
    assert json.loads(out.read_text())["predictions"][0]["label"] == "Red"


def test_a_file_that_cannot_be_read_fails_alone(fieldmark: Run, store: Path, photos: Path) -> None:
    result = fieldmark("classify", photos / "none.jpg", photos / "red.jpg", "--store", store)
    assert result.status == 1
    assert "Red" in result.out
    assert "none.jpg: The file cannot be read: No such file or directory." in result.err


def test_a_file_above_the_limit_fails_alone(
    fieldmark: Run, store: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDMARK_BODY_LIMIT_BYTES", "2000")
    (photos / "large.jpg").write_bytes(bytes(2001))
    result = fieldmark("classify", photos / "large.jpg", photos / "red.jpg", "--store", store)
    assert "large.jpg: The file is larger than 2,000 bytes." in result.err
    assert "Red" in result.out


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--domain", "birds"], 1, "Domain 'birds' does not exist. Served: colours."),
        (["--model", "tints"], 1, "Model 'tints' does not exist."),
        (["--json", "--format", "csv"], 2, "--json and --format csv exclude each other"),
        (["--expression", " "], 1, "--expression is blank; say it in words."),
        (["--out", "/nowhere/out.csv"], 1, "--out /nowhere/out.csv: there is no folder /nowhere; make it first."),
        (["--out", "."], 1, "--out . is a folder; name a file."),
        (["--draw", "/nowhere/out.png"], 1, "--draw /nowhere/out.png: there is no folder /nowhere; make it first."),
    ],
)
def test_a_question_that_cannot_be_asked_is_one_sentence(
    arguments: list[str], status: int, sentence: str, fieldmark: Run, store: Path, photos: Path
) -> None:
    result = fieldmark("classify", photos / "red.jpg", "--store", store, *arguments)
    assert (result.status, result.out) == (status, "")
    assert sentence in result.err
    assert "Traceback" not in result.err


def test_an_empty_folder_is_wrong_usage(fieldmark: Run, store: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = fieldmark("classify", tmp_path / "empty", "--store", store)
    assert result.status == 2
    assert f"there is no photo in {tmp_path}/empty" in " ".join(result.err.split())


def test_a_store_where_nothing_can_be_served_is_one_sentence(fieldmark: Run, photos: Path, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "broken")
    (folder / "card.md").unlink()
    result = fieldmark("classify", photos / "red.jpg", "--store", tmp_path / "broken")
    assert result.status == 1
    assert "card.md is missing" in result.err


def test_folders_are_read_in_portions(tmp_path: Path) -> None:
    paths = [tmp_path / f"{index:03}.jpg" for index in range(PORTION_PHOTOS + 1)]
    for path in paths:
        path.write_bytes(b"x")
    portions = list(read_portions(paths, 10))
    assert [len(portion) for portion in portions] == [PORTION_PHOTOS, 1]
    assert [photo.path for portion in portions for photo in portion] == paths


def test_a_text_is_taken_and_answered_for(fieldmark: Run, store: Path, photos: Path) -> None:
    result = fieldmark("classify", photos / "red.jpg", "--store", store, "--text", " a red crown ")
    assert result.out.splitlines()[1] == "  colours@1.0.0 reads no text; it answered by the photo alone."
    plain = fieldmark("classify", photos / "red.jpg", "--store", store)
    blank = fieldmark("classify", photos / "red.jpg", "--store", store, "--text", " ")
    assert blank.out == plain.out
    long = fieldmark("classify", photos / "red.jpg", "--store", store, "--text", "x" * 10_000)
    assert (long.status, long.err) == (1, "fieldmark: --text has 10,000 characters; it must be at most 4,000.\n")
    strange = fieldmark("classify", photos / "red.jpg", "--store", store, "--text", "red\x01crown")
    assert (strange.status, "U+0001" in strange.err) == (1, True)


def test_explanations_are_drawn_into_a_file_or_a_folder(
    fieldmark: Run, store: Path, photos: Path, tmp_path: Path
) -> None:
    (photos / "sub" / "red.png").write_bytes((photos / "sub" / "blue.PNG").read_bytes())
    out = tmp_path / "out.png"
    result = fieldmark("classify", photos / "red.jpg", "--store", store, "--draw", out, "--json")
    assert result.status == 0
    assert "map" in json.loads(result.out)["explanation"]
    assert out.read_bytes().startswith(b"\x89PNG")

    refused = fieldmark("classify", photos, "--store", store, "--draw", out)
    assert (refused.status, refused.err) == (
        1, f"fieldmark: --draw {out}: there are 4 photos; name a folder that exists.\n"
    )  # fmt: skip
    folder = tmp_path / "drawn"
    folder.mkdir()
    assert fieldmark("classify", photos, "--store", store, "--draw", folder).status == 1  # one is no photo
    assert sorted(path.name for path in folder.iterdir()) == ["blue.png", "red-2.png", "red.png"]


def test_drawings_never_take_the_place_of_a_photo(fieldmark: Run, store: Path, photos: Path) -> None:
    blue = (photos / "sub" / "blue.PNG").rename(photos / "sub" / "blue.png")
    before = blue.read_bytes()
    assert fieldmark("classify", blue.parent, "--store", store, "--draw", blue.parent).status == 0
    assert blue.read_bytes() == before
    assert (blue.parent / "blue-2.png").is_file()
    refused = fieldmark("classify", blue, "--store", store, "--draw", blue)
    assert (refused.status, blue.read_bytes()) == (1, before)
    assert "is the photo itself; name another file" in refused.err


@pytest.mark.parametrize("form", ["text", "csv", "jsonl"])
def test_a_name_that_is_not_utf_8_is_shown_as_well_as_it_can_be(
    form: str, fieldmark: Run, store: Path, photos: Path, tmp_path: Path
) -> None:
    (photos / "bad.jpg").unlink()
    (photos / "red.jpg").rename(os.fsdecode(os.fsencode(photos) + b"/r\xffd.jpg"))
    out = tmp_path / "out"
    assert fieldmark("classify", photos, "--store", store, "--format", form, "--out", out).status == 0
    written = out.read_text(encoding="utf-8")
    assert "r\ufffdd.jpg" in written
    assert "blue.PNG" in written


def test_where_nothing_is_known_the_likeliest_domain_can_be_asked_for(
    fieldmark: Run, photos: Path, tmp_path: Path
) -> None:
    store = tmp_path / "domains"
    for domain in ("birds", "cars"):
        make_bundle(store, name=domain, domain=domain)
    make_router(store)
    neither = photos / "sub"
    refused = fieldmark("classify", neither, "--store", store)
    assert (refused.status, "force" in refused.err) == (1, True)
    assert fieldmark("classify", neither, "--store", store, "--force").status == 0
