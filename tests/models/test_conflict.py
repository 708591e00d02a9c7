"""Texts that do not fit their photo: the score by hand, and the file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from models.calibration import PhraseTable, conflict_score, read_phrase_table, traits_of
from models.calibration.conflict import PHRASE_TABLE_NAME

EVIDENCE = np.log([[0.8, 0.2], [0.1, 0.6]])
TABLE = PhraseTable(("bill grey", "crest"), EVIDENCE, np.zeros(2))


def test_a_phrase_is_taken_apart_into_its_noun_with_each_modifier() -> None:
    assert traits_of(("short", "grey", "and", "black", "bill")) == ("bill short", "bill grey", "bill black")
    assert traits_of(("crest",)) == ("crest",)


def test_the_score_tells_how_far_photo_and_text_mean_one_class() -> None:
    sure = np.log([0.9, 0.1])
    one = math.log((0.9 * 0.8 + 0.1 * 0.2) / (0.5 * (0.8 + 0.2)))
    assert conflict_score(sure, TABLE, [0]) == pytest.approx(one)
    both = math.log((0.9 * 0.08 + 0.1 * 0.12) / (0.5 * (0.08 + 0.12)))
    assert conflict_score(sure, TABLE, [0, 1]) == pytest.approx(both)


def test_a_text_starts_from_what_is_common() -> None:
    common = PhraseTable(TABLE.traits, EVIDENCE, np.log([0.5, 2.0]))
    expected = math.log((0.9 * 0.4 + 0.1 * 0.4) / (0.5 * (0.4 + 0.4)))
    assert conflict_score(np.log([0.9, 0.1]), common, [0]) == pytest.approx(expected)


def test_what_fits_another_class_scores_below_what_fits() -> None:
    sure = np.log([0.99, 0.01])
    assert conflict_score(sure, TABLE, [1]) < 0 < conflict_score(sure, TABLE, [0])


def test_a_photo_that_says_nothing_cannot_disagree() -> None:
    assert conflict_score(np.log([0.5, 0.5]), TABLE, [0, 1]) == pytest.approx(0.0)
    assert conflict_score(np.log([0.99, 0.01]), TABLE, []) == math.inf


def test_log_probabilities_need_not_be_normalised() -> None:
    assert conflict_score([2.0, -1.0], TABLE, [0]) == pytest.approx(conflict_score([0.0, -3.0], TABLE, [0]))


def test_a_table_comes_back_from_its_file(tmp_path: Path) -> None:
    PhraseTable(TABLE.traits, EVIDENCE, np.array([0.5, -0.5])).write(tmp_path / PHRASE_TABLE_NAME)
    again = read_phrase_table(tmp_path / PHRASE_TABLE_NAME, 2)
    assert again.traits == TABLE.traits
    assert again.evidence == pytest.approx(EVIDENCE, abs=1e-3)
    assert again.start.tolist() == [0.5, -0.5]
    assert again.ids([("grey", "bill"), ("long", "bill"), ("grey", "bill"), ("crest",)]) == [0, 1]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"evidence": np.zeros((1, 2)), "start": np.zeros(2)}, "cannot be read"),
        ({"traits": np.array(["a"]), "evidence": np.zeros((1, 3)), "start": np.zeros(2)}, "not \\(1, 2\\)"),
        ({"traits": np.array(["a"]), "evidence": np.zeros((1, 2)), "start": np.zeros(3)}, "starts from"),
        ({"traits": np.array(["a"]), "evidence": np.array([[0.0, np.nan]]), "start": np.zeros(2)}, "not finite"),
        ({"traits": np.array(["a"]), "evidence": np.zeros((1, 2)), "start": np.array([0.0, np.inf])}, "not finite"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], words: str) -> None:
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(ValueError, match=words):
        read_phrase_table(tmp_path / "other.npz", 2)


def test_bytes_that_are_no_archive_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"x\.npz"):
        read_phrase_table(tmp_path / "x.npz", 2)
