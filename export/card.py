"""The card of a bundle, written from what was measured: a person reads it before trusting the model.

Owns the order of a card and its words on origin, accuracy, speed and terms; those on what accuracy does not tell are
`export.caveats`'s. Every figure comes from the export that made the bundle.
"""

from __future__ import annotations

from collections.abc import Sequence

from export.caveats import behind, explanations, limits, mismatches, standing, uncertain
from export.evidence import Evidence
from export.order import Trained
from export.provenance import BACKBONES
from models.evaluation.figures import markdown
from models.sections import Calibration, LatencyRow, Licence
from models.training.runs import Reached, RunRecord


def write_card(identity: str, trained: Trained, evidence: Evidence) -> str:
    """The card as Markdown."""
    record, role, source = trained.record, trained.role, trained.source
    kind = "router" if role.is_router else f"{role.system} classifier"
    sections = [
        f"# {identity}\n",
        f"A {kind} of {len(record.class_ids)} classes; {evidence.size_bytes / 2**20:.1f} MiB.\n",
        _INTRODUCTIONS[role.system],
        behind(evidence.standing),
        "## Data and training\n",
        _training(record, trained.reached, source.title if source else f"the user's own photos ({record.dataset})"),
        "## Figures\n",
        _figures(evidence),
        _balanced(evidence) if role.is_router else "",
        standing(evidence.standing),
        "## Calibration\n",
        _calibration(evidence),
        uncertain(evidence.uncertainty),
        mismatches(evidence.conflicts),
        explanations(evidence.explained),
        "## Speed\n",
        _speed(evidence.latency),
        "## Parity\n",
        _parity(evidence),
        "## Limits\n",
        _bullets([*(source.limits if source else ()), *limits(role, evidence)]),
        "## Licence\n",
        _licence(trained.licence),
    ]
    return "\n".join(section for section in sections if section)


_INTRODUCTIONS: dict[str, str] = {
    "plain": "It answers from the mean of the backbone's features; its map shows evidence of the strongest class.\n",
    "pma_student": "It learnt from the probabilities of a teacher, never from a label, and answers from the photo alone.\n",
    "pma_visual": "It looks at three blocks of the photo one after the other, none of them twice.\n",
    "pma": "It reads what is said of the photo, and looks at three blocks and the phrases tied to each.\n",
    "s3n": "It looks three times: at the photo, and at two views that enlarge the strongest and the weakest evidence.\n",
    "rams_trans": "It answers from the whole photo and names the region that it would enlarge.\n",
    "router": "It tells what a photo shows, so that the model of that domain is asked, or none.\n",
}


def _training(record: RunRecord, reached: Reached, data: str) -> str:
    trial = f" Only {record.limit} photos of each part were trained on: a trial." if record.limit else ""
    aside = f" {record.held_out} classes were set aside and not taught." if record.held_out else ""
    return (
        f"Data: {data}. A fixed tenth of the training photos, chosen by a hash of the photo, was held out for "
        f"validation and calibration.{aside}{trial}\n\n"
        f"Backbone `{record.backbone}` ({BACKBONES[record.backbone]}) {_course(record, reached)}. "
        f"Input: {record.size_px} px, fit `{record.fit}`.\n"
    )


def _course(record: RunRecord, reached: Reached) -> str:
    """How the stored weights came about."""
    if record.members:
        names = " and ".join(f"`{name}`" for name in record.members)
        share = f", {reached.blend:.0%} of it, and the rest `{record.weights}`" if reached.blend is not None else ""
        return f"Stored {'is the mean of' if len(record.members) > 1 or share else 'are'} the weights of {names}{share}"
    begun = f", begun from `{record.weights}`" if record.weights else ""
    return (
        f"Recipe `{record.recipe}`{begun}, seed {record.seed}, {reached.epochs} of {record.epochs} epochs; "
        f"{_weights(reached)}"
    )


