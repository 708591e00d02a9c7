"""Averaging a start and an end by what validates best."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from models.training.blend import SHARES, best_blend, blended

START = {"weight": torch.tensor([0.0, 2.0]), "count": torch.tensor(1)}
END = {"weight": torch.tensor([1.0, 0.0]), "count": torch.tensor(9)}


def test_a_blend_lies_on_the_line_and_counts_like_the_end() -> None:
    middle = blended(START, END, 0.25)
    assert middle["weight"].tolist() == [0.25, 1.5]
    assert middle["count"].item() == 9


def test_the_ends_are_exact() -> None:
    assert torch.equal(blended(START, END, 1.0)["weight"], END["weight"])
    assert torch.equal(blended(START, END, 0.0)["weight"], START["weight"])


def test_what_began_from_nothing_stays_as_it_ended() -> None:
    start = {"backbone.weight": torch.zeros(2), "words.weight": torch.zeros(2)}
    end = {name: torch.ones(2) for name in start}
    told = {name: weight.tolist() for name, weight in blended(start, end, 0.5, ("backbone.",)).items()}
    assert told == {"backbone.weight": [0.5, 0.5], "words.weight": [1.0, 1.0]}


def test_the_best_share_is_found() -> None:
    def score(state: Mapping[str, Tensor]) -> float:
        return -abs(float(state["weight"][0]) - 0.4)

    share, state = best_blend(START, END, score)
    assert share == 0.4
    assert state["weight"][0].item() == pytest.approx(0.4)


def test_plain_fine_tuning_wins_a_tie() -> None:
    share, _ = best_blend(START, END, lambda _state: 0.5)
    assert share == max(SHARES) == 1.0
