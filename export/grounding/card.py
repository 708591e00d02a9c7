"""The card of a grounding bundle, written from what was measured: a person reads it before trusting the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from export.provenance import VOC_SOURCE, grounding_licence, grounding_sources
from models.evaluation.grounding.table import Presence, Row, to_markdown
from models.sections import Calibration, LatencyRow
from models.training.grounding.record import GroundRecord, Trained

_HEADS = {
    "cls": "The box is told by [CLS], as in the paper.",
    "cell": "Every cell of the photo tells a box and how sure it is; the box is their mean. The paper's own head is [CLS].",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured: rows of the test, presence, the calibration and on how many, parity, speed, size."""

    rows: Sequence[Row]
    presence: Presence | None
    calibration: Calibration
    held_out: int
    parity: dict[str, float]
    latency: dict[str, LatencyRow]
    size_bytes: int
    limit: int | None


def write_card(identity: str, trained: Trained, measured: Measured) -> str:
    """The card as Markdown."""
    return "\n".join(
        [
            f"# {identity}\n",
            f"It finds the one thing in a photo that an English expression means; {measured.size_bytes / 2**20:.1f} MiB.\n",
            f"{_HEADS[trained.record.recipe.head]} No rule reads the words, and no detector's boxes are chosen among.\n",
            "## Data and training\n",
            _training(trained),
            "## Figures\n",
            _figures(measured),
            "## Calibration\n",
            _calibration(measured),
            "## Speed\n",
            _speed(measured.latency),
            "## Parity\n",
            _parity(measured.parity),
            "## Limits\n",
            "".join(f"- {line}\n" for line in VOC_SOURCE.limits),
            "## Licence\n",
            _licence(trained),
        ]
    )


def _training(trained: Trained) -> str:
    record = trained.record
    recipe = record.recipe
    titles = "; ".join(source.title for source in grounding_sources(record.birds))
    trial = f" Only {record.limit} photos were trained on: a trial." if record.limit else ""
    start = f" on top of `{record.init}`" if record.init else ""
    return (
        f"Data: {titles}. 400 training photos, chosen by a hash of the photo, were held out for validation and "
        f"calibration.{trial} {_expressions(record)}\n\n"
        f"What sees is `{recipe.backbone}`, from `{record.weights}`, as it is; projections above it learnt to detect the same "
        f"boxes and were then frozen. What reads is MiniLM-L6, frozen, with {record.pieces:,} word pieces. Seed {recipe.seed}, "
        f"{trained.epochs} of {recipe.epochs} epochs{start}; the moving average of the weights is stored. "
        f"Input: {recipe.size_px} px, letterboxed; at most {trained.words.length} word pieces are read.\n"
    )


def _expressions(record: GroundRecord) -> str:
    if record.human is None:
        return "Expressions were generated from the boxes; no person wrote them."
    share = f"{100 * record.recipe.dressed_share:.0f} %"
    return (
        f"Expressions were generated from the boxes; {share} were then dressed in words that people used of such things "
        f"(`{record.human}`), which boxes do not prove."
    )


def _figures(measured: Measured) -> str:
    trial = f"At most {measured.limit} items of each part were measured: a trial. " if measured.limit else ""
    return (
        f"{to_markdown(measured.rows, measured.presence)}\n{trial}Per cent. A hit covers its target by more than half. The "
        "interval is a 95 % bootstrap that resamples photos; measured with the stored files in ONNX Runtime on the processor.\n"
    )


def _calibration(measured: Measured) -> str:
    fitted = measured.calibration
    return (
        f"Fitted on {measured.held_out:,} expressions about held-out photos: presence has the temperature "
        f"{fitted.temperature:.4f}, quality {fitted.quality_temperature or 1.0:.4f}. A thing is said to be absent where its "
        f"presence is below {fitted.absent_below or 0.0:.4f}: one in ten expressions that mean nothing passes.\n"
    )


def _speed(latency: dict[str, LatencyRow]) -> str:
    lines = ["| graph | machine | threads | median |", "|---|---|---:|---:|"]
    lines += [f"| {name} | {row.machine} | {row.threads} | {row.median_ms:.1f} ms |" for name, row in latency.items()]
    return "\n".join(lines) + "\n\n`vision` runs once a photo, `fuse` once an expression; decoding comes on top.\n"


def _parity(parity: dict[str, float]) -> str:
    largest = ", ".join(f"{name} {difference:.1e}" for name, difference in parity.items())
    return (
        f"Against torch with the stored weights at batch sizes 1, 2, 3 and 8: {largest}. The language is stored in 8-bit "
        "steps, all else in half precision; both graphs compute in single precision.\n"
    )


def _licence(trained: Trained) -> str:
    licence = grounding_licence(trained.record.recipe.backbone, trained.record.birds, trained.record.human)
    return f"{licence.name}. Research use only.\n\n" + "".join(f"- {line}\n" for line in licence.attribution)
