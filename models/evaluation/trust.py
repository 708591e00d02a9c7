"""How far a bundle's honest answers can be trusted, as tables: sets, unknown subjects, explanations.

Owns what is printed and in which words. The figures are those of `sets`, `unknowns`, `faithfulness` and `pointing`; this
module puts the levels of a bundle and its manifest's numbers to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.calibration import CoverageCheck, Levels, check_coverage, is_singleton, softmax
from models.evaluation.faithfulness import CONTROLS, OWN, Faithfulness
from models.evaluation.figures import Scored, table
from models.evaluation.metrics import Interval, Share
from models.evaluation.pointing import Pointing
from models.evaluation.unknowns import UnknownFigures
from models.labels import Label
from models.sections import Calibration


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """The sets of one level on one part; of a singleton the best value alone is the set."""

    part: str
    level: str
    is_singleton: bool
    check: CoverageCheck


def levels_of(labels: Sequence[Label], names: Sequence[str]) -> Levels:
    """A bundle's classes grouped by level."""
    return Levels(names, [list(label.levels.values()) for label in labels], [label.label for label in labels])


def coverage_rows(scored: Scored, levels: Levels | None, fitted: Calibration, photos: int) -> list[CoverageRow]:
    """How often the sets of a manifest hold the truth on a part, for the classes and each level.

    `photos` is the number of held-out photos that each quantile was fitted on.
    """
    probabilities = softmax(scored.logits, fitted.temperature)
    judged = [("class", probabilities, scored.labels, fitted.conformal)]
    if levels is not None:
        judged += [
            (name, levels.sums(name, probabilities), levels.groups(name)[scored.labels], quantiles)
            for name, quantiles in fitted.conformal_levels.items()
        ]
    return [
        CoverageRow(
            scored.part.name,
            level,
            is_singleton(quantile),
            check_coverage(shares, truth, quantile, float(coverage), photos),
        )
        for level, shares, truth, quantiles in judged
        for coverage, quantile in quantiles.items()
    ]


def coverage_table(rows: Sequence[CoverageRow]) -> str:
    """Sets by level: what was stated, what was found and whether that can be chance."""
    lines = [("part", "level", "stated", "found", "95 % of test sets", "mean size", "holds")]
    for row in rows:
        check = row.check
        size = "singleton" if row.is_singleton else f"{check.mean_size:.2f}"
        stated, found = f"{100 * check.stated:.0f} %", f"{100 * check.found:.1f} %"
        holds = "yes" if check.holds else "no"
        lines.append((row.part, row.level, stated, found, _span(*check.interval), size, holds))
    return table(lines)


def unknown_table(rows: Sequence[UnknownFigures], chosen: str) -> str:
    """Collections of unknown subjects by score, with how much of it may be style."""
    names = list(rows[0].scores) if rows else []
    lines = [
        ("unknown", "photos", *(f"AUROC {name}" for name in names), f"flagged by {chosen}", "sharpness", "softened")
    ]
    for row in rows:
        scores = (f"{row.scores[name].value:.3f} ({_pair(row.scores[name].interval)})" for name in names)
        softened = "not sharper" if row.softened is None else f"{row.softened:.3f}"
        lines.append((row.name, f"{row.photos:,}", *scores, f"{100 * row.flagged:.1f} %", f"{row.style:.3f}", softened))
    return table(lines)


def faithfulness_table(found: Faithfulness) -> str:
    """Areas under the curves, and by how much the explanation beats each control when it is deleted."""
    lines = [("order", "deletion", "insertion", "explanation deletes more by")]
    for order in (OWN, *CONTROLS):
        margin = _margin(found.margins[order]) if order in found.margins else ""
        lines.append((order, f"{found.deletion[order]:.3f}", f"{found.insertion[order]:.3f}", margin))
    word = "faithful" if found.is_faithful else "not shown to be faithful"
    return f"{table(lines)}\n{found.count:,} photos: the explanation is {word}.\n"


def pointing_table(found: Pointing) -> str:
    """Hits of the explanation's strongest point beside those of the photo's middle."""
    lines = [
        ("target", "photos", "explanation", "middle of the photo", "difference"),
        ("box", *_hits(found.box, found.middle_box, found.box_margin)),
        ("part", *_hits(found.part, found.middle_part, found.part_margin)),
    ]
    return table(lines)


def _hits(own: Share, middle: Share, margin: Interval) -> tuple[str, ...]:
    shares = (f"{100 * one.value:.1f} % ({_span(*one.bootstrap)})" for one in (own, middle))
    points = Interval(100 * margin.mean, 100 * margin.low, 100 * margin.high)
    return f"{own.count:,}", *shares, f"{points.mean:+.1f} ({points.low:+.1f} to {points.high:+.1f})"


def _margin(one: Interval) -> str:
    return f"{one.mean:+.3f} ({one.low:+.3f} to {one.high:+.3f})"


def _pair(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.3f} - {ends[1]:.3f}"


def _span(low: float, high: float) -> str:
    return f"{100 * low:.1f} - {100 * high:.1f}"
