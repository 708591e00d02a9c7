"""What an export measures of a file before it may be called a bundle: parity, loss, figures, calibration, speed.

Owns the order of the measurements. Everything runs on the exported file itself, in the engine and on the photos' bytes and
texts as serving does. What tells more than accuracy is measured where its companion or its photos were named: the score
of `uncertain`, texts that do not fit, explanations, and the distance from the plain bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from export.fitting import calibrate
from export.parity import Parity, ParityError, check_parity
from export.runtime import CORES, Graph, Inputs, measure_file
from export.scores import Preparation, score_parts
from export.subject import Subject, Trials
from export.trust.companions import Companion, Companions
from export.trust.conflicts import Conflicts, fit_conflicts
from export.trust.explaining import Explained, judge_explanations, places_in
from export.trust.standing import Standing, compare_with
from export.trust.uncertainty import Uncertainty, is_partial, settle_uncertainty
from export.variants import LOSS_LIMIT
from models.calibration import Damping
from models.evaluation.figures import Figures, Scored, judge
from models.evaluation.items import Part
from models.sections import Calibration, LatencyRow, UncertaintyScore
from models.training.taxonomy import LabelTable

_PARITY_PHOTOS = 16


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was measured; the calibration was fitted on `held_out` views, of logits that the file has damped.

    `loss` is the top-1 that rounding the weights cost there, None where nothing was rounded. The last three are None
    where they were not asked for.
    """

    parity: Parity
    figures: tuple[Figures, ...]
    held_out: int
    damping: Damping | None
    calibration: Calibration
    latency: tuple[LatencyRow, ...]
    size_bytes: int
    limit: int | None
    loss: float | None
    uncertainty: Uncertainty
    conflicts: Conflicts | None
    explained: Explained | None
    standing: Standing | None

    @property
    def is_experimental(self) -> bool:
        """Whether the bundle lies too far below the plain one of its domain."""
        return self.standing is not None and self.standing.is_behind


def gather(subject: Subject, table: LabelTable, trials: Trials, companions: Companions) -> Evidence:
    """Measure the exported file.

    Raises:
        ParityError: it does not compute what the model computes, or rounding cost more than `LOSS_LIMIT`.
        DataError: a companion cannot be asked about these photos.
    """
    graph = Graph(subject.path, threads=CORES)
    parity = check_parity(subject.model, graph, _parity_inputs(trials.held_out, subject.preparation), subject.damping)
    held_out = _score(graph, subject, trials.held_out)
    loss = _loss(subject, trials.held_out, held_out)
    uncertainty = _settle(graph, subject, trials, companions.unknown)
    conflicts = _find_conflicts(subject, trials, companions.student)
    below = conflicts.rule.below if conflicts else None
    calibration = calibrate(held_out, table, uncertainty.score, uncertainty.likeness, below)
    tests = _score(graph, subject, trials.tests)
    return Evidence(
        parity=parity,
        figures=tuple(
            row
            for one in (*held_out, *tests)
            for row in judge(one, subject.photos.dataset.name, calibration.temperature)
        ),
        held_out=sum(len(one.labels) for one in held_out),
        damping=subject.damping,
        calibration=calibration,
        latency=measure_file(subject.path),
        size_bytes=subject.path.stat().st_size,
        limit=trials.limit,
        loss=loss,
        uncertainty=uncertainty,
        conflicts=conflicts,
        explained=_explain(graph, subject, trials.explained, calibration.temperature),
        standing=compare_with(companions.plain, tests[0]) if companions.plain and tests else None,
    )


def _settle(graph: Graph, subject: Subject, trials: Trials, unknown: Companion | None) -> Uncertainty:
    """The score of `uncertain`, by a model that was not taught some classes: the named one, or else the file if it is one.

    What a system that reads texts makes of a photo depends on the text: none is tried. Untried, it is the highest probability;
    of damped logits their height, for damping promises more where logits are low, as they are of what is unknown.
    """
    untried: UncertaintyScore = "max_softmax" if subject.damping is None else "height"
    if subject.preparation.vocabulary is not None:
        return Uncertainty(untried=untried)
    dataset = subject.photos.dataset
    own = Companion(subject.identity, subject.class_ids, subject.preparation, graph)
    stand_in = unknown or (own if is_partial(dataset) else None)
    return replace(settle_uncertainty(own, stand_in, dataset, trials.held_out, trials.limit), untried=untried)


def _find_conflicts(subject: Subject, trials: Trials, student: Companion | None) -> Conflicts | None:
    texts, vocabulary = subject.photos.texts, subject.preparation.vocabulary
    if student is None or texts is None or vocabulary is None:
        return None
    return fit_conflicts(student, subject.photos.dataset, texts, vocabulary, trials)


def _explain(graph: Graph, subject: Subject, part: Part | None, temperature: float) -> Explained | None:
    if part is None:
        return None
    places = places_in(subject.photos, subject.preparation)
    return judge_explanations(graph, subject.preparation, part, temperature, places)


def _score(graph: Graph, subject: Subject, parts: Sequence[Part]) -> list[Scored]:
    return score_parts(graph, parts, subject.class_ids, subject.preparation)


def _loss(subject: Subject, parts: Sequence[Part], stored: Sequence[Scored]) -> float | None:
    """The top-1 that the exact file has above the stored one, over all held-out photos."""
    if subject.exact is None:
        return None
    before, after = (_top1(scored) for scored in (_score(Graph(subject.exact, threads=CORES), subject, parts), stored))
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
