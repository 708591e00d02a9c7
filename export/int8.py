"""A new version of a bundle, with a graph beside the old one that computes in 8 bits: made, measured, kept if it is worth it.

Owns the order of the steps and what 8 bits may cost. The weights stay as they are, so a bundle gets its fast graph without
its run; what a service needs of it, calibration and samples, is its own, for rounding shifts the scores.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from export.bundle import write_samples
from export.fitting import calibrate
from export.folder import new_bundle
from export.manifest import GRAPH_NAME
from export.operators import check_graph
from export.quantize import QuantizationError, quantize
from export.runtime import CORES, Graph, Inputs, measure_file, speedup
from export.scores import Preparation, sample_images, score_parts
from export.variants import size_limit_bytes
from models.bundle import check_bundle
from models.calibration import ece, softmax
from models.evaluation.figures import Figures, Scored, judge, markdown
from models.evaluation.items import item_of, parts_of
from models.labels import read_labels
from models.manifest import MANIFEST_NAME, BundleError, Manifest, file_sha256, read_manifest
from models.sections import Calibration, LatencyRow, Variant
from models.training.data import DataError, Dataset, limited, read_dataset
from models.training.taxonomy import LabelTable

#: What 8 bits may cost on held-out photos, in top-1 and in calibration error, and how much faster they must be.
LOSS_LIMIT = 0.01
ECE_RISE_LIMIT = 0.02
SPEEDUP_NEED = 1.3

INT8_NAME = "model.int8.onnx"
INT8_SAMPLES_NAME = "samples.int8.npz"
#: Training photos whose values set the ranges; they are neither held out nor test photos.
CALIBRATION_PHOTOS = 300
_CARD_NAME = "card.md"


@dataclass(frozen=True, slots=True)
class QuantizeOrder:
    """Which bundle gets a fast graph, its data, and the new version's number and store; `limit` bounds every part."""

    bundle: Path
    data: Path
    version: str
    store: Path
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class _Cost:
    """What 8 bits cost on held-out photos, what they gain, and how often the answer stays the same."""

    loss: float
    ece_rise: float
    speedup: float
    agreement: float


@dataclass(frozen=True, slots=True)
class _Measured:
    """All that is told of the fast graph."""

    cost: _Cost
    calibration: Calibration
    figures: tuple[Figures, ...]
    latency: tuple[LatencyRow, ...]
    held_out: int


def quantize_bundle(order: QuantizeOrder) -> Path:
    """Make the new version and return its folder.

    Raises:
        DataError: the data is not what the bundle was trained on, or the version exists.
        QuantizationError: the bundle is none that can compute in 8 bits, or it would lose too much, or gain too little.
        BundleError: the bundle cannot be read, or the new one would break a rule.
    """
    manifest = read_manifest(order.bundle)
    dataset, table = _read_data(order, manifest)
    with new_bundle(order.store, manifest.name, order.version) as (partial, folder):
        for name in manifest.files:
            shutil.copy2(order.bundle / name, partial / name)
        preparation = Preparation(manifest.image.size_px, manifest.image.fit)
        proto = quantize(partial / GRAPH_NAME, _batches(dataset, preparation))
        if faults := check_graph(proto):
            raise BundleError(manifest.name, faults)
        onnx.save(proto, partial / INT8_NAME)
        _require_room(partial, manifest)
        found = _measure(partial, manifest, dataset, table, preparation, order.limit)
        fast = Graph(partial / INT8_NAME, computes="int8")
        write_samples(partial / INT8_SAMPLES_NAME, fast, Inputs(sample_images(manifest.image.size_px)))
        _write_card(partial / _CARD_NAME, f"{manifest.name} {order.version}", found, order.limit)
        made = _manifest(partial, manifest, order.version, found)
        (partial / MANIFEST_NAME).write_text(made.model_dump_json(indent=2) + "\n", encoding="utf-8")
        if faults := check_bundle(partial):
            raise BundleError(manifest.name, faults)
    return folder


def _read_data(order: QuantizeOrder, manifest: Manifest) -> tuple[Dataset, LabelTable]:
    """The data that the bundle was trained on, and its label table."""
    if manifest.graphs.keys() != {"main"} or manifest.text is not None or manifest.training is None:
        raise QuantizationError(f"{manifest.identity} is no classifier of photos alone whose data is on record")
    if manifest.calibration.score == "distance":
        raise QuantizationError(f"{manifest.identity} tells the unknown by its features, which 8 bits would shift")
    if manifest.int8 is not None:
        raise QuantizationError(f"{manifest.identity} has a graph in 8 bits already")
    dataset = read_dataset(manifest.training.data, order.data)
    labels = tuple(read_labels(order.bundle / "labels.csv", manifest.levels))
    if dataset.class_ids != tuple(label.class_id for label in labels):
        raise DataError(f"{order.data} has other classes than {manifest.identity} knows")
    return dataset, LabelTable(manifest.levels, labels)


def _require_room(folder: Path, manifest: Manifest) -> None:
    """A bundle travels in git, and one with two graphs may weigh no more than one with one."""
    weight, limit = sum(entry.stat().st_size for entry in folder.iterdir()), size_limit_bytes(manifest.system)
    if weight > limit:
        raise QuantizationError(
            f"with a graph in 8 bits {manifest.identity} would weigh {weight / 2**20:.1f} MiB; {limit >> 20} are allowed"
        )


