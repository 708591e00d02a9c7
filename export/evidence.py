"""What an export measures of a file before it may be called a bundle: parity, loss, figures, calibration, speed.

Owns which photos are used for what: the held-out tenth checks parity, tells what rounding cost and fits the calibration,
the test parts give the figures. Everything runs on the exported file itself, in the engine and on the photos' bytes and
texts as serving does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from export.fitting import calibrate
from export.parity import BATCHES, Parity, ParityError, check_parity
from export.runtime import Graph, Inputs, measure
from export.scores import Preparation, score
from export.variants import LOSS_LIMIT
from models.evaluation.figures import Figures, Scored, judge
from models.evaluation.items import Part, parts_of
from models.evaluation.scenes import scene_part
from models.evaluation.texts import with_own
from models.manifest import Calibration, LatencyRow
from models.progress import progress_bar
from models.training.data import DataError, Dataset, limited
from models.training.taxonomy import LabelTable
from models.training.texts import PhotoTexts

TEST_SPLITS = ("test", "whole_test")
_PARITY_PHOTOS = 16
_PAIR_BATCHES = (1, 4, 8)


@dataclass(frozen=True, slots=True)
class Trials:
    """The photos of an export: `held_out` to fit on, `tests` to report on; `limit` where not all were taken."""

    held_out: tuple[Part, ...]
    tests: tuple[Part, ...]
    limit: int | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was measured; the calibration was fitted on `held_out` views.

    `loss` is the top-1 that rounding the weights cost there, None where nothing was rounded.
    """

    parity: Parity
    figures: tuple[Figures, ...]
    held_out: int
    calibration: Calibration
    latency: tuple[LatencyRow, ...]
    size_bytes: int
    limit: int | None
    loss: float | None


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: the file, the model with the weights that the file stores, and the file before rounding."""

    path: Path
    model: nn.Module
    preparation: Preparation
    dataset: str
    class_ids: Sequence[str]
    exact: Path | None = None


def choose_trials(dataset: Dataset, texts: PhotoTexts | None, scenes: Path | None, limit: int | None) -> Trials:
    """The parts of a data set to measure on, each photo with its own text where `texts` are given.

    `scenes` is a folder of photos to paste test crops into; nobody says anything of those.

    Raises:
        DataError: there are too few validation photos to check and calibrate with.
    """
    held_out = parts_of(dataset, "validation", limit=limit)
    count = sum(len(part.items) for part in held_out)
    if count < max(BATCHES):
        raise DataError(f"{dataset.name} has {count} validation photos; checking and calibrating need {max(BATCHES)}")
    tests = [part for split in TEST_SPLITS for part in parts_of(dataset, split, limit=limit)]
    if texts is not None:
        held_out, tests = ([with_own(part, texts) for part in parts] for parts in (held_out, tests))
    elif scenes is not None:
        tests.append(scene_part(limited(dataset.part("test", "crop"), limit), scenes))
    return Trials(tuple(held_out), tuple(tests), limit)


def gather(subject: Subject, table: LabelTable, trials: Trials) -> Evidence:
    """Measure the exported file.

    Raises:
        ParityError: it does not compute what the model computes, or rounding cost more than `LOSS_LIMIT`.
    """
    graph = Graph(subject.path)
    parity = check_parity(subject.model, graph, _parity_inputs(trials.held_out, subject.preparation))
    held_out = _score(graph, subject, trials.held_out)
    loss = _loss(subject, trials.held_out, held_out)
    calibration = calibrate(held_out, table)
    scored = [*held_out, *_score(graph, subject, trials.tests)]
    return Evidence(
        parity=parity,
        figures=tuple(row for one in scored for row in judge(one, subject.dataset, calibration.temperature)),
        held_out=sum(len(one.labels) for one in held_out),
        calibration=calibration,
        latency=(*measure(graph), *measure(Graph(subject.path, threads=2), _PAIR_BATCHES)),
        size_bytes=subject.path.stat().st_size,
        limit=trials.limit,
        loss=loss,
    )


def _score(graph: Graph, subject: Subject, parts: Sequence[Part]) -> list[Scored]:
    with progress_bar() as bar:
        task = bar.add_task("measuring", total=sum(len(part.items) for part in parts))
        return [score(graph, part, subject.class_ids, subject.preparation, lambda: bar.advance(task)) for part in parts]


def _loss(subject: Subject, parts: Sequence[Part], stored: Sequence[Scored]) -> float | None:
    """The top-1 that the exact file has above the stored one, over all held-out photos."""
    if subject.exact is None:
        return None
    before, after = (_top1(scored) for scored in (_score(Graph(subject.exact), subject, parts), stored))
    if before - after > LOSS_LIMIT:
        raise ParityError(
            f"rounding the weights costs {100 * (before - after):.2f} points of top-1 on held-out photos; at most "
            f"{100 * LOSS_LIMIT:.1f} are allowed"
        )
    return before - after


def _top1(parts: Sequence[Scored]) -> float:
    hits = sum(int((scored.logits.argmax(1) == scored.labels).sum()) for scored in parts)
    return hits / sum(len(scored.labels) for scored in parts)


def _parity_inputs(parts: Sequence[Part], preparation: Preparation) -> Inputs:
    """Photos from all over the held-out parts, as the graph takes them."""
    items = [item for part in parts for item in part.items]
    return preparation.inputs(items[:: max(1, len(items) // _PARITY_PHOTOS)][:_PARITY_PHOTOS])
