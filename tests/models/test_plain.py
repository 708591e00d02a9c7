"""Classifiers on a map: their two paths agree, and a plain one's activation is the evidence of the strongest class."""

from __future__ import annotations

import pytest
import torch

from models.backbones import MobileNet
from models.plain import PlainClassifier
from models.router import DomainRouter
from tests.photosets import TINY

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def model() -> PlainClassifier:
    torch.manual_seed(0)
    return PlainClassifier(MobileNet(TINY), classes=5).eval()


@pytest.fixture(params=[PlainClassifier, DomainRouter])
def either(request: pytest.FixtureRequest) -> PlainClassifier | DomainRouter:
    torch.manual_seed(0)
    made: PlainClassifier | DomainRouter = request.param(MobileNet(TINY), classes=5)
    return made.eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(1)) * 255


@torch.no_grad()
def test_export_and_training_take_paths_of_equal_logits(
    either: PlainClassifier | DomainRouter, images: torch.Tensor
) -> None:
    output, maps = either.explain(images), either.backbone(images)
    assert torch.equal(either(images), output.logits)
    assert torch.allclose(output.features, maps.mean((2, 3)))
    assert (output.activation >= 0).all()
    assert output.activation.shape == maps.shape[:1] + maps.shape[2:]


@torch.no_grad()
def test_the_activation_sums_to_the_positive_evidence_of_the_strongest_class(
    model: PlainClassifier, images: torch.Tensor
) -> None:
    output = model.explain(images)
    maps = model.backbone(images)
    for row in range(3):
        weight = model.classifier.weight[output.logits[row].argmax()] - model.classifier.weight.mean(0)
        expected = torch.einsum("c,chw->hw", weight, maps[row]).clamp_min(0)
        assert torch.allclose(output.activation[row], expected, atol=1e-5)


@torch.no_grad()
def test_what_all_classes_share_is_no_evidence(model: PlainClassifier, images: torch.Tensor) -> None:
    before = model.explain(images)
    model.classifier.weight += torch.randn(model.classifier.weight.shape[1], generator=torch.Generator().manual_seed(2))
    after = model.explain(images)
    assert torch.allclose(after.logits.softmax(1), before.logits.softmax(1), atol=1e-5)
    assert torch.allclose(after.activation, before.activation, atol=1e-4)


@torch.no_grad()
def test_a_photo_has_the_same_answer_alone_and_in_a_batch(
    either: PlainClassifier | DomainRouter, images: torch.Tensor
) -> None:
    together = either.explain(images)
    for row in range(3):
        alone = either.explain(images[row : row + 1])
        assert all(torch.allclose(one[0], many[row], atol=1e-5) for one, many in zip(alone, together, strict=True))


def test_dropout_is_at_work_in_training_only(model: PlainClassifier, images: torch.Tensor) -> None:
    assert torch.equal(model(images), model(images))
    model.dropout = 0.5
    model.train()
    model.backbone.eval()
    assert not torch.equal(model(images), model(images))
