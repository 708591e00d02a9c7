"""WUPS: a small noun tree worked out by hand, and the known answers of WordNet 3.0 where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.evaluation.wordnet import WORDNET_FOLDER, Nouns, read_nouns
from models.evaluation.wups import answer_score, item_similarity, wups
from models.training.data import DataError

LICENCE = "  1 This software and database is being provided to you, the LICENSEE\n"
DATA = """
00000001 03 n 01 entity 0 003 ~ 00000002 n 0000 ~ 00000010 n 0000 ~ 00000020 n 0000 | all there is
00000002 03 n 01 furniture 0 001 @ 00000001 n 0000 | what rooms hold
00000003 03 n 01 seat 0 002 @ 00000002 n 0000 ~ 00000004 n 0000 | for sitting
00000004 03 n 02 chair 0 armchair 0 001 @ 00000003 n 0000 | for one
00000005 03 n 02 sofa 0 couch 0 001 @ 00000003 n 0000 | for more
00000006 03 n 01 table 0 001 @ 00000002 n 0000 | for plates
00000007 03 n 01 sofa_bed 0 002 @ 00000005 n 0000 @ 00000002 n 0000 | for sitting, or lying | at night
00000010 18 n 01 person 0 001 @ 00000001 n 0000 | somebody
00000011 18 n 02 Chair 1 chairman 0 001 @ 00000010 n 0000 | who leads
00000012 18 n 01 Ludwig 0 001 @i 00000011 n 0000 | an instance
"""
INDEX = """
entity n 1 1 ~ 1 0 00000001
furniture n 1 1 @ 1 0 00000002
seat n 1 2 @ ~ 1 0 00000003
chair n 2 1 @ 2 2 00000004 00000011
armchair n 1 1 @ 1 0 00000004
sofa n 1 1 @ 1 0 00000005
couch n 1 1 @ 1 0 00000005
table n 1 1 @ 1 0 00000006
sofa_bed n 1 1 @ 1 0 00000007
person n 1 1 @ 1 0 00000010
chairman n 1 1 @ 1 0 00000011
ludwig n 1 1 @i 1 0 00000012
"""


@pytest.fixture
def tree(tmp_path: Path) -> Nouns:
    (tmp_path / "data.noun").write_text(LICENCE + DATA.lstrip())
    (tmp_path / "index.noun").write_text(LICENCE + INDEX.lstrip())
    (tmp_path / "noun.exc").write_text("people person\n")
    return read_nouns(tmp_path)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("chair", "sofa", 6 / 8),
        ("chair", "table", 4 / 7),
        ("chair", "seat", 6 / 7),
        ("sofa", "couch", 1),
        ("table", "person", 2 / 5),
        ("chair", "person", 4 / 5),
        ("ludwig", "chairman", 6 / 7),
        ("sofa_bed", "table", 4 / 6),
        ("chairs", "Couches", 6 / 8),
        ("people", "chair", 4 / 5),
        ("table", "yellowish", 0),
    ],
)
def test_similarity_in_a_small_tree(tree: Nouns, one: str, other: str, expected: float) -> None:
    assert tree.similarity(one, other) == pytest.approx(expected)
    assert tree.similarity(other, one) == pytest.approx(expected)


def test_an_irregular_plural_is_looked_up_in_its_table(tree: Nouns) -> None:
    assert tree.look_up("people") == tree.look_up("person") == (10,)
    assert tree.look_up("chairmen") == (11,)
    assert tree.look_up("chair") == (4, 11)


def test_below_the_threshold_a_tenth_counts_and_at_it_all(tree: Nouns) -> None:
    assert item_similarity(tree, "chair", "sofa", 0.75) == 0.75
    assert item_similarity(tree, "chair", "sofa", 0.9) == pytest.approx(0.075)
    assert item_similarity(tree, "yellowish", "yellowish", 0.9) == 1


def test_an_answer_must_cover_the_truth_and_be_covered_by_it(tree: Nouns) -> None:
    assert answer_score(tree, {"chair"}, {"chair", "sofa"}, 0.9) == pytest.approx(0.075)
    assert answer_score(tree, {"chair", "sofa"}, {"chair"}, 0.9) == pytest.approx(0.075)
    assert answer_score(tree, {"sofa", "table"}, {"couch", "table"}, 0.9) == 1
    assert answer_score(tree, set(), {"chair"}, 0.0) == 0
    assert wups(tree, [{"chair"}, {"sofa"}], [{"chair"}, {"chair"}], 0.0) == pytest.approx((1 + 0.75) / 2)


def test_a_missing_database_is_named_with_its_package(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="wordnet-base"):
        read_nouns(tmp_path)


@pytest.fixture(scope="module")
def wordnet() -> Nouns:
    if not (WORDNET_FOLDER / "data.noun").is_file():
        pytest.skip(f"needs WordNet 3.0 in {WORDNET_FOLDER}: Debian's package wordnet-base")
    return read_nouns()


@pytest.mark.parametrize(
    ("one", "other", "raw", "at_nine_tenths"),
    [
        ("chair", "table", 0.842105, 0.084211),
        ("chair", "sofa", 0.9, 0.9),
        ("sofa", "couch", 1, 1),
        ("desk", "table", 0.947368, 0.947368),
        ("lamp", "light", 0.888889, 0.088889),
        ("cup", "mug", 0.833333, 0.083333),
        ("cabinet", "cupboard", 0.736842, 0.073684),
        ("red", "blue", 0.875, 0.0875),
        ("2", "3", 0.875, 0.0875),
        ("carton", "box", 0.941176, 0.941176),
    ],
)
def test_known_answer_9_pairs(wordnet: Nouns, one: str, other: str, raw: float, at_nine_tenths: float) -> None:
    assert wordnet.similarity(one, other) == pytest.approx(raw, abs=1e-5)
    assert item_similarity(wordnet, one, other, 0.9) == pytest.approx(at_nine_tenths, abs=1e-5)


def test_known_answer_9_sets(wordnet: Nouns) -> None:
    assert answer_score(wordnet, {"chair"}, {"chair", "table"}, 0.9) == pytest.approx(0.084211, abs=1e-5)
    assert answer_score(wordnet, {"chair"}, {"chair", "table"}, 0.0) == pytest.approx(0.842105, abs=1e-5)
    assert answer_score(wordnet, {"sofa", "lamp"}, {"couch", "lamp"}, 0.9) == 1
