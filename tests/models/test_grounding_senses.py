"""Checks that a grounding model's answers hang together, on photos with a thing in each half and grounders made by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.grounding.answers import Answered, Located, ask_all
from models.evaluation.grounding.floors import any_of_class_iou, largest_of_class_iou
from models.evaluation.grounding.items import Item, part_of, relation_items
from models.evaluation.grounding.senses import Sense, mirrored_items, senses_of, to_markdown
from models.evaluation.grounding.table import rows_of
from models.preprocess import decode
from models.training.data import Box
from models.training.voc import Scene, read_voc
from tests.ground_sets import write_voc
from tests.models.expression_checker import Checker

GREY = 120
BOTH, MIRROR, ALARM = "both of two", "mirrored photo", "not there"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    return read_voc(write_voc(tmp_path_factory.mktemp("voc") / "voc", train=0, test=6))


@pytest.fixture(scope="module")
def items(scenes: list[Scene]) -> list[Item]:
    """Both things of each photo by their side."""
    return [
        Item("test", scene.path, scene.path.stem, f"thing on the {side}", thing.box, "side", 1, thing.name)
        for scene in scenes
        for side, thing in zip(("left", "right"), scene.things, strict=True)
    ]


def look(photo: Path, side: str) -> Box:
    """The box of what is not grey in one half of a photo."""
    pixels = decode(photo.read_bytes()).pixels.astype(int)
    rows, columns = pixels.shape[:2]
    is_thing = np.abs(pixels - GREY).max(axis=2) > 30
    half = slice(0, columns // 2) if side == "left" else slice(columns // 2, columns)
    down, across = np.nonzero(is_thing[:, half])
    left, right = across.min() + half.start, across.max() + half.start + 1
    return left / columns, down.min() / rows, right / columns, (down.max() + 1) / rows


def reader(photo: Path, texts: Sequence[str]) -> Located:
    """Finds the thing on the side that the words name."""
    boxes = [look(photo, "left" if "left" in text else "right") for text in texts]
    return Located(boxes, np.tile([3.0, 0.0], (len(texts), 1)))


def stubborn(photo: Path, texts: Sequence[str]) -> Located:
    """Points at the thing on the left, whatever is said."""
    return Located([look(photo, "left")] * len(texts), np.tile([3.0, 0.0], (len(texts), 1)))


def found(answered: Answered, words: str) -> Sense:
    return next(sense for sense in senses_of(answered) if words in sense.words)


def test_a_grounder_that_reads_finds_both_things_and_their_mirror(items: list[Item], tmp_path: Path) -> None:
    answered = ask_all([*items, *mirrored_items(items, tmp_path)], reader, lambda _: None)
    assert {row.name: row.accuracy for row in rows_of(answered)}["photo and words mirrored"] == 1.0
    both, mirror = found(answered, BOTH), found(answered, MIRROR)
    assert (both.share, both.count) == (1.0, 6)
    assert (mirror.share, mirror.count) == (1.0, 12)
    assert "both of two expressions for two things of one photo are found: 100.0 %" in to_markdown([both])


def test_one_that_always_points_at_one_side_is_found_out(items: list[Item], tmp_path: Path) -> None:
    answered = ask_all([*items, *mirrored_items(items, tmp_path)], stubborn, lambda _: None)
    assert {row.name: row.accuracy for row in rows_of(answered)}["test"] == 0.5
    assert found(answered, BOTH).share == 0.0
    assert found(answered, MIRROR).share == 0.0


def test_what_has_no_place_of_its_own_is_not_mirrored(items: list[Item], tmp_path: Path) -> None:
    absent = Item("absent", items[0].path, items[0].photo, "cat on the left", None)
    question = Item("test", items[0].path, items[0].photo, "what is left?", items[0].box)
    assert mirrored_items([absent, question], tmp_path) == []
    (turned,) = mirrored_items(items[:1], tmp_path)
    assert turned.text == "thing on the right"
    assert turned.box is not None
    assert items[0].box is not None
    assert turned.box[0] == pytest.approx(1 - items[0].box[2])


def test_false_alarms_are_counted_where_nine_in_ten_are_heard(items: list[Item]) -> None:
    present = [items[0]] * 10
    absent = [Item("absent", items[0].path, str(number), "cat", None) for number in range(4)]
    presence = [*range(1, 11), 0.0, 1.5, 2.5, 9.0]  # the nine highest begin at 2, and the quantile lies just below
    answered = Answered(
        [*present, *absent], [(0.0, 0.0, 1.0, 1.0)] * 14, np.zeros(14), np.array([[one, 0.0] for one in presence])
    )
    alarm = found(answered, ALARM)
    assert (alarm.share, alarm.count) == (0.5, 4)


def test_the_interval_of_false_alarms_knows_that_the_threshold_was_drawn_too(items: list[Item]) -> None:
    present = [replace(items[0], photo=f"present {number}") for number in range(10)]
    absent = [Item("absent", items[0].path, f"absent {number}", "cat", None) for number in range(10)]
    presence = [*range(10), *[1.0] * 10]  # all absent ones lie just above the threshold of these ten
    conf = np.array([[one, 0.0] for one in presence])
    alarm = found(Answered([*present, *absent], [(0.0, 0.0, 1.0, 1.0)] * 20, np.zeros(20), conf), ALARM)
    assert alarm.share == alarm.high == 1.0
    assert alarm.low < 1.0


@pytest.mark.parametrize(
    ("phrase", "part"),
    [("two brown dogs", "people"), ("a man in a hat", "people, dressed nouns"), ("the lamp", "people, other nouns")],
)
def test_a_phrase_is_told_apart_by_who_taught_its_noun(phrase: str, part: str) -> None:
    assert part_of(phrase) == part


def test_relations_that_training_never_denies_are_counted_apart(items: list[Item]) -> None:
    parts = ["test"] * 10 + ["absent, next to"] * 2 + ["absent, other relations"] * 2
    asked = [Item(part, items[0].path, str(number), "dog", items[0].box) for number, part in enumerate(parts)]  # type: ignore[arg-type]
    presence = [*range(1, 11), 0.0, 1.5, 2.5, 9.0]
    conf = np.array([[one, 0.0] for one in presence])
    found = senses_of(Answered(asked, [(0.0, 0.0, 1.0, 1.0)] * 14, np.zeros(14), conf))
    alarms = {
        sense.words.partition(" called there")[0]: sense.share for sense in found if "called there" in sense.words
    }
    assert alarms == {
        "things next to what is not there, or the other way round,": 0.0,
        "the same, but left of, right of, above or below,": 1.0,
    }


def test_a_denied_relation_is_said_twice_of_one_thing_that_is_there_and_one_that_is_not(scenes: list[Scene]) -> None:
    asked = relation_items(scenes)
    assert asked == relation_items(scenes)
    assert len(asked) == 2 * len(scenes)
    assert len(relation_items(scenes, 2)) == 4
    things = {scene.path.stem: scene.things for scene in scenes}
    for item in asked:
        shown = things[item.photo]
        assert Checker(shown, (None,) * len(shown)).read(item.text).possible == set(), item.text
        is_other = re.search("left|right|above|below|higher|lower", item.text) is not None
        assert item.part == ("absent, other relations" if is_other else "absent, next to"), item.text
        assert item.box is None


def test_the_class_alone_tells_the_only_thing_of_it_and_half_of_two(scenes: list[Scene], items: list[Item]) -> None:
    alone = [item for item in items if item.name == "dog"]
    assert largest_of_class_iou(alone, scenes).tolist() == [1.0] * len(alone)
    assert any_of_class_iou(alone, scenes).tolist() == [1.0] * len(alone)
    pairs = [item for item in items if sum(thing.name == item.name for thing in _scene(scenes, item).things) == 2]
    hits = largest_of_class_iou(pairs, scenes) > 0.5
    assert hits.mean() == 0.5
    assert all(hit == (item.text == "thing on the right") for hit, item in zip(hits, pairs, strict=True))


def test_expressions_are_counted_by_their_length(items: list[Item]) -> None:
    said = ["dog", "left dog", "dog on left", "dog on the left", "the dog on the left"]
    asked = [replace(items[0], text=text) for text in said]
    rows = rows_of(Answered(asked, [(0.0, 0.0, 1.0, 1.0)] * 5, np.array([1.0, 0.0, 1.0, 1.0, 0.0]), np.zeros((5, 2))))
    found = {row.name: (len(row.iou), row.accuracy) for row in rows if "word" in row.name}
    assert found == {
        "test: 1 or 2 words": (2, 0.5),
        "test: 3 or 4 words": (2, 1.0),
        "test: 5 words or more": (1, 0.0),
    }


def _scene(scenes: list[Scene], item: Item) -> Scene:
    return next(scene for scene in scenes if scene.path == item.path)
