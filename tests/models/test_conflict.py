"""Texts that do not fit their photo: counts, smoothing and score by hand, and the file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from models.calibration import PhraseTable, conflict_score, fit_phrase_table, read_phrase_table, traits_of
from models.calibration.conflict import PHRASE_TABLE_NAME

TABLE = np.log([[0.8, 0.2], [0.1, 0.6]])


def test_a_phrase_is_taken_apart_into_its_noun_with_each_modifier() -> None:
    assert traits_of(("short", "grey", "and", "black", "bill")) == ("bill short", "bill grey", "bill black")
    assert traits_of(("crest",)) == ("crest",)


def test_counts_are_smoothed_after_laplace() -> None:
    described = [{"bill grey"}, {"bill grey", "crest"}, {"crest"}, {"crest"}, set()]
    table = fit_phrase_table(described, [0, 0, 1, 1, 1], 2, minimum=2, smoothing=1)
    assert table.traits == ("bill grey", "crest")
    assert np.exp(table.log_probability).tolist() == [
        pytest.approx([3 / 4, 1 / 5]),
        pytest.approx([2 / 4, 3 / 5]),
    ]


def test_rare_traits_are_left_out() -> None:
    assert fit_phrase_table([{"a"}, {"a", "b"}], [0, 1], 2, minimum=2).traits == ("a",)


def test_the_score_is_a_log_likelihood_ratio() -> None:
    sure = np.log([0.9, 0.1])
    one = math.log((0.9 * 0.8 + 0.1 * 0.2) / (0.5 * (0.8 + 0.2)))
    assert conflict_score(sure, TABLE, [0]) == pytest.approx(one)
    both = math.log((0.9 * 0.08 + 0.1 * 0.12) / (0.5 * (0.08 + 0.12)))
    assert conflict_score(sure, TABLE, [0, 1]) == pytest.approx(both)


def test_what_fits_another_class_scores_below_what_fits() -> None:
    sure = np.log([0.99, 0.01])
    assert conflict_score(sure, TABLE, [1]) < 0 < conflict_score(sure, TABLE, [0])


def test_a_photo_that_says_nothing_cannot_disagree() -> None:
    assert conflict_score(np.log([0.5, 0.5]), TABLE, [0, 1]) == pytest.approx(0.0)
    assert conflict_score(np.log([0.99, 0.01]), TABLE, []) == math.inf


def test_log_probabilities_need_not_be_normalised() -> None:
    assert conflict_score([2.0, -1.0], TABLE, [0]) == pytest.approx(conflict_score([0.0, -3.0], TABLE, [0]))


def test_a_table_comes_back_from_its_file(tmp_path: Path) -> None:
    table = PhraseTable(("bill grey", "crest"), TABLE)
    table.write(tmp_path / PHRASE_TABLE_NAME)
    again = read_phrase_table(tmp_path / PHRASE_TABLE_NAME, 2)
    assert again.traits == table.traits
    assert again.log_probability == pytest.approx(TABLE, abs=1e-3)
    assert again.ids([("grey", "bill"), ("long", "bill"), ("grey", "bill"), ("crest",)]) == [0, 1]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"traits": np.array(["a"])}, "cannot be read"),
        ({"traits": np.array(["a"]), "log_probability": np.zeros((1, 3))}, "not \\(1, 2\\)"),
        ({"traits": np.array(["a"]), "log_probability": np.array([[0.0, np.nan]])}, "no log probabilities"),
        ({"traits": np.array(["a"]), "log_probability": np.array([[0.0, 0.5]])}, "no log probabilities"),
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
