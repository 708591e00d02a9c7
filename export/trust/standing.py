"""A bundle beside the plain one of its domain: whether it is good enough to be more than an experiment.

Owns the comparison on the same photos and the gap that is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass

from export.scores import score
from export.trust.companions import Companion
from models.evaluation.figures import Scored
from models.evaluation.metrics import Interval, paired, top_hits
from models.progress import progress_bar

#: Top-1 below the plain bundle from which on a bundle is called experimental.
GAP_LIMIT = 0.08
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Standing:
    """Top-1 above the plain bundle `identity` on the photos of one part, below 0 where it is lower."""

    identity: str
    part: str
    photos: int
    margin: Interval

    @property
    def is_behind(self) -> bool:
        """Whether it lies too far below the plain bundle."""
        return self.margin.mean < -GAP_LIMIT - _ROUNDING


def compare_with(plain: Companion, own: Scored) -> Standing:
    """Ask the plain bundle about the photos that were scored, and pair the answers.

    Raises:
        DataError: the plain bundle does not know all of their classes.
    """
    with progress_bar() as bar:
        task = bar.add_task("asking the plain bundle", total=len(own.part.items))
        other = score(plain.ask, own.part, plain.class_ids, plain.preparation, lambda: bar.advance(task))
    hits, other_hits = (top_hits(scored.logits, scored.labels, 1) for scored in (own, other))
    photos = [item.photo for item in own.part.items]
    return Standing(plain.identity, own.part.name, len(photos), paired(hits, other_hits, photos))
