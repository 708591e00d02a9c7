"""An evaluation from what a person asked for: who is asked, which photos, what is told beside them.

Owns the agreement of the parts. Who answers is `models.answerers`' part, how photos are put to it and judged that of
`models.evaluation`, the command line that of `cli`.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from models.answerers import CLASSES_TOLD, Bare, EngineAnswers, RunAnswers, Voting
from models.evaluation.asking import Answerer, Asked, ask
from models.evaluation.diagnosis import diagnose
from models.evaluation.items import Part, parts_of
from models.evaluation.remote import Service
from models.evaluation.report import Effort, Report, make_report
from models.evaluation.scenes import scene_part
from models.evaluation.texts import Telling, TextKind, tell
from models.evaluation.worth import fit_reader, to_markdown, weigh
from models.labels import Label, read_labels
from models.manifest import Manifest, read_classifier
from models.progress import progress_bar
from models.sections import Arithmetic
from models.training.data import DataError, limited, read_dataset
from models.training.runs import effort_of, read_record
from models.training.taxonomy import labels_for
from models.training.texts import read_texts


class Disagreement(ValueError):
    """What is asked of an evaluation does not go together; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Photos:
    """Which photos of which data: parts of `splits` (None: all but what is learnt from), of one framing if asked.

    `text` is what is told beside each, with `cars` as the folder of texts about cars; `scenes` a folder of photos to paste
    test crops into.
    """

    dataset: str
    data: Path
    splits: tuple[str, ...] | None = None
    framing: str | None = None
    limit: int | None = None
    scenes: Path | None = None
    text: TextKind | None = None
    cars: Path | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """What an evaluation found, with the answers that it was judged from and the classes they are of."""

    report: Report
    asked: tuple[Asked, ...]
    labels: tuple[Label, ...]


def examine_bundle(
    folder: Path, photos: Photos, locate: bool = False, url: str | None = None, arithmetic: Arithmetic = "exact"
) -> Examined:
    """Ask a bundle through the engine that serves it; with `url` a running service too, which must say the same.

    With `arithmetic` int8 its graph in 8 bits is asked. With `locate` it is shown what a detector of its store finds in
    each photo.

    Raises:
        Disagreement: the bundle is asked in a way that no service has, or the URL is none.
        DataError: the data cannot be read, or shows what the bundle does not know.
    """
    manifest = read_classifier(folder)
    if arithmetic == "int8" and manifest.int8 is None:
        raise Disagreement(f"{manifest.identity} has no graph in {arithmetic}; leave --arithmetic out")
    manifest = manifest.computing(arithmetic)
    labels = tuple(read_labels(folder / "labels.csv", manifest.levels))
    answers, asked_for = _answers_of(folder, manifest, photos.text, locate, arithmetic, is_remote=url is not None)
    with ExitStack() as stack:
        service = stack.enter_context(_open(url, asked_for)) if url else None
        asked = _ask(photos, labels, answers, service)
    report = make_report(
        manifest.identity, photos.dataset, manifest.calibration.temperature, asked, is_compared=service is not None
    )
    return Examined(report, asked, labels)


def examine_vote(folder: Path, photos: Photos) -> Examined:
    """Ask a bundle of photos alone three times about each, and average: a control, which no service does.

    Raises:
        Disagreement: the bundle reads texts.
        DataError: the data cannot be read, or shows what the bundle does not know.
    """
    manifest = read_classifier(folder)
    if manifest.text is not None:
        raise Disagreement(f"{manifest.identity} reads texts; leave --vote out")
    labels = tuple(read_labels(folder / "labels.csv", manifest.levels))
    asked = _ask(photos, labels, Voting(folder), None)
    identity = f"{manifest.identity}, three views"
    return Examined(make_report(identity, photos.dataset, manifest.calibration.temperature, asked), asked, labels)


