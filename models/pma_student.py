"""The distilled student of PMA: a plain classifier that learns from the teacher's probabilities alone.

It answers when a request has no text, where the bimodal teacher would degrade. Loss: equation (15) of Song et al.,
IEEE TIP 2020; the temperature is Hinton et al.'s, 2015, and 1 by default, as in the paper.
"""

from __future__ import annotations

from torch import Tensor

from models.plain import PlainClassifier


class PMAStudent(PlainClassifier):
    """A backbone, the mean over its map and a linear layer; what makes it the student is `distillation_loss`."""


def distillation_loss(student: Tensor, teacher: Tensor, tau: float = 1.0) -> Tensor:
    """Cross entropy of the student against the teacher, logits f32 [B, C] both; takes no labels.

    Both are softened by `tau` and the value is scaled by its square, so that gradients keep their size.
    """
    target = (teacher.detach().float() / tau).softmax(1)
    return -(target * (student.float() / tau).log_softmax(1)).sum(1).mean() * tau**2
