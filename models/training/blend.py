"""Between a good start and the end of fine-tuning: the weights of both averaged, by the share that validates best.

Fine-tuning on a few thousand photos learns the classes and forgets some of what pretraining knew; a straight line
between the two sets of weights keeps the best of both where the start was already good (Wortsman et al., "Robust
fine-tuning of zero-shot models", CVPR 2022). It costs a few evaluations and nothing at serving time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

#: Shares of the end that are tried; 1 is plain fine-tuning.
SHARES = (0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


def blended(
    start: Mapping[str, Tensor], end: Mapping[str, Tensor], share: float, beginnings: tuple[str, ...] = ("",)
) -> dict[str, Tensor]:
    """`share` of `end` and the rest of `start`, for weights whose names have one of the `beginnings`.

    The others, and counters, are taken from `end`.
    """
    return {
        name: start[name].lerp(weight, share) if weight.is_floating_point() and name.startswith(beginnings) else weight
        for name, weight in end.items()
    }


def best_blend(
    start: Mapping[str, Tensor],
    end: Mapping[str, Tensor],
    score: Callable[[Mapping[str, Tensor]], float],
    beginnings: tuple[str, ...] = ("",),
) -> tuple[float, dict[str, Tensor]]:
    """The share with the highest score, the larger one of equals, and its weights."""
    share = max(SHARES, key=lambda share: (score(blended(start, end, share, beginnings)), share))
    return share, blended(start, end, share, beginnings)
