"""CA2M against its known answer, its masks, and the encoder that it is compared with."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.layers.crossmodal import AlternateAttention, CrossAttention, JointAttention
from tests.grounding import CELLS, ONES, READ_CELLS, READ_WORDS, WORDS, identity_layer


def close(found: Tensor, expected: list[list[float]]) -> bool:
    return torch.allclose(found[0], torch.tensor(expected), atol=1e-5)


def test_known_answer_6_vision_reads_first_and_language_reads_what_it_became() -> None:
    cells, words = identity_layer()(CELLS, WORDS, ONES, ONES)
    assert close(cells, READ_CELLS)
    assert close(words, READ_WORDS)


def test_known_answer_6_the_wrong_orders_give_other_numbers() -> None:
    layer = identity_layer()
    old = layer.language(WORDS, CELLS, ONES)
    assert close(old, [[0.904530, -0.301510, 0.904530, -1.507549], [0.768346, 1.207401, -0.987873, -0.987873]])
    language_first = layer.vision(CELLS, old, ONES)
    assert language_first[0, 0].tolist() == pytest.approx([1.688244, -0.203076, -0.689247, -0.795921], abs=1e-5)


@pytest.mark.parametrize("kind", [AlternateAttention, JointAttention])
def test_the_first_word_alone_is_what_it_is_among_all(kind: type[AlternateAttention | JointAttention]) -> None:
    layer = kind(12, 3, 2, 0.1).eval()
    asked = torch.rand(2, 9, 12), torch.rand(2, 5, 12), torch.ones(2, 9), torch.ones(2, 5)
    cells, words = layer(*asked)
    same, first = layer(*asked, summary_only=True)
    assert torch.allclose(same, cells)
    assert first.shape == (2, 1, 12)
    assert torch.allclose(first, words[:, :1], atol=1e-6)


def test_known_answer_7_a_mask_of_zeros_gives_finite_numbers() -> None:
    attention = CrossAttention(4, 2, 0.0)
    assert attention(CELLS, WORDS, torch.zeros(1, 2)).isfinite().all()


def test_a_masked_key_is_not_read() -> None:
    attention, mask = CrossAttention(4, 2, 0.0), torch.tensor([[1.0, 0.0]])
    changed = WORDS.clone()
    changed[:, 1] = 1e3
    assert torch.equal(attention(CELLS, WORDS, mask), attention(CELLS, changed, mask))


def test_dropout_works_in_training_only() -> None:
    layer = AlternateAttention(12, 3, 2, 0.5)
    asked = torch.rand(2, 9, 12), torch.rand(2, 5, 12), torch.ones(2, 9), torch.ones(2, 5)
    assert not torch.equal(layer(*asked)[0], layer(*asked)[0])
    layer.eval()
    assert torch.equal(layer(*asked)[0], layer(*asked)[0])


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="width 10 does not divide into 3 heads"):
        CrossAttention(10, 3, 0.0)