def _weights(reached: Reached) -> str:
    if reached.blend is None:
        return "the moving average of the weights is stored"
    return (
        f"stored is the moving average of the weights at the end ({reached.blend:.0%}) averaged with those before the "
        "first step, the share chosen on the validation part"
    )


def _figures(evidence: Evidence) -> str:
    trial = f"At most {evidence.limit} photos of each part were measured: a trial. " if evidence.limit else ""
    return (
        f"{markdown(evidence.figures)}\n{trial}"
        "Per cent. The interval is a 95 % bootstrap that resamples photos; accuracy was measured with the stored file in "
        "ONNX Runtime on the processor. The validation rows fitted the calibration, so their calibrated error is flattering.\n"
    )


def _balanced(evidence: Evidence) -> str:
    """What counts for a router: the mean over the classes that a part has."""
    rows = [row for row in evidence.figures if not row.part.startswith("validation")]
    shares = ", ".join(f"{row.part} {100 * row.mean_class:.2f} %" for row in rows)
    return f"Balanced accuracy, the mean per class: {shares or 'no part tests it'}.\n"


def _calibration(evidence: Evidence) -> str:
    fitted = evidence.calibration
    sets = ", ".join(f"{float(coverage):.0%}: {value:.4f}" for coverage, value in fitted.conformal.items())
    return (
        f"Fitted on {evidence.held_out:,} held-out views: {_damping(evidence)}temperature {fitted.temperature:.4f}; an answer is called "
        f"uncertain where {_SCORES[fitted.score]} is below {fitted.uncertain_below:.4f}, which flags at most 5 % of the "
        f"held-out photos; quantiles of 1 - p(label) by coverage: {sets}.{_more(fitted)}\n"
    )


def _damping(evidence: Evidence) -> str:
    damping = evidence.damping
    if damping is None:
        return ""
    return (
        f"logits divided by their height above their mean, in units of {damping.usual:.2f}, to the power "
        f"{damping.exponent:.2f} inside the graph; "
    )


_SCORES = {
    "max_softmax": "its highest probability",
    "energy": "the photo's energy score",
    "height": "the height of its strongest logit above their mean",
    "distance": "the photo's likeness to the nearest class",
}


def _more(fitted: Calibration) -> str:
    """What is fitted only where the classes have levels, or several held-out photos each."""
    levels = "; ".join(
        f"{level} " + ", ".join(f"{float(coverage):.0%}: {value:.4f}" for coverage, value in quantiles.items())
        for level, quantiles in fitted.conformal_levels.items()
    )
    pooled, scene = fitted.pooled_temperature, fitted.scene_temperature
    return (
        (f" By level: {levels}." if levels else "")
        + (f" Several photos of one subject: temperature {pooled:.4f}." if pooled is not None else "")
        + (f" A subject cut out and the scene around it: temperature {scene:.4f}." if scene is not None else "")
    )


def _speed(latency: Sequence[LatencyRow]) -> str:
    lines = ["| machine | threads | batch | median |", "|---|---:|---:|---:|"]
    lines += [f"| {row.machine} | {row.threads} | {row.batch} | {row.median_ms:.1f} ms |" for row in latency]
    return "\n".join(lines) + "\n\nThe graph alone; decoding a photo comes on top.\n"


def _parity(evidence: Evidence) -> str:
    parity = evidence.parity
    largest = ", ".join(f"{name} {difference:.1e}" for name, difference in parity.largest.items())
    rounded = (
        ""
        if evidence.loss is None
        else (
            f" The weights are stored rounded, which costs {100 * evidence.loss:.2f} points of top-1 on the "
            f"{evidence.held_out:,} held-out views."
        )
    )
    return (
        f"Against torch on {parity.photos} photos at batch sizes 1, 2, 3 and 8, as a share of the largest value: {largest}. "
        f"Alone against in a batch: {parity.coupling:.1e}.{rounded}\n"
    )


def _licence(licence: Licence) -> str:
    use = "Research use only." if licence.research_only else "See the terms."
    return f"{licence.name}. {use}\n\n{_bullets(licence.attribution)}"


def _bullets(lines: Sequence[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)
