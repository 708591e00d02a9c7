"""Known answers and properties of PMA and its student; the numbers were computed by hand from the equations."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from models.layers.phrases import PAD, UNKNOWN, PhraseEncoder
from models.layers.stages import QueryRelation, look, mask_phrases, masked_softmax
from models.pma import PMA, Part, PMAShape, PMAVisual
from models.pma_student import distillation_loss
from tests.known_layers import bare_stream, self_attention

VECTORS = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]])


@pytest.mark.parametrize(
    ("text", "scores", "weights", "total"),
    [
        (False, (1.0, 1.5, 3.0), (0.099624, 0.164252, 0.736125), (0.835748, 0.900376)),
        (True, (1.142391, 0.583230, 0.995055), (0.410729, 0.234809, 0.354461), (0.765191, 0.589270)),
    ],
)
def test_known_answers_1_and_2_self_attention(
    text: bool, scores: tuple[float, ...], weights: tuple[float, ...], total: tuple[float, ...]
) -> None:
    measured = self_attention(text)(VECTORS)
    assert measured[0].tolist() == pytest.approx(scores, abs=1e-5)
    softmax = measured.softmax(1)
    assert softmax[0].tolist() == pytest.approx(weights, abs=1e-5)
    assert torch.bmm(softmax.unsqueeze(1), VECTORS)[0, 0].tolist() == pytest.approx(total, abs=1e-5)


def test_known_answer_3_blocks() -> None:
    whole, strongest, mean = bare_stream().blocks(torch.arange(16.0).reshape(1, 1, 4, 4))
    assert strongest.flatten().tolist() == [5, 7, 13, 15]
    assert mean.flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert whole.item() == 7.5


def test_known_answer_4_stages_take_new_blocks() -> None:
    scores = torch.tensor([[0.2, 1.0, 0.5, -0.3]])
    values = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]])
    available = torch.ones(1, 4)
    picks, totals = [], []
    for _ in range(3):
        seen = look(scores, available, values, values)
        picks.append(int(seen.block.argmax()))
        totals.append(seen.vector[0, 0].item())
        available = available * (1 - seen.block)
    assert picks == [1, 2, 0]
    assert totals == pytest.approx([2.301610, 2.528658, 2.132622], abs=1e-5)


@pytest.mark.parametrize(
    ("weights", "available", "count", "expected"),
    [
        ((0.40, 0.25, 0.21, 0.09, 0.05), (1, 1, 1, 1, 1), 5, (0, 0, 0, 1, 1)),
        ((0.18, 0.17, 0.16, 0.15, 0.14, 0.06, 0.05, 0.04, 0.03, 0.02), (1,) * 10, 10, (0, 0, 0) + (1,) * 7),
        ((0.5, 0.3, 0.2, 0.0, 0.0), (1, 1, 1, 0, 0), 3, (0, 1, 1, 0, 0)),
        ((0.25, 0.25, 0.25, 0.25), (1, 1, 1, 1), 4, (1, 1, 1, 1)),
        ((0.6, 0.4, 0.0, 0.0), (1, 1, 0, 0), 4, (0, 1, 0, 0)),
        ((1.0, 0.0, 0.0, 0.0), (1, 0, 0, 0), 4, (1, 0, 0, 0)),
    ],
)
def test_known_answers_5_and_6_text_mask(
    weights: tuple[float, ...], available: tuple[int, ...], count: int, expected: tuple[int, ...]
) -> None:
    left = mask_phrases(torch.tensor([weights]), torch.tensor([available]).float(), torch.tensor([[float(count)]]))
    assert left[0].tolist() == list(expected)


def test_known_answer_7_query_relation() -> None:
    phrases = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [9.0, 9.0]]])
    relation = QueryRelation(2, 2)
    with torch.no_grad():
        relation.query.weight.copy_(torch.diag(torch.tensor([1.0, 2.0])))
    scores = relation(phrases, torch.tensor([[2.0, 1.0]]))
    assert scores[0, :3].tolist() == pytest.approx([1.414214, 1.414214, 2.828427], abs=1e-5)
    valid = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    weights = masked_softmax(scores, valid)
    assert weights[0].tolist() == pytest.approx([0.163579, 0.163579, 0.672842, 0.0], abs=1e-5)
    assert torch.bmm(weights.unsqueeze(1), phrases)[0, 0].tolist() == pytest.approx([0.836421, 0.836421], abs=1e-5)
    assert mask_phrases(weights, valid, torch.tensor([[3.0]]))[0].tolist() == [1.0, 1.0, 0.0, 0.0]


def test_known_answer_8_phrase_state_at_the_last_word() -> None:
    encoder = PhraseEncoder(3, 1, 1)
    with torch.no_grad():
        for parameter in encoder.lstm.parameters():
            parameter.fill_(0.5)
        encoder.embedding.weight.copy_(torch.tensor([[0.0], [1.0], [1.0]]))
    words = torch.tensor([[[2, 0, 0], [2, 2, 0], [2, 2, 2], [0, 0, 0]]])
    vectors, valid = encoder(words)
    assert vectors[0, :, 0].tolist() == pytest.approx([0.514386, 0.761281, 0.840652, 0.0], abs=1e-5)
    assert valid[0].tolist() == [1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize(("tau", "value", "gradient"), [(1.0, 0.693147, 0.380797), (2.0, 2.772589, 0.462117)])
def test_known_answer_9_student_loss(tau: float, value: float, gradient: float) -> None:
    student = torch.zeros(1, 2, requires_grad=True)
    loss = distillation_loss(student, torch.tensor([[2.0, 0.0]]), tau)
    loss.backward()
    assert loss.item() == pytest.approx(value, abs=1e-5)
    assert student.grad is not None
    assert student.grad[0].tolist() == pytest.approx([-gradient, gradient], abs=1e-5)


class TinyBackbone(nn.Module):
    """One convolution at stride 16: 96 px -> a 6 x 6 map of 12 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 12, 16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layer(x / 255)
        return y


