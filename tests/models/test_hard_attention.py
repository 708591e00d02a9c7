"""HAN and AdaHAN as a whole: sizes, what is kept, what padding and dropped cells may not change."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from models.backbones import EFFICIENTNET_LITE0, MobileNet
from models.hard_attention import AnswerOutput, HardAttention, HardAttentionShape, Selection, cell_places, nearness
from models.layers.aggregation import Aggregation
from models.layers.cell_encoders import PhotoCells, SceneCells
from models.layers.selection import strongest

TINY = HardAttentionShape(
    12, 5, channels=6, grid=4, embedding=8, question=8, width=16, hidden=(16, 16), keep=4, places=True
)
FULL = HardAttentionShape(5000, 1000)
REDUCED = HardAttentionShape(
    2000, 600, channels=320, embedding=128, question=256, width=256, hidden=(256, 512), divisor=10.0, dropout=0.4
)
KINDS: list[tuple[Selection, Aggregation]] = [
    *(
        (selection, kind)
        for selection in ("han", "adahan", "all", "random", "centre")
        for kind in ("sum", "pairwise", "relation")
    ),
    ("all", "soft"),
    ("all", "stacked"),
]

pytestmark = pytest.mark.usefixtures("one_thread")


def make(selection: Selection = "han", aggregation: Aggregation = "sum", seed: int = 0) -> HardAttention:
    torch.manual_seed(seed)
    return HardAttention(replace(TINY, selection=selection, aggregation=aggregation)).eval()


def asked(batch: int = 3, words: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    cells = torch.randn(batch, 16, 6, generator=generator) * 3
    tokens = torch.randint(2, 12, (batch, words), generator=generator)
    mask = torch.ones(batch, words)
    for row in range(batch):
        mask[row, max(1, words - row) :] = 0
    return cells, tokens * mask.long(), mask


def weights(shape: HardAttentionShape) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in HardAttention(shape).parameters())


def test_the_paper_s_sizes_have_the_known_number_of_weights() -> None:
    assert weights(FULL) == 13_086_536
    assert weights(replace(FULL, aggregation="pairwise")) == 13_086_536 + 3_145_728
    assert weights(replace(FULL, words=15_000)) + 42_500_160 == 58_586_696  # with a ResNet-101
    assert weights(REDUCED) == 1_435_736


@pytest.mark.parametrize(("selection", "aggregation"), KINDS)
def test_every_kind_answers_and_learns(selection: Selection, aggregation: Aggregation) -> None:
    model = make(selection, aggregation).train()
    output = model.answer(*asked())
    assert [tuple(part.shape) for part in output] == [(3, 5), (3, 16), (3, 16)]
    assert set(output.kept.flatten().tolist()) <= {0.0, 1.0}
    F.cross_entropy(output.logits, torch.tensor([0, 1, 2])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_known_answer_10_adding_projections_is_one_layer_on_both() -> None:
    fusion = make().fusion
    cells, question = torch.randn(2, 16, 6), torch.randn(2, 8)
    both = torch.cat([cells, question.unsqueeze(1).expand(-1, 16, -1), cell_places(4).expand(2, -1, -1)], 2)
    assert fusion.place is not None
    assert fusion.question is not None
    weight = torch.cat([fusion.cell.weight, fusion.question.weight, fusion.place.weight], 1)
    expected = F.linear(both, weight, fusion.cell.bias)
    for layer in fusion.layers:
        expected = layer(expected.relu())
    assert torch.allclose(fusion(cells, question), expected, atol=1e-6)


@pytest.mark.parametrize("aggregation", ["sum", "pairwise", "relation"])
def test_known_answer_10_han_keeps_as_many_whatever_it_sees(aggregation: Aggregation) -> None:
    model = make(aggregation=aggregation)
    cells, tokens, mask = asked()
    for seen in (cells, torch.zeros_like(cells), torch.full_like(cells, 5.0)):
        output = model.answer(seen, tokens, mask)
        assert output.kept.sum(1).tolist() == [4, 4, 4]
        assert output.logits.isfinite().all()


def test_dead_cells_have_finite_gradients() -> None:
    model = HardAttention(replace(TINY, places=False))
    with torch.no_grad():
        for parameter in model.fusion.parameters():
            parameter.zero_()
    cells, tokens, mask = asked()
    cells.requires_grad_()
    output = model.answer(cells, tokens, mask)
    (output.logits.sum() + output.relevance.sum()).backward()
    assert cells.grad is not None
    assert cells.grad.isfinite().all()


@pytest.mark.parametrize(("selection", "aggregation"), [("han", "relation"), ("han", "sum"), ("adahan", "pairwise")])
def test_a_cell_that_was_dropped_has_no_say(selection: Selection, aggregation: Aggregation) -> None:
    model = make(selection, aggregation)
    cells, tokens, mask = asked()
    cells.requires_grad_()
    output = model.answer(cells, tokens, mask)
    output.logits.square().sum().backward()
    assert cells.grad is not None
    dropped = cells.grad.abs().sum(2)[output.kept == 0]
    assert 0 < len(dropped) < cells.shape[0] * cells.shape[1]
    assert (dropped == 0).all()
    assert (cells.grad.abs().sum(2)[output.kept == 1] > 0).all()


@pytest.mark.parametrize("selection", ["han", "adahan"])
def test_relations_are_told_the_place_of_each_cell_that_was_read(
    selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(selection, "relation")
    given: list[tuple[torch.Tensor, torch.Tensor]] = []
    join = model.aggregator.forward

    def watch(cells: torch.Tensor, kept: torch.Tensor, question: torch.Tensor) -> torch.Tensor:
        given.append((cells, kept))
        return join(cells, kept, question)

    monkeypatch.setattr(model.aggregator, "forward", watch)
    output = model.answer(*asked())
    [(cells, kept)] = given
    for row in range(3):
        told = cells[row][kept[row] == 1][:, -2:].tolist()
        assert sorted(told) == sorted(cell_places(4)[output.kept[row] == 1].tolist())


def test_padding_changes_nothing() -> None:
    model = make("adahan", "pairwise")
    cells, tokens, mask = asked()
    longer = F.pad(tokens, (0, 21), value=9), F.pad(mask, (0, 21))  # the ids of padding are not read either
    for short, long in zip(model.answer(cells, tokens, mask), model.answer(cells, *longer), strict=True):
        assert torch.allclose(short, long, atol=1e-6)


def test_the_question_counts() -> None:
    model = make()
    cells, tokens, mask = asked()
    assert not torch.allclose(
        model.answer(cells, tokens, mask).logits, model.answer(cells, tokens.flip(1), mask).logits
    )


def test_batch_equals_singles() -> None:
    model = make("adahan", "relation")
    inputs = asked()
    together = model.answer(*inputs)
    for row in range(3):
        alone = model.answer(*(part[row : row + 1] for part in inputs))
        assert torch.allclose(alone.logits[0], together.logits[row], atol=1e-5)
        assert torch.equal(alone.kept[0], together.kept[row])


@pytest.mark.parametrize("aggregation", ["soft", "stacked"])
def test_soft_weights_add_up_and_drop_nothing(aggregation: Aggregation) -> None:
    output = make("all", aggregation).answer(*asked())
    assert output.relevance.sum(1).tolist() == pytest.approx([1, 1, 1])
    assert (output.kept == 1).all()


def test_random_cells_come_from_the_generator_and_not_from_the_photo() -> None:
    model, inputs = make("random"), asked()
    one, two = (model.answer(*inputs, torch.Generator().manual_seed(seed)).kept for seed in (1, 2))
    again = model.answer(*inputs, torch.Generator().manual_seed(1)).kept
    assert torch.equal(one, again)
    assert not torch.equal(one, two)
    assert one.sum(1).tolist() == [4, 4, 4]


def test_the_cells_of_the_middle_are_the_same_whatever_is_seen() -> None:
    model, (cells, tokens, mask) = make("centre"), asked()
    for seen in (cells, cells.flip(1)):
        kept = model.answer(seen, tokens, mask).kept
        assert [row.nonzero().flatten().tolist() for row in kept] == [[5, 6, 9, 10]] * 3


def test_among_cells_as_near_to_the_middle_the_first_go_first() -> None:
    order = strongest(nearness(10)[None], 100)[0].argmax(1).tolist()
    assert order[:12] == [44, 45, 54, 55, 34, 35, 43, 46, 53, 56, 64, 65]
    assert sorted(order[-4:]) == [0, 9, 90, 99]


def test_stacked_attention_s_cells_have_not_met_the_question() -> None:
    fusion = make("all", "stacked").fusion
    cells, one, other = torch.randn(1, 16, 6), torch.randn(1, 8), torch.randn(1, 8)
    assert torch.equal(fusion(cells, one), fusion(cells, other))


def test_the_first_answer_is_nearly_uniform() -> None:
    logits = make().answer(*asked()).logits
    assert (logits.softmax(1) - 0.2).abs().max() < 0.05


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"keep": 0}, "0 cells cannot be kept of 16"),
        ({"keep": 17}, "17 cells cannot be kept of 16"),
        ({"fuse_layers": 3}, "0, 1 or 2 layers"),
        ({"aggregation": "soft"}, "they go with 'all', not with 'han'"),
        ({"aggregation": "stacked"}, "they go with 'all', not with 'han'"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(changes: dict[str, int | str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(TINY, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_layers_after_the_fusion_are_a_setting(layers: int) -> None:
    model = HardAttention(replace(TINY, fuse_layers=layers)).eval()
    assert len(model.fusion.layers) == layers
    assert (model.fusion(torch.randn(1, 16, 6), torch.randn(1, 8)) < 0).any()


def test_a_photo_becomes_ten_by_ten_cells() -> None:
    encoder = PhotoCells(MobileNet(EFFICIENTNET_LITE0))
    model = HardAttention(replace(REDUCED, words=12, answers=5), encoder).eval()
    photo = torch.rand(1, 3, 320, 320) * 255
    with torch.inference_mode():
        cells = model.look(photo)
        output: AnswerOutput = model(photo, torch.tensor([[2, 3]]), torch.ones(1, 2))
    assert cells.shape == (1, 100, 320)
    assert torch.equal(cells[0, 37], encoder(photo)[0, :, 3, 7])
    assert output.kept.shape == (1, 100)


def test_a_drawn_scene_becomes_ten_by_ten_cells() -> None:
    encoder = SceneCells().eval()
    scene = torch.full((1, 3, 75, 75), 255.0)
    scene[:, :, 60:, :] = 0.0
    maps = encoder(scene)
    assert maps.shape == (1, 32, 10, 10)
    assert torch.allclose(maps[..., 2, 4], maps[..., 3, 5])  # white is white
    assert not torch.allclose(maps[..., 2, 4], maps[..., 8, 4])


def test_an_encoder_must_fit_and_is_needed_for_photos() -> None:
    with pytest.raises(ValueError, match="gives 32 channels; the cells have 6"):
        HardAttention(TINY, SceneCells())
    with pytest.raises(ValueError, match="no encoder"):
        make().look(torch.zeros(1, 3, 75, 75))
