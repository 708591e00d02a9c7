"""What texts are worth: all where they know what the photos do not show, nothing where they say the same or nothing."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from models.evaluation.figures import Scored
from models.evaluation.items import Item, Part
from models.evaluation.worth import SHARES, Log, fit_reader, to_markdown, weigh
from models.training.data import Dataset, Row
from models.training.wording import Noise

CLASS_IDS = ("a", "b")
SAID = {"a": ["red bill"], "b": ["grey bill"]}


class ClassTexts:
    """Every photo says what its class looks like; its name begins with the class."""

    def said(self, photo: str) -> list[str]:
        """One phrase."""
        return SAID[photo[0]]

    def bent(self, photo: str, rng: Random, noise: Noise) -> list[str]:
        """Not asked for: what is measured is what is said."""
        raise AssertionError


def photos(count: int) -> list[str]:
    return [f"{CLASS_IDS[number % 2]}{number}" for number in range(count)]


@pytest.fixture(scope="module")
def read() -> Log:
    rows = tuple(Row(None, photo[0], "train", photo) for photo in photos(40))  # type: ignore[arg-type]
    return fit_reader(Dataset("birds", rows, CLASS_IDS), ClassTexts())


def scored(right: float, count: int = 40, name: str = "test crop") -> Scored:
    """Photos of two classes in turn, of which an image-only model knows a share, none of them surely."""
    items = tuple(Item(bytes, photo[0], photo) for photo in photos(count))
    labels = np.arange(count) % 2
    is_right = np.arange(count) < right * count
    logits = np.where((np.arange(2) == labels[:, None]) == is_right[:, None], 0.1, 0.0)
    return Scored(Part(name, items), logits, labels)


def test_the_reader_knows_what_texts_say(read: Log) -> None:
    logs = read(["a1", "b2", "a3"])
    assert logs.argmax(1).tolist() == [0, 1, 0]
    assert np.exp(logs).sum(1) == pytest.approx(1.0)


def test_texts_that_know_more_are_worth_what_the_photos_lack(read: Log) -> None:
    share, (row,) = weigh([scored(0.5)], [scored(0.75)], 1.0, read)
    assert share > 0
    assert (row.by_photo, row.by_text, row.by_both) == (0.75, 1.0, 1.0)
    assert row.gained.mean == row.at_best == 0.25


def test_a_share_that_gains_nothing_on_held_out_photos_is_zero(read: Log) -> None:
    share, (row,) = weigh([scored(1.0)], [scored(0.5)], 1.0, read)
    assert share == SHARES[0] == 0.0
    assert (row.gained.mean, row.gained.low, row.gained.high) == (0.0, 0.0, 0.0)
    assert row.at_best == 0.5


def test_the_table_names_parts_and_the_share(read: Log) -> None:
    share, rows = weigh([scored(0.5)], [scored(0.75), scored(0.5, name="test whole")], 1.0, read)
    text = to_markdown(share, rows)
    assert "| test crop  |     40 |       75.00 |     100.00 | 100.00 | +25.00 |" in text
    assert "test whole" in text
    assert f"chosen on held-out photos: {share:g}" in text
