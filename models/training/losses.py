"""What each system learns from: its loss over one batch, at one moment of a run.

Owns which loss belongs to which system and how it changes in the course of a run. The equations are the systems' own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.pma import PMA
from models.pma_student import distillation_loss
from models.rams_trans import RAMSTrans, rams_loss
from models.s3n import S3N, Phase, S3NOutput, s3n_loss
from models.systems import System
from models.training.views import Batch

#: A teacher's logits f32 [B, C] of images f32 [B, 3, S, S] and their phrases int64 [B, P, T].
Teacher = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True, slots=True)
class Moment:
    """When a step is taken: the shares of the run's epochs and steps before it, and the epoch's random numbers."""

    epochs_done: float
    steps_done: float
    generator: torch.Generator


@dataclass(frozen=True, slots=True)
class Phases:
    """How a loss changes in the course of a run, as numbers of its recipe.

    `all_peaks` is the share of the epochs in which S3N shows all peaks in both views. `whole_alone` is the share of the steps
    in which RAMS-Trans learns from the whole photo alone; `second_weight`, lambda of its equation (11), is what the loss of the
    enlarged region counts from then on.
    """

    all_peaks: float = 1 / 3  # the paper takes 21 of 60
    whole_alone: float = 0.2  # an unadapted net's attention is nearly flat, and its region would be none
    second_weight: float = 1.0


Loss = Callable[[nn.Module, Batch, Moment], Tensor]


def loss_of(
    system: System, smoothing: float, teacher: Teacher | None = None, tau: float = 1.0, phases: Phases = Phases()
) -> Loss:
    """The loss that a system is trained with; only a student has a teacher, softened by `tau`, and learns from nothing else."""
    if teacher is not None:
        return _from_teacher(teacher, tau)
    if system == "s3n":
        return _s3n(phases.all_peaks)
    if system == "rams_trans":
        return _rams(phases)
    return soft_cross_entropy(smoothing)


def logits_of(model: nn.Module, images: Tensor, phrases: Tensor | None) -> Tensor:
    """The logits f32 [B, C] that a system answers from."""
    if isinstance(model, PMA):
        return cast("Tensor", model(images, phrases))
    found = model(images)
    return cast("Tensor", found.logits if isinstance(found, S3NOutput) else found)


def soft_cross_entropy(smoothing: float) -> Loss:
    """Cross entropy against the labels of blended photos, smoothed towards uniform."""

    def loss(model: nn.Module, batch: Batch, _moment: Moment) -> Tensor:
        logits = logits_of(model, batch.images, batch.phrases).float()
        own = F.cross_entropy(logits, batch.labels, label_smoothing=smoothing)
        if batch.weight == 1.0:
            return own
        other = F.cross_entropy(logits, batch.labels.flip(0), label_smoothing=smoothing)
        return batch.weight * own + (1 - batch.weight) * other

    return loss


def s3n_phase(epochs_done: float, all_peaks: float) -> Phase:
    """All peaks in both views at first, a random split from then on; the rule of serving is never learnt from."""
    return 0 if epochs_done < all_peaks - 1e-9 else 1


def _s3n(all_peaks: float) -> Loss:
    def loss(model: nn.Module, batch: Batch, moment: Moment) -> Tensor:
        output = cast("S3N", model)(batch.images, s3n_phase(moment.epochs_done, all_peaks), moment.generator)
        heads = {name: getattr(output, name).float() for name in ("logits", "raw", "discriminative", "complementary")}
        return s3n_loss(output._replace(**heads), batch.labels)

    return loss


def _rams(phases: Phases) -> Loss:
    def loss(model: nn.Module, batch: Batch, moment: Moment) -> Tensor:
        if moment.steps_done < phases.whole_alone:
            return F.cross_entropy(model(batch.images).float(), batch.labels)
        first, second = cast("RAMSTrans", model).both_scales(batch.images)
        return rams_loss(first.float(), second.float(), batch.labels, phases.second_weight)

    return loss


def _from_teacher(teacher: Teacher, tau: float) -> Loss:
    """Distillation: the teacher sees the student's own view, and the photo's text; labels are not looked at."""

    def loss(model: nn.Module, batch: Batch, _moment: Moment) -> Tensor:
        student = logits_of(model, batch.images, None)
        return distillation_loss(student.float(), teacher(batch.images, batch.phrases), tau)

    return loss