def _batches(dataset: Dataset, preparation: Preparation) -> Iterator[Inputs]:
    """Training photos one by one, from all over the set and in every framing."""
    for row in limited(dataset.part("train"), CALIBRATION_PHOTOS):
        yield preparation.inputs([item_of(row)])


def _measure(
    folder: Path, manifest: Manifest, dataset: Dataset, table: LabelTable, preparation: Preparation, limit: int | None
) -> _Measured:
    exact = Graph(folder / GRAPH_NAME, threads=CORES)
    fast = Graph(folder / INT8_NAME, threads=CORES, computes="int8")
    held_out = parts_of(dataset, "validation", limit=limit)
    splits = sorted({row.split for row in dataset.rows} - {"train", "validation"})
    tests = [part for split in splits for part in parts_of(dataset, split, limit=limit)]
    before, after, tested = (
        score_parts(graph, parts, dataset.class_ids, preparation)
        for graph, parts in ((exact, held_out), (fast, held_out), (fast, tests))
    )
    fitted = calibrate(after, table, manifest.calibration.score)
    gain = speedup(Graph(folder / GRAPH_NAME), Graph(folder / INT8_NAME, computes="int8"))
    cost = _cost(before, after, manifest.calibration.temperature, fitted.temperature, gain)
    _require_worth(manifest, cost)
    rows = (row for one in (*after, *tested) for row in judge(one, dataset.name, fitted.temperature))
    latency = measure_file(folder / INT8_NAME, computes="int8")
    return _Measured(cost, fitted, tuple(rows), latency, sum(len(one.labels) for one in after))


def _cost(before: Sequence[Scored], after: Sequence[Scored], temperature: float, fitted: float, gain: float) -> _Cost:
    labels = np.concatenate([one.labels for one in before])
    exact, fast = (np.concatenate([one.logits for one in parts]) for parts in (before, after))
    picks, quick = exact.argmax(1), fast.argmax(1)
    errors = [
        ece(softmax(logits, divisor).max(axis=1), chosen == labels)
        for logits, divisor, chosen in ((exact, temperature, picks), (fast, fitted, quick))
    ]
    return _Cost(
        loss=float((picks == labels).mean() - (quick == labels).mean()),
        ece_rise=errors[1] - errors[0],
        speedup=gain,
        agreement=float((picks == quick).mean()),
    )


def _require_worth(manifest: Manifest, cost: _Cost) -> None:
    if cost.loss > LOSS_LIMIT:
        raise QuantizationError(
            f"8 bits cost {manifest.identity} {100 * cost.loss:.2f} points of top-1 on held-out photos; "
            f"at most {100 * LOSS_LIMIT:.1f} are allowed"
        )
    if cost.ece_rise > ECE_RISE_LIMIT:
        raise QuantizationError(
            f"8 bits raise the calibration error of {manifest.identity} by {cost.ece_rise:.3f} on held-out photos; "
            f"at most {ECE_RISE_LIMIT:.3f} are allowed"
        )
    if cost.speedup < SPEEDUP_NEED:
        raise QuantizationError(
            f"8 bits make {manifest.identity} {cost.speedup:.2f} times as fast on this processor; "
            f"below {SPEEDUP_NEED:.1f} a second graph is not worth its place"
        )


def _manifest(folder: Path, manifest: Manifest, version: str, found: _Measured) -> Manifest:
    tests = [row for row in found.figures if not row.part.startswith("validation")]
    variant = Variant(
        file=INT8_NAME,
        precision="int8",
        computes="int8",
        accuracy=tests[0].top1.value if tests else None,
        accuracy_loss=found.cost.loss,
        latency=found.latency,
        calibration=found.calibration,
        samples=INT8_SAMPLES_NAME,
    )
    changes = {
        "version": version,
        "variants": (*manifest.variants, variant),
        "files": {entry.name: file_sha256(entry) for entry in sorted(folder.iterdir())},
    }
    return Manifest.model_validate(manifest.model_copy(update=changes).model_dump())


def _write_card(path: Path, identity: str, found: _Measured, limit: int | None) -> None:
    """The card of the version before, under the new name and with what is told of the fast graph."""
    _, _, rest = path.read_text(encoding="utf-8").partition("\n")
    path.write_text(f"# {identity}\n{rest.rstrip()}\n\n{_section(found, limit)}", encoding="utf-8")


def _section(found: _Measured, limit: int | None) -> str:
    cost, rows = found.cost, found.latency
    trial = f"At most {limit} photos of each part were measured: a trial. " if limit else ""
    side = "below" if cost.loss > 0 else "above"
    return (
        "## In 8 bits\n\n"
        f"`{INT8_NAME}` is the same network with convolutions that compute in 8 bits, for `--arithmetic int8` on a CPU. A "
        f"photo alone takes {rows[0].median_ms:.1f} ms on one thread of {rows[0].machine}, where `{GRAPH_NAME}`, called in "
        f"turns with it, takes {cost.speedup:.2f} times as long. On {found.held_out:,} held-out views its top-1 lies "
        f"{100 * abs(cost.loss):.2f} points {side} that of the other graph, the best class is the same for "
        f"{100 * cost.agreement:.1f} %, and the calibration error differs by {100 * cost.ece_rise:+.2f} points. {trial}Its "
        f"temperature ({found.calibration.temperature:.4f}), thresholds and sets were fitted to it; how faithful explanations "
        "are was measured with the other graph.\n\n"
        f"{markdown(found.figures)}"
    )
