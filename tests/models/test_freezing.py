"""Which weights a frozen share keeps out of training."""

from __future__ import annotations

import pytest
from torch import nn

from models.backbones import MOBILENET_V2, MobileNet
from models.plain import PlainClassifier, PlainTransformer
from models.systems import Build, build
from models.training.freezing import freeze
from models.training.loop import parameter_groups
from models.training.recipes.systems import RECIPES
from models.vit import VisionTransformer, ViTShape

SHAPE = ViTShape(size_px=16, patch_px=8, width=8, depth=12, heads=2)


def learning(model: nn.Module, share: float, fixed_norms: bool = False) -> set[str]:
    every = {name for name, _ in model.named_parameters()}
    freeze(model.train(), share, every, fixed_norms)
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_the_first_blocks_of_a_transformer_go_first() -> None:
    found = learning(PlainTransformer(VisionTransformer(SHAPE), 3), 0.67)
    assert {name.split(".")[2] for name in found if name.startswith("backbone.blocks.")} == {"8", "9", "10", "11"}
    assert not any(name.startswith(("backbone.patches", "backbone.position")) for name in found)
    assert {"class_token", "classifier.weight", "backbone.norm.weight"} <= found


@pytest.mark.parametrize(("share", "frozen"), [(0.0, 0), (0.67, 11), (1.0, 17)])
def test_frozen_norms_keep_their_statistics(share: float, frozen: int) -> None:
    model = PlainClassifier(MobileNet(MOBILENET_V2), 3)
    found = learning(model, share)
    still = {
        name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d) and not module.training
    }
    assert len({name.split(".")[2] for name in still if ".blocks." in name}) == frozen
    assert ("backbone.head.norm" in still) == (share == 1.0)
    assert ("backbone.head.conv.weight" in found) == (share < 1.0)
    assert {"classifier.weight", "classifier.bias"} <= found


def test_what_was_frozen_learns_again_later() -> None:
    model = PlainClassifier(MobileNet(MOBILENET_V2), 3)
    learning(model, 1.0)
    assert learning(model, 0.0) == {name for name, _ in model.named_parameters()}


def test_fixed_norms_leave_the_weights_learning() -> None:
    model = PlainClassifier(MobileNet(MOBILENET_V2), 3)
    assert learning(model, 0.0, fixed_norms=True) == {name for name, _ in model.named_parameters()}
    assert not any(module.training for module in model.modules() if isinstance(module, nn.BatchNorm2d))


def test_s3n_has_three_rates_and_every_parameter_in_one_group() -> None:
    recipe = RECIPES["s3n"]
    model = build(Build("s3n", "mobilenet_v2", 96, 5))
    groups = parameter_groups(model, recipe.schedule)
    rates = {round(group["lr"] / recipe.schedule.lr, 6) for group in groups}
    assert rates == {1.0, 5.0, 0.01}
    members = [id(parameter) for group in groups for parameter in group["params"]]
    assert len(members) == len(set(members)) == len(list(model.parameters()))


def test_compared_recipes_take_equal_steps_at_equal_sizes() -> None:
    for rows in (("baseline", "pma_visual", "pma", "pma_student", "s3n"), ("baseline_vit", "rams_trans")):
        spent = {
            (schedule.sizes_px, schedule.batch, schedule.optimiser, schedule.lr)
            for schedule in (RECIPES[name].schedule for name in rows)
        }
        assert len(spent) == 1
