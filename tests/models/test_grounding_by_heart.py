"""Pairs of photo and words that are learnt by heart: a run that learns at all gets their boxes right."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from models import referring
from models.backbones import SPECS
from models.layers.boxes import distances
from models.referring import Referring
from models.training.grounding.learner import Learner
from models.training.grounding.lessons import GroundBatch
from tests.ground_sets import RECIPE
from tests.grounding import TEXT, TINY_STAGES

PHOTOS, EXPRESSIONS, LENGTH = 8, 4, 3
STEPS = 150


def pairs(width: int, cells: int) -> GroundBatch:
    """Every expression about every photo, each pair with a box of its own: neither alone tells it."""
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(PHOTOS, cells, width, generator=generator).repeat_interleave(EXPRESSIONS, 0)
    tokens = torch.randint(0, TEXT.vocabulary, (EXPRESSIONS, LENGTH), generator=generator).repeat(PHOTOS, 1)
    count = PHOTOS * EXPRESSIONS
    places, sizes = torch.rand(2, count, 2, generator=generator)
    truth = torch.cat([0.3 + 0.4 * places, 0.2 + 0.4 * sizes], 1)
    named = torch.full((count,), -1)
    return GroundBatch(
        features, torch.ones(count, cells), tokens, torch.ones(count, LENGTH), truth, torch.ones(count), named
    )


def test_the_papers_head_learns_32_pairs_by_heart(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setitem(SPECS, "tiny_stages", TINY_STAGES)
    monkeypatch.setattr(referring, "_LAYERS_A_GROUP", 1)
    torch.manual_seed(0)
    text = replace(TEXT, layers=referring.GROUPS)
    small = replace(RECIPE, size_px=32, width=16, heads=(2, 4), text=text, dropout=0.0)
    recipe = replace(small, head="cls", has_auxiliaries=False)
    learner = Learner(Referring(recipe.shape(TEXT.vocabulary)), recipe)
    batch = pairs(learner.model.shape.fused_width, learner.model.shape.side**2)
    optimiser = torch.optim.AdamW([weight for weight in learner.parameters() if weight.requires_grad], 3e-3)
    for _step in range(STEPS):
        learner.project()
        loss = learner.loss(batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.inference_mode():
        _, iou = distances(learner(batch).box, batch.truth)
    assert iou.mean() > 0.85
