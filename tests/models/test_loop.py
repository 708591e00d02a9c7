"""The training loop: schedule, averaged weights, and a stop that leaves no trace."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.training.loop import HISTORY_NAME, Run, parameter_groups
from models.training.losses import Moment, soft_cross_entropy
from models.training.views import Batch
from models.vit import VisionTransformer, ViTShape
from tests.photosets import RECIPE

pytestmark = pytest.mark.usefixtures("one_thread")

SCHEDULE = replace(RECIPE.schedule, sizes_px=(4, 4, 4), batch=4)
STEPS = 5
START = Moment(0.0, 0.0, torch.Generator())


class Net(nn.Module):
    """A backbone, a head and dropout between."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.classifier = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, 3, 4, 4] -> [B, 3]."""
        logits: torch.Tensor = self.classifier(nn.functional.dropout(self.backbone(x).mean((2, 3)), 0.3, self.training))
        return logits


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net()


def epoch_of(number: int, steps: int = STEPS) -> Iterator[Batch]:
    generator = torch.Generator().manual_seed(100 + number)
    for _ in range(steps):
        images = torch.rand(4, 3, 4, 4, generator=generator)
        yield Batch(images, torch.randint(0, 3, (4,), generator=generator))


def train(run: Run, epochs: int) -> None:
    for _ in range(epochs):
        run.train_epoch(epoch_of(run.epoch), soft_cross_entropy(0.1))


def test_a_run_that_was_stopped_ends_as_one_that_was_not(net: Net, tmp_path: Path) -> None:
    torch.manual_seed(1)
    whole = Run(copy.deepcopy(net), SCHEDULE, tmp_path / "whole", STEPS, seed=0)
    train(whole, 3)
    torch.manual_seed(1)
    train(Run(copy.deepcopy(net), SCHEDULE, tmp_path / "parts", STEPS, seed=0), 2)
    torch.manual_seed(99)
    continued = Run(Net(), SCHEDULE, tmp_path / "parts", STEPS, seed=0)
    assert continued.resume()
    assert continued.epoch == 2
    train(continued, 1)
    for name, tensor in whole.averaged.state_dict().items():
        assert torch.equal(tensor, continued.averaged.state_dict()[name]), name
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, continued.model.state_dict()[name]), name


def test_a_run_on_a_gpu_goes_on_with_its_random_numbers(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, restored = torch.arange(16, dtype=torch.uint8), []
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: [state])
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", restored.extend)
    Run(net, SCHEDULE, tmp_path, STEPS, seed=0).save()
    assert Run(Net(), SCHEDULE, tmp_path, STEPS, seed=0).resume()
    assert [one.tolist() for one in restored] == [state.tolist()]


def test_a_new_folder_has_nothing_to_resume(net: Net, tmp_path: Path) -> None:
    assert not Run(net, SCHEDULE, tmp_path, STEPS, seed=0).resume()


def test_the_rate_warms_up_and_falls_to_zero_by_a_cosine(net: Net, tmp_path: Path) -> None:
    run = Run(net, replace(SCHEDULE, warmup_steps=3), tmp_path, STEPS, seed=0)
    factors = [run._factor(step) for step in range(16)]
    assert factors[:3] == pytest.approx([1 / 3, 2 / 3, 1])
    assert factors[3] == pytest.approx(1.0)
    assert factors[9] == pytest.approx(0.5)
    assert factors[15] == pytest.approx(0.0, abs=1e-12)
    assert all(later <= earlier for earlier, later in pairwise(factors[3:]))


def test_the_head_learns_faster_and_norms_and_biases_do_not_decay(net: Net, tmp_path: Path) -> None:
    run = Run(net, SCHEDULE, tmp_path, STEPS, seed=0)
    found = {
        (group["initial_lr"] / SCHEDULE.lr, group["weight_decay"]): {
            parameter.ndim > 1 for parameter in group["params"]
        }
        for group in run._optimiser.param_groups
    }
    assert found == {
        (1.0, SCHEDULE.weight_decay): {True},
        (1.0, 0.0): {False},
        (2.0, SCHEDULE.weight_decay): {True},
        (2.0, 0.0): {False},
    }


def test_tables_of_positions_do_not_decay() -> None:
    places = nn.ModuleDict({"backbone": VisionTransformer(ViTShape(16, 8, 8, 1, 2)), "positions": nn.Embedding(4, 8)})
    fixed = {
        id(weight)
        for group in parameter_groups(places, SCHEDULE)
        if not group["weight_decay"]
        for weight in group["params"]
    }
    kept = {name for name, weight in places.named_parameters() if id(weight) in fixed and weight.ndim > 1}
    assert kept == {"backbone.position", "positions.weight"}


