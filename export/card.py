"""The card of a bundle, written from what was measured: a person reads it before trusting the model.

Owns the words; every figure comes from the export that made the bundle.
"""

from __future__ import annotations

from collections.abc import Sequence

from export.evidence import Evidence
from export.parity import Parity
from export.provenance import BACKBONES, SOURCES
from models.evaluation.figures import markdown
from models.manifest import LatencyRow, Licence
from models.training.runs import Reached, RunRecord


def write_card(identity: str, record: RunRecord, reached: Reached, licence: Licence, evidence: Evidence) -> str:
    """The card as Markdown."""
    source = SOURCES.get(record.dataset)
    sections = [
        f"# {identity}\n",
        f"A {record.system} classifier of {len(record.class_ids)} classes; {evidence.size_bytes / 2**20:.1f} MiB.\n",
        "## Data and training\n",
        _training(record, reached, source.title if source else f"the user's own photos ({record.dataset})"),
        "## Figures\n",
        _figures(evidence),
        "## Calibration\n",
        _calibration(evidence),
        "## Speed\n",
        _speed(evidence.latency),
        "## Parity\n",
        _parity(evidence.parity),
        "## Limits\n",
        _bullets([*(source.limits if source else ()), *_GENERAL_LIMITS]),
        "## Licence\n",
        _licence(licence),
    ]
    return "\n".join(sections)


_GENERAL_LIMITS = (
    "The activation map shows evidence of the strongest class; how faithful it is was not measured.",
    "A photo of something else gets an answer too; a low probability flags only some of them.",
)


def _training(record: RunRecord, reached: Reached, data: str) -> str:
    trial = f" Only {record.limit} photos of each part were trained on: a trial." if record.limit else ""
    return (
        f"Data: {data}. A fixed tenth of the training photos, chosen by a hash of the photo, was held out for "
        f"validation and calibration.{trial}\n\n"
        f"Backbone `{record.backbone}` ({BACKBONES[record.backbone]}) Recipe `{record.recipe}`, seed {record.seed}, "
        f"{reached.epochs} of {record.epochs} epochs; {_weights(reached)}. Input: {record.size_px} px, "
        f"fit `{record.fit}`.\n"
    )


def _weights(reached: Reached) -> str:
    if reached.blend is None:
        return "the moving average of the weights is stored"
    return (
        f"stored is the moving average of the weights at the end ({reached.blend:.0%}) averaged with the probed start, the "
        "share chosen on the validation part"
    )


def _figures(evidence: Evidence) -> str:
    trial = f"At most {evidence.limit} photos of each part were measured: a trial. " if evidence.limit else ""
    return (
        f"{markdown(evidence.figures)}\n{trial}"
        "Per cent. The interval is a 95 % bootstrap that resamples photos; accuracy was measured with the stored file in "
        "ONNX Runtime on the processor. The validation rows fitted the calibration, so their calibrated error is flattering.\n"
    )


def _calibration(evidence: Evidence) -> str:
    fitted = evidence.calibration
    sets = ", ".join(f"{float(coverage):.0%}: {value:.4f}" for coverage, value in fitted.conformal.items())
    return (
        f"Fitted on {evidence.held_out:,} held-out views: temperature {fitted.temperature:.4f}; an answer is called "
        f"uncertain below {fitted.uncertain_below:.4f}, which flags at most 5 % of the held-out photos; quantiles of "
        f"1 - p(label) by coverage: {sets}.\n"
    )


def _speed(latency: Sequence[LatencyRow]) -> str:
    lines = ["| machine | threads | batch | median |", "|---|---:|---:|---:|"]
    lines += [f"| {row.machine} | {row.threads} | {row.batch} | {row.median_ms:.1f} ms |" for row in latency]
    return "\n".join(lines) + "\n\nThe graph alone; decoding a photo comes on top.\n"


def _parity(parity: Parity) -> str:
    largest = ", ".join(f"{name} {difference:.1e}" for name, difference in parity.largest.items())
    return (
        f"Against torch on {parity.photos} photos at batch sizes 1, 2, 3 and 8, as a share of the largest value: {largest}. "
        f"Alone against in a batch: {parity.coupling:.1e}.\n"
    )


def _licence(licence: Licence) -> str:
    use = "Research use only." if licence.research_only else "See the terms."
    return f"{licence.name}. {use}\n\n{_bullets(licence.attribution)}"


def _bullets(lines: Sequence[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)