SHAPE = PMAShape(grid=6, width=24, stage_width=16, reduction=2, phrases=6, words=4, text_width=12, embedding=5)


@pytest.fixture
def model() -> PMA:
    torch.manual_seed(0)
    pma = PMA(TinyBackbone(), 12, 9, 30, SHAPE).eval()
    for attention in [*pma.visual_attention, *pma.text_attention]:
        nn.init.normal_(attention.score.weight, std=2.0)
    return pma


def _inputs(batch: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(batch, 3, 96, 96, generator=generator) * 255
    phrases = torch.randint(1, 30, (batch, 6, 4), generator=generator)
    phrases[:, 4:] = 0
    phrases[:, 1, 2:] = 0
    return images, phrases


def test_known_answer_10_empty_text_is_finite_and_free_of_the_phrase_count(model: PMA) -> None:
    images, phrases = _inputs(2)
    output = model.explain(images, torch.zeros_like(phrases))
    longer = model.explain(images, torch.zeros(2, 11, 4, dtype=torch.int64))
    assert torch.isfinite(output.logits).all()
    assert torch.equal(output.logits, longer.logits)
    assert output.phrase_weight is not None
    assert output.phrase_weight.abs().max() == 0


@pytest.mark.parametrize("word", [PAD, UNKNOWN], ids=["no text", "unknown words"])
@torch.inference_mode()
def test_texts_that_say_nothing_give_finite_logits_in_half_precision(model: PMA, word: int) -> None:
    images, phrases = _inputs(2)
    model.half()
    model.phrases.float().register_forward_hook(lambda _layer, _given, told: tuple(part.half() for part in told))
    output = model.explain(images.half(), torch.full_like(phrases, word))
    assert output.logits.dtype == torch.float16
    assert torch.isfinite(output.logits).all()
    assert output.phrase_weight is not None
    assert bool(output.phrase_weight.any()) == (word == UNKNOWN)


def test_known_answer_11_phrase_order_does_not_matter(model: PMA) -> None:
    images, phrases = _inputs(2)
    order = torch.tensor([3, 0, 5, 2, 1, 4])
    assert torch.allclose(model(images, phrases), model(images, phrases[:, order]), atol=1e-5)


def test_known_answer_11_extra_pads_change_nothing(model: PMA) -> None:
    images, phrases = _inputs(2)
    more_phrases = torch.cat([phrases, torch.zeros(2, 3, 4, dtype=torch.int64)], dim=1)
    more_words = torch.cat([phrases, torch.zeros(2, 6, 2, dtype=torch.int64)], dim=2)
    plain = model(images, phrases)
    assert torch.equal(plain, model(images, more_phrases))
    assert torch.equal(plain, model(images, more_words))


def test_known_answer_11_batch_equals_singles(model: PMA) -> None:
    images, phrases = _inputs(4)
    together = model(images, phrases)
    for index in range(4):
        alone = model(images[index : index + 1], phrases[index : index + 1])
        assert torch.allclose(together[index], alone[0], atol=1e-5)


@torch.inference_mode()
def test_known_answer_11_parts_are_distinct(model: PMA) -> None:
    for seed in range(4):
        blocks = model.explain(*_inputs(250, seed)).stage_block
        assert all(len(set(row)) == 3 for row in blocks.tolist())
        assert len(blocks.unique()) > 3


def test_known_answer_12_masked_logits_in_half_precision() -> None:
    scores = torch.tensor([[0.2, 1.0, 0.5, -0.3]], dtype=torch.float16)
    weights = masked_softmax(scores, torch.tensor([[1.0, 0.0, 1.0, 1.0]], dtype=torch.float16))
    assert weights[0].tolist() == pytest.approx([0.3381, 0.0, 0.4565, 0.2052], abs=5e-4)


def test_text_mask_spares_one_phrase_and_takes_at_most_three() -> None:
    generator = torch.Generator().manual_seed(3)
    for count in range(13):
        available = (torch.arange(12) < count).float().unsqueeze(0)
        for _ in range(3):
            weights = masked_softmax(torch.randn(1, 12, generator=generator) * 3, available)
            left = mask_phrases(weights, available, torch.tensor([[float(count)]]))
            assert (available - left).sum() <= 3
            assert left.sum() >= min(1, count)
            assert ((available - left) >= 0).all()
            available = left


def lacking(*parts: Part) -> PMA:
    torch.manual_seed(0)
    return PMA(TinyBackbone(), 12, 9, 30, replace(SHAPE, without=parts)).eval()


def test_without_masks_every_stage_may_take_the_same_block_and_phrases() -> None:
    ablated = lacking("masks")
    for attention in ablated.visual_attention[1:]:
        attention.load_state_dict(ablated.visual_attention[0].state_dict())
    images, phrases = _inputs(16)
    found = ablated.explain(images, phrases)
    assert (found.stage_block == found.stage_block[:, :1]).all()
    assert found.phrase_weight is not None
    is_phrase = (phrases > 0).any(2).unsqueeze(1)
    assert (found.phrase_weight > 0).eq(is_phrase).all()


def test_without_relation_a_block_is_tied_to_all_phrases_alike() -> None:
    images, phrases = _inputs(4)
    found = lacking("relation").explain(images, phrases).phrase_weight
    assert found is not None
    is_phrase = (phrases > 0).any(2).float()
    alike = is_phrase / is_phrase.sum(1, keepdim=True).clamp_min(1.0)
    assert torch.allclose(found, alike.unsqueeze(1).expand_as(found), atol=1e-6)


def test_without_attention_a_stage_takes_the_most_active_block_left() -> None:
    images, phrases = _inputs(4)
    ablated = lacking("attention")
    _, strongest, _ = ablated.blocks(images)
    order = strongest.mean(2).topk(SHAPE.stages, dim=1).indices
    assert torch.equal(ablated.explain(images, phrases).stage_block, order)


def test_what_is_left_out_has_no_weights() -> None:
    names = lacking("masks", "relation", "attention").state_dict()
    assert not any("attention" in name or "relation" in name for name in names)


def test_a_photo_that_is_not_seen_is_told_from_its_words_alone(model: PMA) -> None:
    model.shape = replace(model.shape, blindness=1.0, dropout=0.0)
    images, phrases = _inputs(2)
    silence = torch.zeros_like(phrases)
    seen = model(images, silence)
    model.train()
    blind = model(images, silence)
    assert torch.equal(blind[0], blind[1])
    assert not torch.equal(model(images, phrases)[0], blind[0])
    assert not torch.equal(seen[0], seen[1])


def test_a_photo_that_is_seen_narrowly_is_told_from_its_blocks_alone(model: PMA) -> None:
    model.shape = replace(model.shape, blindness=0.0, narrowness=1.0, dropout=0.0)
    images, phrases = _inputs(2)
    model.train()
    told = model.explain(images, phrases).features
    width = told.shape[1] - SHAPE.stages * SHAPE.stage_width
    assert not told[:, :width].any()
    assert not torch.equal(told[0, width:], told[1, width:])
    assert torch.equal(told, model.explain(images, torch.zeros_like(phrases)).features)


def test_sharing_of_weights(model: PMA) -> None:
    names = [name for name, _ in model.named_parameters()]
    assert sum(name.startswith("aggregate.weight") for name in names) == 1
    assert sum(name.endswith("query.weight") for name in names) == SHAPE.stages
    assert not any("phrase" in name or "text" in name for name in PMAVisual(TinyBackbone(), 12, 9, SHAPE).state_dict())


def test_gradient_reaches_every_part(model: PMA) -> None:
    images, _ = _inputs(4)
    phrases = torch.randint(1, 30, (4, 20, 4), generator=torch.Generator().manual_seed(4))  # enough for three stages
    model(images, phrases).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_choices_have_no_gradient() -> None:
    scores = torch.tensor([[0.2, 1.0, 0.5, -0.3]], requires_grad=True)
    values = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]])
    seen = look(scores, torch.ones(1, 4), values, values)
    assert seen.vector.requires_grad
    assert not seen.block.requires_grad
    assert not seen.local.requires_grad
    assert not mask_phrases(scores.softmax(1), torch.ones(1, 4), torch.tensor([[4.0]])).requires_grad


def test_gradient_is_the_slope_while_no_choice_changes(model: PMA) -> None:
    images, _ = _inputs(2)
    phrases = torch.randint(1, 30, (2, 20, 4), generator=torch.Generator().manual_seed(4))
    model.double()
    step = 1e-6

    def told() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        output = model.explain(images.double(), phrases)
        assert output.phrase_weight is not None
        return output.logits.square().sum(), output.stage_block, output.phrase_weight > 0

    value, *choices = told()
    value.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        flat, steepest = parameter.data.view(-1), parameter.grad.abs().argmax()
        beside = []
        for way in (step, -2 * step):
            flat[steepest] += way
            other, *other_choices = told()
            assert all(torch.equal(one, two) for one, two in zip(choices, other_choices, strict=True)), name
            beside.append(other.item())
        flat[steepest] += step
        slope = (beside[0] - beside[1]) / (2 * step)
        assert slope == pytest.approx(parameter.grad.flatten()[steepest].item(), rel=1e-5), name


@pytest.mark.parametrize("arguments", [{"grid": 7}, {"grid": 2, "stages": 3}, {"grid": 12, "phrases": 2}])
def test_impossible_shapes_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        PMAShape(**arguments)
