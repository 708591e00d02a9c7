"""From a training run to a bundle: export, check, measure, write; all or nothing.

Owns the order of the steps and the folder. A bundle appears under its final name only when it is complete and
`models.manifest` finds no fault in it; a version that exists is never overwritten.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from export.card import write_card
from export.evidence import Evidence, Trials, choose_trials, gather
from export.onnx import export_graph
from export.operators import check_graph
from export.provenance import SOURCES, licence_of
from export.runtime import Graph
from export.scores import sample_images
from models.backbones import SPECS
from models.bundle import check_bundle
from models.evaluation.figures import metrics
from models.manifest import (
    MANIFEST_NAME,
    BundleError,
    ImageInput,
    Licence,
    Manifest,
    Output,
    Training,
    Variant,
    file_sha256,
)
from models.plain import PlainClassifier
from models.training.data import DataError, read_dataset
from models.training.runs import Reached, RunRecord, load_model
from models.training.taxonomy import labels_for, write_labels

GRAPH_NAME = "model.onnx"


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


@dataclass(frozen=True, slots=True)
class Trained:
    """A run's model and what is known of it."""

    record: RunRecord
    model: PlainClassifier
    reached: Reached
    licence: Licence


def export_bundle(order: Order) -> Path:
    """Make the bundle and return its folder.

    Raises:
        DataError: the run or the data cannot be used.
        ParityError: the file does not compute what the model computes.
        BundleError: the graph or the folder breaks a rule; it names all of them.
    """
    record, model, reached = load_model(order.run)
    trained = Trained(record, model, reached, licence_of(record, order.licence))
    dataset = read_dataset(record.dataset, order.data)
    if dataset.class_ids != record.class_ids:
        raise DataError(f"{order.data} has other classes than the run was trained on")
    trials = choose_trials(dataset, order.scenes, order.limit)
    folder = order.store / order.name / order.version
    if folder.exists():
        raise DataError(f"{folder} exists; a version is never overwritten, choose a higher one")
    hidden = folder.with_name(f".{order.version}.partial")
    shutil.rmtree(hidden, ignore_errors=True)
    partial = hidden / order.name / order.version
    partial.mkdir(parents=True)
    try:
        _fill_folder(partial, order, trained, trials)
        partial.rename(folder)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return folder


def _fill_folder(folder: Path, order: Order, trained: Trained, trials: Trials) -> None:
    """Write every file of the bundle, the manifest last, and check the whole."""
    record = trained.record
    proto = export_graph(trained.model, record.size_px, _facts(record))
    if faults := check_graph(proto):
        raise BundleError(order.name, faults)
    path = folder / GRAPH_NAME
    onnx.save(proto, path)
    evidence = gather(path, record, trained.model, trials)
    write_samples(folder / "samples.npz", Graph(path), record.size_px)
    labels = labels_for(record.dataset, record.class_ids)
    write_labels(folder / "labels.csv", labels)
    card = write_card(f"{order.name} {order.version}", record, trained.reached, trained.licence, evidence)
    (folder / "card.md").write_text(card, encoding="utf-8")
    manifest = Manifest(
        name=order.name,
        version=order.version,
        system=record.system,
        task="classify",
        domain=order.domain or _domain(order, record),
        default=order.is_default,
        image=ImageInput(size_px=record.size_px, fit=record.fit),
        outputs=outputs_of(proto),
        graphs={"main": GRAPH_NAME},
        variants=(_variant(evidence),),
        files={entry.name: file_sha256(entry) for entry in sorted(folder.iterdir())},
        levels=labels.levels,
        calibration=evidence.calibration,
        batch_curve_ms={row.batch: row.median_ms for row in evidence.latency},
        training=_training(record, evidence),
        licence=trained.licence,
    )
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if faults := check_bundle(folder):
        raise BundleError(order.name, faults)


def _variant(evidence: Evidence) -> Variant:
    tests = [row for row in evidence.figures if not row.part.startswith("validation")]
    return Variant(
        file=GRAPH_NAME,
        precision="fp32",
        parity_max=evidence.parity.largest["logits"],
        accuracy=tests[0].top1.value if tests else None,
        latency=evidence.latency,
    )


def _training(record: RunRecord, evidence: Evidence) -> Training:
    return Training(
        data=record.dataset,
        split="official" if record.dataset in SOURCES else "own",
        seed=record.seed,
        recipe=record.recipe,
        backbone=record.backbone,
        metrics=metrics(evidence.figures),
    )


def _domain(order: Order, record: RunRecord) -> str:
    source = SOURCES.get(record.dataset)
    return source.domain if source else order.name


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
