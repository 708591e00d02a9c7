"""From a training run to a bundle: export, check, measure, write; all or nothing.

Owns the order of the steps and the folder. A bundle appears under its final name only when it is complete and
`models.manifest` finds no fault in it; a version that exists is never overwritten.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from export.card import write_card
from export.evidence import Evidence, gather
from export.fitting import damping_of
from export.folder import new_bundle
from export.manifest import GRAPH_NAME, make_manifest
from export.onnx import export_graph
from export.operators import check_graph
from export.order import Order, Trained, read_photos, read_run
from export.role import Role
from export.runtime import CORES, Graph, Inputs
from export.scores import sample_inputs, score_parts
from export.subject import Photos, Subject, Trials, choose_trials
from export.trust.companions import Companions, read_companions
from export.variants import Stored, choose_variant, size_limit_bytes
from export.weights import fill, load_state
from models.backbones import SPECS
from models.bundle import check_bundle
from models.calibration import Damping
from models.calibration.conflict import PHRASE_TABLE_NAME
from models.calibration.unknowns import DIRECTIONS_NAME
from models.evaluation.items import Part
from models.manifest import MANIFEST_NAME, BundleError
from models.text import VOCABULARY_NAME, Vocabulary, write_vocabulary
from models.training.data import DataError
from models.training.runs import RunRecord
from models.training.taxonomy import LabelTable, labels_for, write_labels

SAMPLES_NAME = "samples.npz"
#: The graph before its weights are rounded: measured beside the bundle, and not part of it.
_EXACT_NAME = "exact.onnx"


def export_bundle(order: Order) -> Path:
    """Make the bundle and return its folder.

    Raises:
        DataError: the run, the data or a companion cannot be used.
        ParityError: the file does not compute what the model computes.
        BundleError: the graph, the folder or a companion breaks a rule; it names all of them.
    """
    trained = read_run(order)
    companions = read_companions(order.companions, trained.record)
    photos = read_photos(order, trained)
    trials = choose_trials(photos, trained.role.tests, order.scenes, order.explain, order.limit)
    if companions.plain is not None and not trials.tests:
        raise DataError(f"{order.data} has no test photos to compare with {companions.plain.identity} on")
    with new_bundle(order.store, order.name, order.version) as (partial, folder):
        _fill_folder(partial, order, trained, photos, trials, companions)
    return folder


def _fill_folder(
    folder: Path, order: Order, trained: Trained, photos: Photos, trials: Trials, companions: Companions
) -> None:
    """Write every file of the bundle, the manifest last, and check the whole."""
    record = trained.record
    stored, damping = _write_graph(folder, order, trained, photos, trials.held_out)
    subject = Subject(
        identity=order.identity,
        path=folder / GRAPH_NAME,
        model=trained.model,
        preparation=trained.preparation,
        photos=photos,
        exact=None if stored.precision == "fp32" else folder.parent / _EXACT_NAME,
        damping=damping,
    )
    labels = labels_for(record.dataset, record.class_ids)
    evidence = gather(subject, labels, trials, companions)
    write_samples(folder / SAMPLES_NAME, Graph(subject.path), sample_inputs(record.size_px, trained.vocabulary))
    _write_tables(folder, trained.vocabulary, labels, evidence)
    card = write_card(f"{order.name} {order.version}", trained, evidence)
    (folder / "card.md").write_text(card, encoding="utf-8")
    manifest = make_manifest(folder, order, trained, stored, labels.levels, evidence)
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if faults := check_bundle(folder):
        raise BundleError(order.name, faults)


def _write_graph(
    folder: Path, order: Order, trained: Trained, photos: Photos, held_out: Sequence[Part]
) -> tuple[Stored, Damping | None]:
    """Export, damp, choose the precision and write; from here on the model has the weights that the file stores.

    The damping suits the answers to the held-out photos.
    """
    record = trained.record
    facts = _facts(record, trained.role)
    exact = export_graph(trained.model, record.size_px, facts)
    onnx.save(exact, folder.parent / _EXACT_NAME)
    bare = Graph(folder.parent / _EXACT_NAME, threads=CORES)
    found = score_parts(bare, held_out, photos.dataset.class_ids, trained.preparation)
    damping = damping_of(found)
    if damping is not None:
        exact = export_graph(trained.model, record.size_px, facts, damping)
        onnx.save(exact, folder.parent / _EXACT_NAME)
    stored = choose_variant(exact, set(trained.model.state_dict()), size_limit_bytes(record.system))
    if faults := check_graph(stored.proto):
        raise BundleError(order.name, faults)
    path = folder / GRAPH_NAME
    onnx.save(stored.proto, path)
    if stored.precision != "fp32":
        fill(trained.model, load_state(path))
    return stored, damping


def _facts(record: RunRecord, role: Role) -> dict[str, str]:
    spec = SPECS.get(record.backbone)
    scaled = f"(value - {spec.mean:g}) / {spec.std:g}" if spec else "by ImageNet's mean and deviation of each colour"
    return {
        "system": role.system,
        "backbone": record.backbone,
        "recipe": record.recipe,
        "input": f"uint8 RGB [B, {record.size_px}, {record.size_px}, 3], fit {record.fit}",
        "normalisation": f"{scaled}, inside the graph",
    }


def write_samples(path: Path, graph: Graph, inputs: Inputs) -> None:
    """A few inputs with the outputs expected of them.

    What explains is left out: of inputs that show nothing two classes or two places may be equally good, and which one
    is taken then differs between processors.
    """
    found = graph(inputs)
    arrays = inputs.feed() | {name: found[name] for name in ("logits", "features")}
    np.savez_compressed(path, allow_pickle=False, **arrays)


def _write_tables(folder: Path, vocabulary: Vocabulary | None, labels: LabelTable, evidence: Evidence) -> None:
    """Labels, and what answers are made with where the bundle reads texts or compares features."""
    write_labels(folder / "labels.csv", labels)
    if vocabulary is not None:
        write_vocabulary(folder / VOCABULARY_NAME, vocabulary)
    if evidence.conflicts is not None:
        evidence.conflicts.rule.table.write(folder / PHRASE_TABLE_NAME)
    if evidence.uncertainty.directions is not None:
        np.save(folder / DIRECTIONS_NAME, evidence.uncertainty.directions, allow_pickle=False)
