"""A linear classifier fitted to features that do not change: a good start for a head in seconds."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from models.systems import run

EPOCHS = 60  # the linear layer has converged; seconds on cached features
STEPS_MIN = 500  # ... and of few photos, too
LABEL_SMOOTHING = 0.1


@torch.inference_mode()
def embed(model: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    """Features f32 [n, D] of photos f32 [B, 3, S, S] as serving would see them."""
    model.eval()
    return torch.cat([run(model, images)["features"] for images in batches]).clone()


def fit_probe(layer: nn.Linear, features: Tensor, labels: Tensor, seed: int) -> None:
    """Fit a linear layer to fixed features f32 [n, D] and labels int64 [n] by AdamW on smoothed cross entropy."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=3e-3, weight_decay=0.05)
    steps = max(STEPS_MIN, EPOCHS * (len(labels) // 256))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        chosen = torch.randint(0, len(labels), (256,), generator=generator)
        value = nn.functional.cross_entropy(layer(features[chosen]), labels[chosen], label_smoothing=LABEL_SMOOTHING)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
