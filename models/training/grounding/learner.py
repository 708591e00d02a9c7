"""The grounding model while it learns: with the loss's own parameters and the heads that only help.

Owns the sum of the losses; each stands in `self_paced` or `cell_losses`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.layers.boxes import cell_centres, distances
from models.referring import Grounded, Referring
from models.training.cell_losses import alignment_loss, choice_loss, inside, referent_loss
from models.training.grounding.lessons import GroundBatch
from models.training.losses import Moment
from models.training.nouns import CLASSES
from models.training.recipes.grounding import GroundRecipe
from models.training.self_paced import SelfPacedLoss, grounding_losses


class Learner(nn.Module):
    """A model and what it learns by. The visual branch, but for the position, and the language stay as they are."""

    def __init__(self, model: Referring, recipe: GroundRecipe) -> None:
        super().__init__()
        width = model.shape.fused_width
        self.recipe = recipe
        self.model = model
        self.pacing = SelfPacedLoss(recipe.pacing)
        self.referent = nn.Linear(width, 1) if recipe.has_auxiliaries and recipe.head == "cls" else None
        self.named = nn.Linear(width, len(CLASSES)) if recipe.has_auxiliaries else None
        self.register_buffer("centres", cell_centres(model.shape.side), persistent=False)
        model.language.requires_grad_(requires_grad=False)
        model.vision.backbone.requires_grad_(requires_grad=False)
        model.vision.projections.requires_grad_(requires_grad=False)

    def forward(self, batch: GroundBatch) -> Grounded:
        """All outputs for a batch of features; a control that sees nothing gets zeros in their place, and the bars."""
        seen = batch.features if self.recipe.sees_photo else torch.zeros_like(batch.features)
        features = seen + self.model.vision.position
        return self.model.fuse(features, batch.tokens, batch.token_mask, batch.cell_mask)

    def project(self) -> None:
        """Bring what has a range back into it."""
        self.pacing.project()
        if self.model.cell_head is not None:
            self.model.cell_head.project()

    def loss(self, batch: GroundBatch) -> Tensor:
        """The loss of a batch: box and confidence, and unless they are left out the losses that help."""
        found = self(batch)
        held = inside(batch.truth, self.get_buffer("centres"))
        losses = grounding_losses(self.pacing, found.box, found.conf, batch.truth, batch.present)
        total = losses.box + losses.conf
        if found.scores is not None:  # the head `cell` cannot do without: its cells must know which of them is meant
            total = total + choice_loss(found.scores, held * batch.cell_mask, batch.present)
            total = total + referent_loss(found.scores, held, batch.cell_mask, batch.present)
        return total + self._helping(found, held, batch) if self.recipe.has_auxiliaries else total

    def _helping(self, found: Grounded, held: Tensor, batch: GroundBatch) -> Tensor:
        """Boxes of earlier layers, cells that know whether they are meant, words like their cells, the class."""
        recipe = self.recipe
        count = batch.present.sum().clamp_min(1.0)
        total = torch.zeros(())
        for box in found.earlier.unbind(1):
            paced = self.pacing(distances(box, batch.truth)[0]) * batch.present
            total = total + recipe.earlier_weight * paced.sum() / count
        if self.referent is not None:
            scores = self.referent(found.cells).squeeze(2)
            total = total + referent_loss(scores, held, batch.cell_mask, batch.present)
        alike = alignment_loss(*found.grouped, batch.token_mask, held, batch.cell_mask, batch.present)
        total = total + recipe.alignment_weight * alike
        if self.named is not None and bool((batch.named >= 0).any()):
            logits = self.named(found.summary).float()
            total = total + recipe.named_weight * F.cross_entropy(logits, batch.named, ignore_index=-1)
        return total


def loss_of_learner(learner: nn.Module, batch: GroundBatch, _moment: Moment) -> Tensor:
    """The loss as the training loop calls it; what the last step moved out of its range is brought back first."""
    if not isinstance(learner, Learner):
        raise TypeError(f"{type(learner).__name__} is no learner of grounding")
    learner.project()
    return learner.loss(batch)
