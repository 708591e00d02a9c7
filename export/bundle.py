"""From a training run to a bundle: export, check, measure, calibrate, write; all or nothing.

Owns the order of the steps and the folder. A bundle appears under its final name only when it is complete and
`models.manifest` finds no fault in it; a version that exists is never overwritten.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from export.card import Evidence, write_card
from export.onnx import export_graph
from export.operators import check_graph
from export.parity import BATCHES, Parity, check_parity
from export.provenance import SOURCES, licence_of
from export.runtime import Graph, measure
from export.scores import joined, sample_images, score
from models.backbones import SPECS
from models.calibration import conformal_quantile, fit_temperature, softmax, uncertain_threshold
from models.evaluation.figures import Scored, judge, metrics
from models.evaluation.items import Part, parts_of
from models.evaluation.scenes import scene_part
from models.manifest import (
    MANIFEST_NAME,
    BundleError,
    Calibration,
    ImageInput,
    Manifest,
    Output,
    Training,
    Variant,
    check_bundle,
    file_sha256,
)
from models.plain import PlainClassifier
from models.preprocess import Pixels, preprocess
from models.progress import progress_bar
from models.training.data import DataError, Dataset, limited, read_dataset
from models.training.runs import RunRecord, load_model
from models.training.taxonomy import labels_for, write_labels

GRAPH_NAME = "model.onnx"
COVERAGES = (0.9, 0.95)
TESTS = ("test", "whole_test")
_PARITY_PHOTOS = 16


@dataclass(frozen=True, slots=True)
class Order:
    """What to export, from where to where. `scenes` is a folder of photos to paste test crops into."""

    run: Path
    data: Path
    store: Path
    name: str
    version: str
    domain: str | None = None
    is_default: bool = False
    licence: str | None = None
    scenes: Path | None = None
    limit: int | None = None


def export_bundle(order: Order) -> Path:
    """Make the bundle and return its folder.

    Raises:
        DataError: the run or the data cannot be used.
        ParityError: the file does not compute what the model computes.
        BundleError: the graph or the folder breaks a rule; it names all of them.
    """
    record, model, epochs = load_model(order.run)
    dataset = read_dataset(record.dataset, order.data)
    if dataset.class_ids != record.class_ids:
        raise DataError(f"{order.data} has other classes than the run was trained on")
    folder = order.store / order.name / order.version
    if folder.exists():
        raise DataError(f"{folder} exists; a version is never overwritten, choose a higher one")
    partial = folder.with_name(f".{order.version}.partial") / order.name / order.version
    shutil.rmtree(partial.parents[1], ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _fill_folder(partial, order, record, model, epochs, dataset)
        faults = check_bundle(partial)
        if faults:
            raise BundleError(str(folder), faults)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial.parents[1], ignore_errors=True)
    return folder


def _fill_folder(
    folder: Path, order: Order, record: RunRecord, model: PlainClassifier, epochs: int, dataset: Dataset
) -> None:
    path = folder / GRAPH_NAME
    proto = export_graph(model, record.size_px, _facts(record))
    faults = check_graph(proto)
    if faults:
        raise BundleError(order.name, faults)
    onnx.save(proto, path)
    graph = Graph(path)
    evidence = _measure(graph, path.stat().st_size, order, record, model, dataset)
    write_samples(folder / "samples.npz", graph, record.size_px)
    labels = labels_for(record.dataset, record.class_ids)
    write_labels(folder / "labels.csv", labels)
    licence = licence_of(record, order.licence)
    card = write_card(f"{order.name} {order.version}", record, epochs, licence, evidence)
    (folder / "card.md").write_text(card, encoding="utf-8")
    source = SOURCES.get(record.dataset)
    first_test = next((row.top1.value for row in evidence.figures if not row.part.startswith("validation")), None)
    manifest = Manifest(
        name=order.name,
        version=order.version,
        system=record.system,
        task="classify",
        domain=order.domain or (source.domain if source else order.name),
        default=order.is_default,
        image=ImageInput(size_px=record.size_px, fit=record.fit),
        outputs=outputs_of(proto),
        graphs={"main": GRAPH_NAME},
        variants=(
            Variant(
                file=GRAPH_NAME,
                precision="fp32",
                parity_max=evidence.parity.largest["logits"],
                accuracy=first_test,
                latency=evidence.latency,
            ),
        ),
        files={entry.name: file_sha256(entry) for entry in sorted(folder.iterdir())},
        levels=labels.levels,
        calibration=evidence.calibration,
        batch_curve_ms={row.batch: row.median_ms for row in evidence.latency},
        training=Training(
            data=record.dataset,
            split="official; a tenth of the training photos held out by hash",
            seed=record.seed,
            recipe=record.recipe,
            backbone=record.backbone,
            metrics=metrics(evidence.figures),
        ),
        licence=licence,
    )
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _measure(
    graph: Graph, size_bytes: int, order: Order, record: RunRecord, model: PlainClassifier, dataset: Dataset
) -> Evidence:
    """Everything that the card states, on real photos."""
    held_out = parts_of(dataset, "validation", limit=order.limit)
    tests = [part for split in TESTS for part in parts_of(dataset, split, limit=order.limit)]
    if order.scenes is not None:
        tests.append(scene_part(limited(dataset.part("test", "crop"), order.limit), order.scenes))
    if sum(len(part.items) for part in held_out) < max(BATCHES):
        raise DataError(f"{order.data} holds too few validation photos to check and calibrate with")
    parity = _parity(model, graph, held_out, record)
    with progress_bar() as bar:
        task = bar.add_task("measuring", total=sum(len(part.items) for part in [*held_out, *tests]))
        scored = _score_all(graph, [*held_out, *tests], record, lambda: bar.advance(task))
    fitted = joined(scored[: len(held_out)], "validation")
    calibration = calibrate(fitted)
    rows = [row for one in scored for row in judge(one, record.dataset, calibration.temperature)]
    latency = measure(graph, record.size_px)
    return Evidence(parity, tuple(rows), len(fitted.labels), calibration, latency, size_bytes)


def _parity(model: PlainClassifier, graph: Graph, parts: list[Part], record: RunRecord) -> Parity:
    items = [item for part in parts for item in part.items]
    chosen = items[:: max(1, len(items) // _PARITY_PHOTOS)][:_PARITY_PHOTOS]
    images: Pixels = np.stack([preprocess(item.read(), record.size_px, record.fit)[0] for item in chosen])
    return check_parity(model, graph, images)


def _score_all(graph: Graph, parts: list[Part], record: RunRecord, advance: Callable[[], None]) -> list[Scored]:
    return [score(graph, part, record.class_ids, record.size_px, record.fit, advance) for part in parts]


def calibrate(scores: Scored) -> Calibration:
    """Fit temperature, then the uncertainty threshold and the conformal quantiles at that temperature."""
    temperature = fit_temperature(scores.logits, scores.labels)
    probabilities = softmax(scores.logits, temperature)
    of_label = probabilities[np.arange(len(scores.labels)), scores.labels]
    return Calibration(
        temperature=round(temperature, 4),
        uncertain_below=round(uncertain_threshold(probabilities.max(axis=1)), 4),
        conformal={str(coverage): round(conformal_quantile(of_label, coverage), 4) for coverage in COVERAGES},
    )


def write_samples(path: Path, graph: Graph, size_px: int) -> None:
    """A few inputs with the outputs expected of them.

    The activation is left out: of inputs that show nothing two classes may be equally likely, and which one is the
    strongest then differs between processors.
    """
    images = sample_images(size_px)
    found = graph(images)
    np.savez_compressed(path, image=images, logits=found["logits"], features=found["features"])


def outputs_of(proto: onnx.ModelProto) -> tuple[Output, ...]:
    """The graph's outputs as the manifest lists them."""
    return tuple(
        Output(name=value.name, shape=tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim[1:]))
        for value in proto.graph.output
    )


def _facts(record: RunRecord) -> dict[str, str]:
    spec = SPECS[record.backbone]
    return {
        "system": record.system,
        "backbone": record.backbone,
        "recipe": record.recipe,
        "input": f"uint8 RGB [B, {record.size_px}, {record.size_px}, 3], fit {record.fit}",
        "normalisation": f"(value - {spec.mean:g}) / {spec.std:g}, inside the graph",
        "precision": "fp32",
    }
