"""Photos put to an engine and to a service: what is kept, what fails, and how a difference shows."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.asking import Answered, Asked, Refused, ask
from models.evaluation.items import Item, Part, parts_of
from models.evaluation.remote import canonical
from models.evaluation.report import make_report, to_json, to_text, write_report
from models.labels import Label
from models.training.data import DataError, read_dataset
from tests.photosets import write_image_folder

CLASS_IDS = ["blue", "green", "red"]
LABELS = [Label(class_id, class_id.title(), {}) for class_id in CLASS_IDS]


class FakeModel:
    """Answers a photo, which is a digit, with the class of that number; refuses an empty one."""

    def __init__(self, shift: int = 0) -> None:
        self.shift = shift

    def __call__(self, photo: bytes, text: str | None = None) -> Answered:
        """The answer as an engine would give it."""
        if not photo:
            raise Refused("the photo is empty")
        pick = (int(photo) + self.shift) % 3
        return Answered(canonical({"predictions": [{"class_id": CLASS_IDS[pick]}]}), np.eye(3)[pick] * 4)


def part_of(photos: list[bytes]) -> Part:
    items = [
        Item(lambda photo=photo: photo, CLASS_IDS[number % 3], f"photo {number}")  # type: ignore[misc]
        for number, photo in enumerate(photos)
    ]
    return Part("test whole", tuple(items))


def asked_of(photos: list[bytes], service: FakeModel | None = None) -> tuple[Asked, int]:
    calls: list[None] = []
    return ask(part_of(photos), CLASS_IDS, FakeModel(), service, lambda: calls.append(None)), len(calls)


def test_answers_keep_the_order_of_the_photos() -> None:
    asked, calls = asked_of([b"%d" % (number % 3) for number in range(40)])
    assert (
        asked.scored.logits.argmax(1).tolist() == asked.scored.labels.tolist() == [number % 3 for number in range(40)]
    )
    assert calls == 40


def test_a_photo_that_is_refused_is_a_failure_and_no_answer() -> None:
    asked, _ = asked_of([b"0", b"", b"2"])
    assert asked.failures == ("photo 1: refused (the photo is empty)",)
    assert [item.photo for item in asked.scored.part.items] == ["photo 0", "photo 2"]
    assert asked.scored.logits.shape == (2, 3)


def test_a_service_that_says_the_same_agrees() -> None:
    asked, _ = asked_of([b"0", b"", b"2"], FakeModel())
    report = make_report("m@1", "folder", 1.0, [asked], is_compared=True)
    assert report.compared == 3
    assert not report.differences
    assert "agrees with the engine on 3 of 3 photos" in to_text(report)


def test_a_service_that_says_otherwise_is_found_out() -> None:
    asked, _ = asked_of([b"0", b"1"], FakeModel(shift=1))
    report = make_report("m@1", "folder", 1.0, [asked], is_compared=True)
    assert not report.is_clean
    assert "agrees with the engine on 0 of 2 photos" in to_text(report)
    assert 'photo 0: {"predictions":[{"class_id":"green"}]} instead of' in report.differences[0]


def test_answers_are_compared_without_regard_to_the_order_of_keys() -> None:
    assert canonical({"b": 1, "a": [0.1]}) == canonical(json.loads('{"a": [0.1], "b": 1}'))


def test_a_report_without_a_service_does_not_speak_of_one() -> None:
    asked, _ = asked_of([b"0"])
    assert "service" not in to_text(make_report("m@1", "folder", 1.0, [asked], is_compared=False))


def test_many_failures_are_cut_short() -> None:
    asked, _ = asked_of([b""] * 30)
    text = to_text(make_report("m@1", "folder", 1.0, [asked], is_compared=False))
    assert text.count("refused") == 20
    assert text.endswith("... and 10 more\n")


def test_the_report_is_written_with_plots_and_a_table_of_classes(tmp_path: Path) -> None:
    asked, _ = asked_of([b"0", b"1", b"2", b"0", b"1", b"1"])
    report = make_report("m@1", "folder", 0.5, [asked], is_compared=False)
    write_report(tmp_path, report, [asked], LABELS)
    assert json.loads((tmp_path / "figures.json").read_text()) == json.loads(to_json(report))
    assert (tmp_path / "report.md").read_text().count("![") == 2
    for plot in ("confusion", "reliability"):
        assert (tmp_path / f"test-whole-{plot}.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "test-whole-classes.csv").open(newline="") as file:
        rows = {row["class_id"]: row for row in csv.DictReader(file)}
    assert rows["red"] == {
        "class_id": "red",
        "label": "Red",
        "photos": "2",
        "top1": "0.5",
        "most_taken_for": "Green",
        "taken": "1",
    }


def test_parts_are_the_framings_of_a_split(tmp_path: Path) -> None:
    write_image_folder(tmp_path, {"test": 4})
    (part,) = parts_of(read_dataset("folder", tmp_path), "test", limit=3)
    assert part.name == "test whole"
    assert [item.class_id for item in part.items] == CLASS_IDS
    assert part.items[0].read().startswith(b"\x89PNG")


def test_a_class_that_the_model_does_not_know_is_an_error() -> None:
    with pytest.raises(DataError, match=r"does not know 1 class.* the first is 'red'"):
        ask(part_of([b"0", b"1", b"2"]), CLASS_IDS[:2], FakeModel(), None, lambda: None)
