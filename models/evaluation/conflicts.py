"""When a text does not fit its photo: what traits speak for, from training texts; the threshold from held-out ones.

Fitted on photos told their own text, with the image-only model that answers beside the one that reads texts. Judged on the
same photos told another class's. What is put into the table is what serving makes of a text: known phrases, folded words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from torch import nn

from models.calibration import (
    Auroc,
    Floats,
    PhraseTable,
    auroc_interval,
    conflict_score,
    softmax,
    traits_of,
    uncertain_threshold,
)
from models.evaluation.figures import Scored
from models.evaluation.texts import with_other, with_own
from models.text import Vocabulary
from models.text.synonyms import fold
from models.training.data import Row
from models.training.probe import fit_probe
from models.training.texts import PhotoTexts
from models.training.wording import Noise

FALSE_ALARMS_LIMIT = 0.05
_PHOTOS_MIN = 5  # fewer tell nothing of a trait
_HALVES = 2
_CAUTION = 0.7  # two traits of one bird are not two independent witnesses; chosen on validation photos
_DRAWS = 2  # wordings of a training photo beside the plain one; together they say nearly all that is known of it
_AS_SAID = Noise(phrase=0, few=0, word=0, paraphrase=0, strange=0)
_NO_TRAIT = 1e9  # a text without a trait cannot disagree, and must not make a mean infinite


@dataclass(frozen=True, slots=True)
class ConflictRule:
    """What a bundle that reads texts needs: the table, and the score below which text and photo disagree."""

    table: PhraseTable
    below: float


@dataclass(frozen=True, slots=True)
class ConflictFigures:
    """Shares flagged among photos with their own text and with another class's; how well the score tells them apart."""

    photos: int
    false_alarms: float
    caught: float
    auroc: Auroc


def fit_rule(
    rows: Sequence[Row],
    labels: Sequence[int],
    held_out: Scored,
    temperature: float,
    texts: PhotoTexts,
    vocabulary: Vocabulary,
) -> ConflictRule:
    """Fit what traits speak for on training photos `rows` [N] with their classes, and the threshold on held-out ones.

    `held_out` are the image-only model's logits, `temperature` is its own.
    """
    described = [_described(row.photo, texts, vocabulary) for row in rows]
    table = fit_table(described, labels, held_out.logits.shape[1])
    told = [item.text or "" for item in with_own(held_out.part, texts).items]
    scores = scores_of(table, vocabulary, held_out.logits, temperature, told)
    return ConflictRule(table, uncertain_threshold(scores, _aim(held_out)))


def fit_table(described: Sequence[Collection[str]], labels: Sequence[int], classes: int) -> PhraseTable:
    """Logistic regression of classes on traits: `described` [N] holds each photo's traits, `labels` [N] its class.

    A trait of few photos is left out. Beside itself a photo is shown with half of its traits, for users say less.
    """
    counts = Counter(trait for traits in described for trait in set(traits))
    kept = sorted(trait for trait, count in counts.items() if count >= _PHOTOS_MIN)
    has = torch.tensor([[float(trait in traits) for trait in kept] for traits in described])
    generator = torch.Generator().manual_seed(0)
    halves = [has * (torch.rand(has.shape, generator=generator) < 0.5) for _ in range(_HALVES)]
    layer = nn.Linear(len(kept), classes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    fit_probe(layer, torch.cat([has, *halves]), torch.tensor(labels).repeat(1 + _HALVES), 0)
    evidence, start = (_CAUTION * values.detach().double().numpy() for values in (layer.weight.T, layer.bias))
    return PhraseTable(tuple(kept), evidence, start)


def _aim(held_out: Scored) -> float:
    """The share to flag of so many held-out photos: a standard error below the limit, so that it mostly holds on others."""
    photos = len({item.photo for item in held_out.part.items})
    return max(0.0, FALSE_ALARMS_LIMIT - (FALSE_ALARMS_LIMIT * (1 - FALSE_ALARMS_LIMIT) / photos) ** 0.5)


def judge_rule(
    rule: ConflictRule, scored: Scored, temperature: float, texts: PhotoTexts, vocabulary: Vocabulary
) -> ConflictFigures:
    """Flag photos told their own text, and the same photos told the text of another class."""
    own, other = (
        scores_of(rule.table, vocabulary, scored.logits, temperature, [item.text or "" for item in part.items])
        for part in (with_own(scored.part, texts), with_other(scored.part, texts))
    )
    return ConflictFigures(
        photos=len(own),
        false_alarms=float(np.mean(own < rule.below)),
        caught=float(np.mean(other < rule.below)),
        auroc=auroc_interval(own, other),
    )


def scores_of(
    table: PhraseTable, vocabulary: Vocabulary, logits: Floats, temperature: float, told: Sequence[str]
) -> Floats:
    """How well each text [N] fits its photo, by the image-only model's logits [N, C]; high where it fits."""
    logs = np.log(np.maximum(softmax(logits, temperature), np.finfo(np.float64).tiny))
    scores = [
        conflict_score(row, table, table.ids(_words(vocabulary.known_phrases(text), vocabulary)))
        for row, text in zip(logs, told, strict=True)
    ]
    return np.minimum(np.array(scores), _NO_TRAIT)


def _described(photo: str, texts: PhotoTexts, vocabulary: Vocabulary) -> set[str]:
    """All traits of a training photo in a few wordings of its own."""
    said = [texts.bent(photo, Random(f"{photo}/{draw}"), _AS_SAID) for draw in range(_DRAWS)]
    phrases = [phrase for draw in (texts.said(photo), *said) for phrase in draw]
    return {trait for words in _words(phrases, vocabulary) if words for trait in traits_of(words)}


def _words(phrases: Sequence[str], vocabulary: Vocabulary) -> list[tuple[str, ...]]:
    return [fold(phrase.split(), vocabulary.synonyms) for phrase in phrases]
