"""WUPS: how right an answer is when near meanings count in part.

Malinowski & Fritz, NIPS 2014, section 3.2. Answers are sets of items; a near item counts with its similarity where that
reaches the threshold, and a tenth of it below. At 0.9 only what is nearly the same counts, at 0.0 all that is related.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import prod

from models.evaluation.wordnet import Nouns

_BELOW = 0.1


def item_similarity(nouns: Nouns, one: str, other: str, threshold: float) -> float:
    """What one item is worth where the other is right, 0 to 1; equal words are worth 1 whether they are nouns or not."""
    if one == other:
        return 1.0
    near = nouns.similarity(one, other)
    return near if near >= threshold else _BELOW * near


def answer_score(nouns: Nouns, answer: Collection[str], truth: Collection[str], threshold: float) -> float:
    """What an answer is worth: the lower of how well its items are covered by the truth's, and these by its."""

    def covered(items: Collection[str], others: Collection[str]) -> float:
        return prod(max(item_similarity(nouns, item, other, threshold) for other in others) for item in items)

    if not answer or not truth:
        return 0.0
    return min(covered(answer, truth), covered(truth, answer))


def wups(
    nouns: Nouns, answers: Sequence[Collection[str]], truths: Sequence[Collection[str]], threshold: float
) -> float:
    """The mean score of many answers, 0 to 1."""
    scores = [answer_score(nouns, *pair, threshold) for pair in zip(answers, truths, strict=True)]
    return sum(scores) / max(1, len(scores))
