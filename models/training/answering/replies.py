"""What an answerer replies to many questions, and the loss that it learns from: the two ways through the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.calibration import Floats
from models.hard_attention import AnswerOutput, HardAttention
from models.training.answering.lessons import Lessons, QuestionBatch
from models.training.answering.sights import Places
from models.training.losses import Moment

_AT_ONCE = 160
_RANDOM_CELLS_SEED = 0


@dataclass(frozen=True, slots=True)
class Replies:
    """Logits f64 [n, A], and which of the cells were read for each question, bool [n, N], row by row."""

    logits: Floats
    cells: npt.NDArray[np.bool_]

    @property
    def kept(self) -> Floats:
        """The share of the cells that was read, f64 [n]."""
        return np.asarray(self.cells.mean(axis=1), np.float64)

    @property
    def picks(self) -> Places:
        """The number of each question's strongest answer."""
        return np.asarray(self.logits.argmax(axis=1), np.int64)


def answer_batch(model: HardAttention, batch: QuestionBatch, generator: torch.Generator) -> AnswerOutput:
    """One batch through the network; each picture is encoded once."""
    cells = model.look(batch.seen) if batch.are_pictures else batch.seen
    return model.answer(cells[batch.which], batch.tokens, batch.mask, generator)


@dataclass(frozen=True, slots=True)
class AnswerLoss:
    """Cross entropy with the right answers, each of which has an even share of the target; `quiet` times what cells weigh.

    That is the mean length of all fused vectors, a group lasso (Yuan and Lin, 2006) over cells, which is ours. A cell that is
    kept and says nothing becomes short and makes room for others; without it a hard choice that began badly stays as it is,
    since what was dropped has no gradient.
    """

    smoothing: float
    quiet: float = 0.0

    def __call__(self, model: nn.Module, batch: QuestionBatch, moment: Moment) -> Tensor:
        """The mean over the questions of a batch."""
        found = answer_batch(cast("HardAttention", model), batch, moment.generator)
        loss = F.cross_entropy(found.logits.float(), batch.targets, label_smoothing=self.smoothing)
        return loss + self.quiet * found.relevance.mean() if self.quiet else loss


@torch.inference_mode()
def reply(model: HardAttention, lessons: Lessons, rows: Places) -> Replies:
    """Answer questions in their order, in evaluation mode."""
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(_RANDOM_CELLS_SEED)
    logits, cells = [np.zeros((0, len(lessons.answers)))], [np.zeros((0, model.shape.cells), bool)]
    for start in range(0, len(rows), _AT_ONCE):
        batch = lessons.batch(rows[start : start + _AT_ONCE]).to(device)
        found = answer_batch(model, batch, generator)
        logits.append(found.logits.double().cpu().numpy())
        cells.append(found.kept.bool().cpu().numpy())
    return Replies(np.concatenate(logits), np.concatenate(cells))
