"""The grounding model: its sizes, its masks, and what its answer depends on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from models.backbones import SPECS
from models.layers.bert import MINILM_L6
from models.layers.grains import GrainedFeatures, GroupNorm, MobileNetStages, stages_of
from models.referring import FULL, Grounded, Head, Interaction, Referring, ReferringShape
from models.training.recipes.grounding import GROUND
from tests.grounding import SIZE_PX, TINY_STAGES, Asked, questions, tiny_model

REDUCED = ReferringShape("efficientnet_lite0", 320, 64, (4, 6), 2, MINILM_L6)
FORMS: list[tuple[Head, Interaction]] = [("cls", "alternate"), ("cell", "alternate"), ("cls", "joint")]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setitem(SPECS, "tiny_stages", TINY_STAGES)


@pytest.fixture(params=FORMS, ids="-".join)
def model(request: pytest.FixtureRequest, tiny: None) -> Referring:
    return tiny_model(*request.param)


def count(*modules: nn.Module) -> int:
    return sum(weight.numel() for module in modules for weight in module.parameters())


def test_parameter_counts_of_the_papers_setting() -> None:
    with torch.device("meta"):
        model = Referring(FULL)
    assert count(model.vision.backbone) == 23_508_032
    assert count(model.language) == 66_364_416
    assert count(model.vision.projections) == 919_808
    assert [count(layer) for group in model.groups for layer in group.layers] == [1_579_520] * 6  # type: ignore[union-attr]
    assert [count(layer) for layer in model.fusion] == [14_175_744] * 3
    assert sum(count(group.cells, group.words) for group in model.groups) == 1_181_184  # type: ignore[arg-type]
    assert (count(model.box), count(model.conf)) == (1_184_260, 1_538)
    assert count(model.groups, model.fusion, model.box, model.conf) == 54_371_334
    assert model.vision.position.numel() == 786_432
    assert count(model) - model.vision.position.numel() == 145_163_590


def test_parameter_counts_of_the_other_sizes() -> None:
    with torch.device("meta"):
        deeper, reduced = Referring(replace(FULL, backbone="resnet101")), Referring(REDUCED)
    assert count(deeper) - deeper.vision.position.numel() == 164_155_718
    assert count(reduced.groups, reduced.fusion, reduced.box, reduced.conf) == 2_333_190 + 36_864
    assert count(reduced.language) == 22_565_376
    assert reduced.vision.position.shape == (400, 192)


@pytest.mark.parametrize(("pieces", "weights"), [(30_522, 25_849_436), (5_909, 16_398_044)])
def test_parameter_counts_of_the_recipes_setting(pieces: int, weights: int) -> None:
    with torch.device("meta"):
        model = Referring(GROUND.shape(pieces))
    assert count(model) - model.vision.position.numel() == weights


def test_shapes_of_the_papers_setting() -> None:
    with torch.device("meta"):
        model = Referring(FULL)
        found = model(torch.zeros(2, 3, 512, 512), torch.zeros(2, 40).long(), torch.ones(2, 40), torch.ones(2, 1024))
    assert (found.box.shape, found.conf.shape, found.cells.shape) == ((2, 4), (2, 2), (2, 1024, 768))
    assert found.earlier.shape == (2, 2, 4)


def test_a_box_lies_in_the_square_and_all_is_finite(model: Referring) -> None:
    asked = questions()
    found = model(asked.image, *asked.words)
    assert found.box.isfinite().all()
    assert (found.box[:, 2:] > 0).all()
    if model.shape.head == "cls":
        assert ((found.box > 0) & (found.box < 1)).all()
    assert (found.box.std(0) > 1e-3).all()


def test_step_0_predicts_the_prior() -> None:
    shape = replace(tiny_model().shape)
    asked = questions()
    found = Referring(shape).eval()(asked.image, *asked.words)
    prior = torch.tensor([0.0, 0.0, -0.4, -0.2]).sigmoid()
    assert torch.allclose(found.box, prior.expand(4, 4), atol=0.03)


@torch.inference_mode()
def test_known_answer_7_padding_and_bars_change_nothing(model: Referring) -> None:
    asked = questions()
    features = model.vision(asked.image)
    found = model.fuse(features, *asked.words)
    other_tokens = torch.where(asked.token_mask > 0, asked.tokens, (asked.tokens + 7) % 50)
    other_features = torch.where(asked.cell_mask.unsqueeze(2) > 0, features, features.flip(0) + 3.0)
    again = model.fuse(other_features, other_tokens, asked.token_mask, asked.cell_mask)
    assert not torch.equal(other_tokens, asked.tokens)
    assert torch.equal(found.box, again.box)
    assert torch.equal(found.conf, again.conf)


@torch.inference_mode()
def test_known_answer_7_a_shorter_padding_gives_the_same(model: Referring) -> None:
    asked = questions(batch=3)
    features = model.double().vision(asked.image.double())
    assert asked.token_mask.sum(1).max() == 5
    found, again = (fuse_cut(model, features, asked, length) for length in (40, 5))
    assert torch.equal(found.box, again.box)
    assert torch.equal(found.conf, again.conf)


@torch.inference_mode()
def test_known_answer_7_a_shorter_padding_gives_the_same_in_single_precision(model: Referring) -> None:
    asked = questions()
    features = model.vision(asked.image)
    found = fuse_cut(model, features, asked, 40)
    for length in (24, 16):  # a sum over fewer numbers than a register of the processor holds is added in another order
        again = fuse_cut(model, features, asked, length)
        assert torch.equal(found.box, again.box)
        assert torch.equal(found.conf, again.conf)


def fuse_cut(model: Referring, features: torch.Tensor, asked: Asked, length: int) -> Grounded:
    return model.fuse(features, asked.tokens[:, :length], asked.token_mask[:, :length], asked.cell_mask)


@torch.inference_mode()
def test_known_answer_7_no_words_and_no_photo_give_finite_numbers(model: Referring) -> None:
    asked = questions()
    found = model(asked.image, asked.tokens, torch.zeros_like(asked.token_mask), torch.zeros_like(asked.cell_mask))
    assert found.box.isfinite().all()
    assert found.conf.isfinite().all()


@torch.inference_mode()
def test_the_answer_depends_on_photo_and_words(model: Referring) -> None:
    asked = questions()
    found = model(asked.image, *asked.words)
    other_photo = model(asked.image.flip(0), *asked.words)
    other_words = model(asked.image, (asked.tokens + 7) % 50, asked.token_mask, asked.cell_mask)
    for other in (other_photo, other_words):
        assert ((found.box - other.box).abs().amax(1) > 1e-4).all()


@pytest.mark.parametrize("interaction", ["alternate", "joint"])
@torch.inference_mode()
def test_positions_reach_the_values_of_the_papers_head(interaction: Interaction) -> None:
    model = tiny_model("cls", interaction)
    asked = questions()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(2))
    whole = torch.ones_like(asked.cell_mask)
    features = model.vision(asked.image)
    found = model.fuse(features, asked.tokens, asked.token_mask, whole)
    moved_with_position = model.fuse(features[:, order], asked.tokens, asked.token_mask, whole)
    assert torch.allclose(found.box, moved_with_position.box, atol=1e-5)
    bare = features - model.vision.position
    moved = model.fuse(bare[:, order] + model.vision.position, asked.tokens, asked.token_mask, whole)
    assert ((found.box - moved.box).abs().amax(1) > 1e-4).all()


@torch.inference_mode()
def test_many_expressions_of_one_photo_are_as_many_calls(model: Referring) -> None:
    asked = questions()
    features = model.vision(asked.image[:1])
    mask = asked.cell_mask[:1].expand(4, -1)
    together = model.fuse(features.expand(4, -1, -1), asked.tokens, asked.token_mask, mask)
    for row in range(4):
        alone = model(asked.image[:1], asked.tokens[row : row + 1], asked.token_mask[row : row + 1], mask[:1])
        assert torch.allclose(alone.box[0], together.box[row], atol=1e-5)
        assert torch.allclose(alone.conf[0], together.conf[row], atol=1e-5)


def test_every_weight_learns(model: Referring) -> None:
    model.train()
    asked = questions()
    found = model(asked.image, *asked.words)
    (found.box.sum() + found.conf.sum() + found.earlier.sum()).backward()
    stuck = {name for name, weight in model.named_parameters() if weight.grad is None}
    assert stuck == set()


def test_the_cell_heads_temperature_keeps_its_range() -> None:
    head = tiny_model("cell").cell_head
    assert head is not None
    for value, expected in ((0.0, 0.1), (9.0, 2.0), (0.7, 0.7)):
        head.temperature.data.fill_(value)
        head.project()
        assert head.temperature.item() == pytest.approx(expected)


def test_a_mobile_nets_stages_are_the_last_maps_of_each_resolution() -> None:
    stages = stages_of("efficientnet_lite0")
    assert isinstance(stages, MobileNetStages)
    assert stages.channels == (40, 112, 320)
    with torch.inference_mode():
        maps = stages(torch.zeros(1, 3, 64, 64))
    assert [tuple(map_.shape[1:]) for map_ in maps] == [(40, 8, 8), (112, 4, 4), (320, 2, 2)]


def test_features_meet_at_their_own_place() -> None:
    features = GrainedFeatures("tiny_stages", SIZE_PX, 8).eval()
    features.backbone.forward = lambda _image: (  # type: ignore[method-assign]
        torch.arange(8.0).reshape(1, 1, 8, 1).expand(1, 8, 8, 8),
        torch.zeros(1, 12, 4, 4),
        torch.arange(2.0).reshape(1, 1, 2, 1).expand(1, 16, 2, 2),
    )
    for projection in features.projections:
        projection[1] = nn.Identity()  # type: ignore[index]
        nn.init.constant_(projection[0].weight, 1.0)  # type: ignore[index]
        nn.init.zeros_(projection[0].bias)  # type: ignore[index]
    nn.init.zeros_(features.position)
    with torch.inference_mode():
        rows = features(torch.zeros(1, 3, SIZE_PX, SIZE_PX))[0].reshape(4, 4, 24)
    assert rows[:, 1, 0].tolist() == [4.0, 20.0, 36.0, 52.0]  # the mean of two fine rows, eight channels summed
    assert rows[:, 2, 20].tolist() == pytest.approx([0.0, 4.0, 12.0, 16.0])  # half-pixel bilinear, sixteen channels


def test_group_norm_is_torchs_own() -> None:
    ours, theirs = GroupNorm(4, 12), nn.GroupNorm(4, 12)
    for norm in (ours, theirs):
        nn.init.uniform_(norm.weight, generator=torch.Generator().manual_seed(5))
    x = torch.rand(2, 12, 5, 7, generator=torch.Generator().manual_seed(6)) * 9 + 3
    assert torch.allclose(ours(x), theirs(x), atol=1e-5)


def test_the_coarse_map_is_doubled_bilinearly() -> None:
    coarse = torch.rand(2, 5, 2, 2, generator=torch.Generator().manual_seed(7))
    double = GrainedFeatures("tiny_stages", SIZE_PX, 8).get_buffer("doubling")
    expected = nn.functional.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
    assert torch.allclose(double.T @ coarse @ double, expected, atol=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="100 px is not a multiple of the coarsest stride, 32 px"):
        GrainedFeatures("tiny_stages", 100, 8)
    with pytest.raises(ValueError, match="'vgg' is not a backbone with stages"):
        stages_of("vgg")
    with pytest.raises(ValueError, match="4 layers of language do not divide into 3 groups"):
        replace(REDUCED, text=replace(REDUCED.text, layers=4))
