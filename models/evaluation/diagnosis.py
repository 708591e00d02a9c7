"""What a system's parts say on their own: which of them the answer comes from, and how often its rules take hold.

Owns the figures and their tables. What is heard of one photo is the answerer's part. A part is right or wrong by its own best
class; its difference from the answer is paired photo by photo.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.asking import Asked
from models.evaluation.figures import table
from models.evaluation.metrics import Interval, Share, paired, share

HEADER = ("part", "says", "photos", "top-1", "95 % interval", "against the answer", "95 % interval")
RULES_HEADER = ("part", "rule", "photos", "holds for")


@dataclass(frozen=True, slots=True)
class Voice:
    """How often a part of the model is right on a part of the data, and by how much more often than the answer."""

    part: str
    name: str
    top1: Share
    against: Interval


@dataclass(frozen=True, slots=True)
class Rule:
    """For which share of `count` photos one of the model's rules held."""

    part: str
    name: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the parts say, how often rules held, and numbers of its own that the model has learnt, by name."""

    voices: tuple[Voice, ...]
    rules: tuple[Rule, ...]
    learnt: Mapping[str, float]


def diagnose(parts: Sequence[Asked], learnt: Mapping[str, float]) -> Diagnosis | None:
    """Judge what was heard of each photo; None of a model whose parts say nothing."""
    heard = [asked for asked in parts if asked.said]
    if not heard:
        return None
    voices = tuple(voice for asked in heard for voice in _voices(asked))
    return Diagnosis(voices, tuple(rule for asked in heard for rule in _rules(asked)), learnt)


def _voices(asked: Asked) -> list[Voice]:
    """A row for each part of the model that was heard of these photos."""
    scored = asked.scored
    photos = [item.photo for item in scored.part.items]
    answers = scored.logits.argmax(axis=1) == scored.labels
    rows = []
    for name in asked.said[0].picks:
        hits = np.array([one.picks[name] for one in asked.said], np.int64) == scored.labels
        rows.append(Voice(scored.part.name, name, share(hits, photos), paired(hits, answers, photos)))
    return rows


def _rules(asked: Asked) -> list[Rule]:
    name, count = asked.scored.part.name, len(asked.said)
    return [Rule(name, rule, count, sum(one.held[rule] for one in asked.said) / count) for rule in asked.said[0].held]


def to_markdown(found: Diagnosis) -> str:
    """Two tables, shares in per cent with 95 % bootstraps over photos, and the learnt numbers below."""
    rules = [(rule.part, rule.name, f"{rule.count:,}", f"{100 * rule.share:.2f}") for rule in found.rules]
    told = ", ".join(f"{name} {value:.4f}" for name, value in found.learnt.items())
    voices = table([HEADER, *map(_cells, found.voices)])
    return f"{voices}\n{table([RULES_HEADER, *rules])}" + (f"\nLearnt: {told}.\n" if told else "")


def _cells(voice: Voice) -> tuple[str, ...]:
    low, high = voice.top1.bootstrap
    return (
        voice.part,
        voice.name,
        f"{voice.top1.count:,}",
        f"{100 * voice.top1.value:.2f}",
        f"{100 * low:.2f} - {100 * high:.2f}",
        f"{100 * voice.against.mean:+.2f}",
        f"{100 * voice.against.low:+.2f} to {100 * voice.against.high:+.2f}",
    )