def examine_run(folder: Path, photos: Photos, maps: Path | None = None) -> Examined:
    """Ask the averaged model of a training run, which nothing has calibrated yet: its temperature is 1.

    What looks more than once is heard part by part, too, in the same pass over the photos.

    `maps` is a folder in which what a frozen backbone makes of the photos is kept for the next run on it.

    Raises:
        DataError: the folder holds no run whose first epoch is done, its backbone is not frozen, or the data cannot be read.
    """
    record = read_record(folder)
    labels = tuple(labels_for(record.dataset, record.class_ids).rows)
    answers = RunAnswers(folder, maps)
    asked = _ask(photos, labels, answers, None)
    effort = None if record.members else Effort(*effort_of(folder))  # an average took no step of its own
    report = make_report(f"{record.system} run {folder.name}", photos.dataset, 1.0, asked, effort=effort)
    return Examined(replace(report, diagnosis=diagnose(asked, answers.learnt)), asked, labels)


def weigh_words(folder: Path, photos: Photos) -> str:
    """What the photos' own texts could add to an image-only bundle, as a table of the parts.

    Raises:
        Disagreement: the bundle reads texts itself, or knows other classes than the data.
        DataError: the data cannot be read, or has no texts.
    """
    manifest = read_classifier(folder)
    if manifest.text is not None:
        raise Disagreement(f"{manifest.identity} reads texts; name one that sees photos alone")
    dataset = read_dataset(photos.dataset, photos.data)
    labels = tuple(read_labels(folder / "labels.csv", manifest.levels))
    if tuple(label.class_id for label in labels) != dataset.class_ids:
        raise Disagreement(f"{manifest.identity} knows other classes than {photos.data}")
    read = fit_reader(dataset, read_texts(dataset, photos.data))
    answers = EngineAnswers(folder.parents[1], f"classify/{manifest.identity}")
    held_out, asked = (
        [one.scored for one in _ask(replace(photos, splits=splits), labels, answers, None)]
        for splits in (("validation",), photos.splits)
    )
    return to_markdown(*weigh(held_out, asked, manifest.calibration.temperature, read))


def _answers_of(
    folder: Path, manifest: Manifest, text: TextKind | None, locate: bool, arithmetic: Arithmetic, is_remote: bool
) -> tuple[Answerer, dict[str, str]]:
    """Who answers for a bundle, and what a service is asked for: the same.

    A bundle that reads texts is asked by its domain, as a service chooses by it; alone where its text is withheld. A router
    is alone, too: what it says is no answer of a service.
    """
    top_k = {"top_k": str(CLASSES_TOLD)}
    if manifest.task == "route" or (manifest.text is not None and text in (None, "none")):
        if is_remote or locate:
            option = "--locate" if locate else "--url"
            way = "by itself" if manifest.task == "route" else "without a text"
            raise Disagreement(f"no service asks {manifest.identity} {way}; leave {option} out")
        return Bare(folder), top_k
    asked = {"model": manifest.identity} if manifest.text is None else {"domain": str(manifest.domain)}
    route = f"classify/{asked.get('domain') or manifest.identity}"
    answers = EngineAnswers(folder.parents[1], route, locate, arithmetic)
    return answers, asked | top_k | ({"locate": "true"} if locate else {})


def _open(url: str, asked_for: dict[str, str]) -> Service:
    try:
        return Service(url, asked_for)
    except ValueError as error:
        raise Disagreement(str(error)) from error


def _ask(photos: Photos, labels: tuple[Label, ...], answers: Answerer, service: Service | None) -> tuple[Asked, ...]:
    parts = _choose_parts(photos)
    class_ids = [label.class_id for label in labels]
    with progress_bar() as bar:
        task = bar.add_task("evaluating", total=sum(len(part.items) for part in parts))
        return tuple(ask(part, class_ids, answers, service, lambda: bar.advance(task)) for part in parts)


def _choose_parts(photos: Photos) -> list[Part]:
    found = read_dataset(photos.dataset, photos.data)
    splits = photos.splits or sorted({row.split for row in found.rows} - {"train", "validation"}) or ["validation"]
    parts = [part for split in splits for part in parts_of(found, split, photos.framing, photos.limit)]
    if photos.scenes is not None:
        parts.append(scene_part(limited(found.part("test", "crop"), photos.limit), photos.scenes))
    if not any(part.items for part in parts):
        framing = f" {photos.framing}" if photos.framing else ""
        raise DataError(f"{photos.data} has no photos of {', '.join(splits) or 'a test split'}{framing}")
    if photos.text is None:
        return parts
    return tell(parts, Telling(photos.text, read_texts(found, photos.data), photos.data, photos.cars))
