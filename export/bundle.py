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
from onnx import ModelProto, TensorProto
from torch import nn

from export.card import write_card
from export.evidence import Evidence, Subject, Trials, choose_trials, gather
from export.onnx import export_graph
from export.operators import check_graph
from export.provenance import SOURCES, licence_of
from export.runtime import Graph, Inputs
from export.scores import Preparation, sample_inputs
from export.variants import Stored, choose_variant, size_limit_bytes
from export.weights import fill, load_state
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
    TextInput,
    Training,
    Variant,
    file_sha256,
)
from models.text import VOCABULARY_NAME, Vocabulary, read_vocabulary, write_vocabulary
from models.training.data import DataError, read_dataset
from models.training.runs import Reached, RunRecord, load_model
from models.training.taxonomy import labels_for, write_labels
from models.training.texts import read_texts

GRAPH_NAME = "model.onnx"
SAMPLES_NAME = "samples.npz"
#: The graph before its weights are rounded: measured beside the bundle, and not part of it.
_EXACT_NAME = "exact.onnx"


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
    model: nn.Module
    reached: Reached
    licence: Licence
    vocabulary: Vocabulary | None

    @property
    def preparation(self) -> Preparation:
        """How photos and texts become inputs."""
        return Preparation(self.record.size_px, self.record.fit, self.vocabulary)


def export_bundle(order: Order) -> Path:
    """Make the bundle and return its folder.

    Raises:
        DataError: the run or the data cannot be used.
        ParityError: the file does not compute what the model computes.
        BundleError: the graph or the folder breaks a rule; it names all of them.
    """
    trained = _read_run(order)
    record = trained.record
    dataset = read_dataset(record.dataset, order.data)
    if dataset.class_ids != record.class_ids:
        raise DataError(f"{order.data} has other classes than the run was trained on")
    texts = read_texts(dataset, order.data) if trained.vocabulary is not None else None
    trials = choose_trials(dataset, texts, order.scenes, order.limit)
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


def _read_run(order: Order) -> Trained:
    record, model, reached = load_model(order.run)
    vocabulary = read_vocabulary(order.run / VOCABULARY_NAME) if record.system == "pma" else None
    return Trained(record, model, reached, licence_of(record, order.licence), vocabulary)


def _fill_folder(folder: Path, order: Order, trained: Trained, trials: Trials) -> None:
    """Write every file of the bundle, the manifest last, and check the whole."""
    record = trained.record
    stored = _write_graph(folder, order, trained)
    subject = Subject(
        path=folder / GRAPH_NAME,
        model=trained.model,
        preparation=trained.preparation,
        dataset=record.dataset,
        class_ids=record.class_ids,
        exact=None if stored.precision == "fp32" else folder.parent / _EXACT_NAME,
    )
    labels = labels_for(record.dataset, record.class_ids)
    evidence = gather(subject, labels, trials)
    write_samples(folder / SAMPLES_NAME, Graph(subject.path), sample_inputs(record.size_px, trained.vocabulary))
    write_labels(folder / "labels.csv", labels)
    if trained.vocabulary is not None:
        write_vocabulary(folder / VOCABULARY_NAME, trained.vocabulary)
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
        text=_text_input(trained.vocabulary),
        outputs=outputs_of(stored.proto),
        graphs={"main": GRAPH_NAME},
        variants=(_variant(stored, evidence),),
        files={entry.name: file_sha256(entry) for entry in sorted(folder.iterdir())},
        levels=labels.levels,
        calibration=evidence.calibration,
        batch_curve_ms={row.batch: row.median_ms for row in evidence.latency if row.threads == 1},
        training=_training(record, evidence),
        licence=trained.licence,
    )
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if faults := check_bundle(folder):
        raise BundleError(order.name, faults)


def _write_graph(folder: Path, order: Order, trained: Trained) -> Stored:
    """Export, choose the precision and write; from here on the model has the weights that the file stores."""
    record = trained.record
    exact = export_graph(trained.model, record.size_px, _facts(record))
    stored = choose_variant(exact, set(trained.model.state_dict()), size_limit_bytes(record.system))
    if faults := check_graph(stored.proto):
        raise BundleError(order.name, faults)
    path = folder / GRAPH_NAME
    onnx.save(stored.proto, path)
    if stored.precision != "fp32":
        onnx.save(exact, folder.parent / _EXACT_NAME)
        fill(trained.model, load_state(path))
    return stored


def _variant(stored: Stored, evidence: Evidence) -> Variant:
    tests = [row for row in evidence.figures if not row.part.startswith("validation")]
    return Variant(
        file=GRAPH_NAME,
        precision=stored.precision,
        parity_max=evidence.parity.largest["logits"],
        accuracy=tests[0].top1.value if tests else None,
        accuracy_loss=evidence.loss,
        latency=evidence.latency,
    )


def _text_input(vocabulary: Vocabulary | None) -> TextInput | None:
    if vocabulary is None:
        return None
    return TextInput(phrases=vocabulary.phrases, words=vocabulary.length, file=VOCABULARY_NAME)


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


def write_samples(path: Path, graph: Graph, inputs: Inputs) -> None:
    """A few inputs with the outputs expected of them.

    What explains is left out: of inputs that show nothing two classes or two places may be equally good, and which one
    is taken then differs between processors.
    """
    found = graph(inputs)
    arrays = inputs.feed() | {name: found[name] for name in ("logits", "features")}
    np.savez_compressed(path, allow_pickle=False, **arrays)


def outputs_of(proto: ModelProto) -> tuple[Output, ...]:
    """The graph's outputs as the manifest lists them."""
    return tuple(
        Output(
            name=value.name,
            dtype="int64" if value.type.tensor_type.elem_type == TensorProto.INT64 else "float32",
            shape=tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim[1:]),
        )
        for value in proto.graph.output
    )


def _facts(record: RunRecord) -> dict[str, str]:
    spec = SPECS.get(record.backbone)
    scaled = f"(value - {spec.mean:g}) / {spec.std:g}" if spec else "by ImageNet's mean and deviation of each colour"
    return {
        "system": record.system,
        "backbone": record.backbone,
        "recipe": record.recipe,
        "input": f"uint8 RGB [B, {record.size_px}, {record.size_px}, 3], fit {record.fit}",
        "normalisation": f"{scaled}, inside the graph",
    }
