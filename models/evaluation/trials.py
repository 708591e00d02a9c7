"""A bundle tried on the questions that accuracy does not answer, and the tables of what was found.

Owns which photos answer which question: test parts for the sets, the held-out tenth and other collections for unknown
subjects, fixed test photos for explanations, whole ones for pointing. Graphs run on photos as serving decodes them; who
runs them is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.calibration import Floats
from models.calibration.unknowns import DIRECTIONS_NAME
from models.evaluation.faithfulness import Run, measure
from models.evaluation.figures import Scored
from models.evaluation.heat import point_of
from models.evaluation.items import Part, labels_of, parts_of
from models.evaluation.places import read_places
from models.evaluation.pointing import play
from models.evaluation.trust import (
    coverage_rows,
    coverage_table,
    faithfulness_table,
    levels_of,
    pointing_table,
    unknown_table,
)
from models.evaluation.unknowns import Seen, judge_unknowns, other_birds, see, soften
from models.labels import Label, read_labels
from models.manifest import Manifest, read_manifest
from models.preprocess import Pixels, preprocess
from models.training.data import UNKNOWN, DataError, Dataset, keep_classes, limited, read_dataset


@dataclass(frozen=True, slots=True)
class Trial:
    """A bundle and the collections to try it on; `explain` photos judge explanations, `limit` bounds every part."""

    bundle: Path
    dataset: str
    data: Path
    explain: int
    others: Path | None
    cars: Path | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class _Tried:
    """What all trials of one bundle share."""

    manifest: Manifest
    labels: tuple[Label, ...]
    dataset: Dataset
    run: Run
    advance: Callable[[], None]

    def see(self, part: Part) -> Seen:
        """What the graph makes of a part."""
        image = self.manifest.image
        return see(self.run, part.items, image.size_px, image.fit, self.advance)


def try_bundle(trial: Trial, run: Run, advance: Callable[[], None]) -> str:
    """All tables as Markdown; `advance` is called after each photo.

    Raises:
        DataError: a collection cannot be read, or the bundle does not know its classes, or it reads texts.
    """
    manifest = read_manifest(trial.bundle)
    if manifest.text is not None:
        raise DataError(
            f"{manifest.identity} answers where a text comes with the photo; its card tells how far it is trusted"
        )
    labels = read_labels(trial.bundle / "labels.csv", manifest.levels)
    dataset = keep_classes(read_dataset(trial.dataset, trial.data), {label.class_id for label in labels})
    tried = _Tried(manifest, labels, dataset, run, advance)
    sections = [("Sets", _try_sets(tried, trial))]
    if trial.others is not None or trial.cars is not None or dataset.part(UNKNOWN):
        sections.append(("Unknown subjects", _try_unknowns(tried, trial)))
    if {output.name for output in manifest.outputs} & {"activation", "attention", "region", "stage_block"}:
        sections.append(("Explanations", _try_explanations(tried, trial)))
    return "\n".join(f"## {title}\n\n{text}" for title, text in sections)


def _try_sets(tried: _Tried, trial: Trial) -> str:
    held_out = {row.photo for row in tried.dataset.part("validation")}
    levels = levels_of(tried.labels, tried.manifest.levels) if tried.manifest.levels else None
    rows = []
    for part in parts_of(tried.dataset, "test", limit=trial.limit):
        truth = labels_of(part.items, [label.class_id for label in tried.labels])
        scored = Scored(part, tried.see(part).logits, np.array(truth, np.int64))
        rows += coverage_rows(scored, levels, tried.manifest.calibration, len(held_out))
    return coverage_table(rows)


def _try_unknowns(tried: _Tried, trial: Trial) -> str:
    """Each collection beside the known test photos, by the score and the threshold that are served."""
    framing = "crop" if tried.dataset.part("test", "crop") else None
    image, served = tried.manifest.image, tried.manifest.calibration
    directions = _directions(trial.bundle)
    (test, *_) = parts_of(tried.dataset, "test", framing, trial.limit)
    known = tried.see(test)
    figures = []
    for part in _collections(tried, trial, framing):
        softened = soften(part, known.sharpness, image.size_px, image.fit)
        softer = None if softened is None else tried.see(softened)
        figures.append(judge_unknowns(part.name, known, tried.see(part), served, directions, softer))
    return unknown_table(figures, served.score)


def _collections(tried: _Tried, trial: Trial, framing: str | None) -> list[Part]:
    """What the bundle cannot know: other species, classes that it was not taught, cars, as far as they are there."""
    parts = [_first(other_birds(trial.others), trial.limit)] if trial.others is not None else []
    aside = parts_of(tried.dataset, UNKNOWN, framing, trial.limit)
    parts += [Part("classes not taught", part.items) for part in aside[:1]]
    if trial.cars is not None:
        cars = parts_of(read_dataset("stanford_cars", trial.cars), "test", limit=trial.limit)
        parts += [Part("cars", part.items) for part in cars[:1]]
    return parts


def _try_explanations(tried: _Tried, trial: Trial) -> str:
    """Faithfulness on fixed test photos; pointing on the same where people marked the subject in whole photos."""
    image = tried.manifest.image
    rows = limited(tried.dataset.part("test", "whole") or tried.dataset.part("test"), trial.explain)

    def views() -> Iterator[tuple[str, Pixels]]:
        for row in rows:
            yield row.photo, preprocess(row.path.read_bytes(), image.size_px, image.fit)[0]
            tried.advance()

    text = faithfulness_table(measure(tried.run, views(), tried.manifest.calibration.temperature))
    if trial.dataset != "cub_birds" or image.fit != "squash":  # another fit moves what the points are compared with
        return text
    places = read_places(trial.data)
    pointed = ((places[photo], point_of(tried.run(pixels[None]), image.size_px)) for photo, pixels in views())
    game = play((place, point) for place, point in pointed if point is not None)
    return f"{text}\n{pointing_table(game)}"


def _first(part: Part, limit: int | None) -> Part:
    return Part(part.name, part.items if limit is None else part.items[:limit])


def _directions(bundle: Path) -> Floats | None:
    """The classes' directions where the bundle has them, which the distance needs."""
    path = bundle / DIRECTIONS_NAME
    return np.asarray(np.load(path, allow_pickle=False), np.float64) if path.is_file() else None
