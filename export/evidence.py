"""What an export measures of a file before it may be called a bundle: parity, figures, calibration, speed.

Owns which photos are used for what: the held-out tenth checks parity and fits the calibration, the test parts give
the figures. Everything runs on the exported file itself, in the engine and on the photos' bytes as serving does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.parity import BATCHES, Parity, check_parity
from export.runtime import Graph, measure
from export.scores import joined, score
from models.calibration import conformal_quantile, fit_temperature, softmax, uncertain_threshold
from models.evaluation.figures import Figures, Scored, judge
from models.evaluation.items import Part, parts_of
from models.evaluation.scenes import scene_part
from models.manifest import Calibration, LatencyRow
from models.plain import PlainClassifier
from models.preprocess import Pixels, preprocess
from models.progress import progress_bar
from models.training.data import DataError, Dataset, limited
from models.training.runs import RunRecord

COVERAGES = (0.9, 0.95)
TEST_SPLITS = ("test", "whole_test")
_PARITY_PHOTOS = 16


@dataclass(frozen=True, slots=True)
class Trials:
    """The photos of an export: `held_out` to fit on, `tests` to report on; `limit` where not all were taken."""

    held_out: tuple[Part, ...]
    tests: tuple[Part, ...]
    limit: int | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was measured; the calibration was fitted on `held_out` views."""

    parity: Parity
    figures: tuple[Figures, ...]
    held_out: int
    calibration: Calibration
    latency: tuple[LatencyRow, ...]
    size_bytes: int
    limit: int | None


def choose_trials(dataset: Dataset, scenes: Path | None, limit: int | None) -> Trials:
    """The parts of a data set to measure on; `scenes` is a folder of photos to paste test crops into.

    Raises:
        DataError: there are too few validation photos to check and calibrate with.
    """
    held_out = parts_of(dataset, "validation", limit=limit)
    count = sum(len(part.items) for part in held_out)
    if count < max(BATCHES):
        raise DataError(f"{dataset.name} has {count} validation photos; checking and calibrating need {max(BATCHES)}")
    tests = [part for split in TEST_SPLITS for part in parts_of(dataset, split, limit=limit)]
    if scenes is not None:
        tests.append(scene_part(limited(dataset.part("test", "crop"), limit), scenes))
    return Trials(tuple(held_out), tuple(tests), limit)


def gather(path: Path, record: RunRecord, model: PlainClassifier, trials: Trials) -> Evidence:
    """Measure the exported file.

    Raises:
        ParityError: it does not compute what the model computes.
    """
    graph = Graph(path)
    parity = check_parity(model, graph, _parity_photos(trials.held_out, record))
    parts = [*trials.held_out, *trials.tests]
    with progress_bar() as bar:
        task = bar.add_task("measuring", total=sum(len(part.items) for part in parts))
        scored = [
            score(graph, part, record.class_ids, record.size_px, record.fit, lambda: bar.advance(task))
            for part in parts
        ]
    fitted = joined(scored[: len(trials.held_out)], "validation")
    calibration = calibrate(fitted)
    return Evidence(
        parity=parity,
        figures=tuple(row for one in scored for row in judge(one, record.dataset, calibration.temperature)),
        held_out=len(fitted.labels),
        calibration=calibration,
        latency=measure(graph, record.size_px),
        size_bytes=path.stat().st_size,
        limit=trials.limit,
    )


def calibrate(scored: Scored) -> Calibration:
    """Fit temperature, then the uncertainty threshold and the conformal quantiles at that temperature."""
    temperature = fit_temperature(scored.logits, scored.labels)
    probabilities = softmax(scored.logits, temperature)
    of_label = probabilities[np.arange(len(scored.labels)), scored.labels]
    return Calibration(
        temperature=round(temperature, 4),
        uncertain_below=round(uncertain_threshold(probabilities.max(axis=1)), 4),
        conformal={str(coverage): round(conformal_quantile(of_label, coverage), 4) for coverage in COVERAGES},
    )


def _parity_photos(parts: Sequence[Part], record: RunRecord) -> Pixels:
    """Photos from all over the held-out parts, as the graph takes them."""
    items = [item for part in parts for item in part.items]
    chosen = items[:: max(1, len(items) // _PARITY_PHOTOS)][:_PARITY_PHOTOS]
    return np.stack([preprocess(item.read(), record.size_px, record.fit)[0] for item in chosen])