def test_a_parameter_may_have_a_rate_of_its_own(net: Net) -> None:
    groups = parameter_groups(net, replace(SCHEDULE, rates=(("classifier.bias", 0.01),)))
    assert sum(len(group["params"]) for group in groups) == len(list(net.parameters()))
    own = [group for group in groups if any(weight is net.classifier.bias for weight in group["params"])]
    assert [(len(group["params"]), group["lr"] / SCHEDULE.lr) for group in own] == [(1, pytest.approx(0.01))]


def test_small_batches_leave_the_statistics_of_the_backbone_alone(net: Net, tmp_path: Path) -> None:
    before = net.state_dict()["backbone.1.running_mean"].clone()
    Run(net, replace(SCHEDULE, norms_need=8), tmp_path, STEPS, seed=0).train_epoch(epoch_of(0), soft_cross_entropy(0))
    assert torch.equal(net.state_dict()["backbone.1.running_mean"], before)


def test_plain_momentum_is_another_optimiser(net: Net, tmp_path: Path) -> None:
    run = Run(net, replace(SCHEDULE, optimiser="sgd"), tmp_path, STEPS, seed=0)
    train(run, 1)
    assert isinstance(run._optimiser, torch.optim.SGD)


def test_the_average_follows_with_the_stated_memory(net: Net, tmp_path: Path) -> None:
    run = Run(net, replace(SCHEDULE, ema_decay=0.5), tmp_path, STEPS, seed=0)
    expected = net.classifier.weight.detach().clone()
    for number in range(4):
        run.train_epoch(epoch_of(number, steps=1), soft_cross_entropy(0.1))
        decay = min(0.5, (2 + number) / (11 + number))
        expected = decay * expected + (1 - decay) * net.classifier.weight.detach()
    averaged = run.averaged.state_dict()
    assert torch.allclose(averaged["classifier.weight"], expected, atol=1e-6)
    assert int(averaged["backbone.1.num_batches_tracked"]) == 4


def test_a_loss_that_is_no_number_ends_the_run_with_its_step(net: Net, tmp_path: Path) -> None:
    run = Run(net, SCHEDULE, tmp_path, STEPS, seed=0)
    with pytest.raises(FloatingPointError, match="nan at step 0"):
        run.train_epoch(
            [Batch(torch.full((4, 3, 4, 4), torch.nan), torch.zeros(4, dtype=torch.int64))], soft_cross_entropy(0)
        )


def test_history_has_a_line_of_figures_per_epoch(net: Net, tmp_path: Path) -> None:
    train(Run(net, SCHEDULE, tmp_path, STEPS, seed=0), 2)
    lines = [json.loads(line) for line in (tmp_path / HISTORY_NAME).read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert all(line["loss"] > 0 for line in lines)


def test_without_blending_the_loss_is_smoothed_cross_entropy(net: Net) -> None:
    batch = next(epoch_of(0))
    net.eval()
    found = soft_cross_entropy(0.1)(net, batch, START)
    assert torch.allclose(found, nn.functional.cross_entropy(net(batch.images), batch.labels, label_smoothing=0.1))


def test_a_blended_target_is_shared_between_its_two_classes(net: Net) -> None:
    batch, weight = next(epoch_of(0)), 0.3
    images, labels = batch.images, batch.labels
    soft = weight * nn.functional.one_hot(labels, 3) + (1 - weight) * nn.functional.one_hot(labels.flip(0), 3)
    net.eval()
    found = soft_cross_entropy(0.0)(net, replace(batch, weight=weight), START)
    assert torch.allclose(found, nn.functional.cross_entropy(net(images), soft))


def test_the_stated_share_of_batches_is_blended(net: Net, tmp_path: Path) -> None:
    weights: list[float] = []

    def watch(model: nn.Module, batch: Batch, moment: Moment) -> torch.Tensor:
        weights.append(batch.weight)
        return soft_cross_entropy(0.1)(model, batch, moment)

    Run(net, SCHEDULE, tmp_path, 200, seed=0).train_epoch(epoch_of(0, steps=200), watch)
    assert np.mean(np.array(weights) < 1) == pytest.approx(SCHEDULE.mixup_share, abs=0.1)
