"""From an answerer's run to a bundle: export, check, measure, write; all or nothing.

Owns the order of the steps and the folder's contents. A bundle appears under its final name only when it is complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from export.answering import export_answer_graph
from export.answers.asking import Questions, sample_questions
from export.answers.card import answer_licence, write_answer_card
from export.answers.evidence import AnswerEvidence, exact_accuracy, gather_answers
from export.bundle import SAMPLES_NAME
from export.folder import new_bundle
from export.manifest import GRAPH_NAME, outputs_of
from export.operators import check_graph
from export.runtime import Graph
from export.variants import Stored, choose_variant, size_limit_bytes
from export.weights import fill, load_state
from models.bundle import check_bundle
from models.evaluation.answering import metrics
from models.manifest import MANIFEST_NAME, BundleError, Manifest, file_sha256
from models.sections import ImageInput, Training, Variant, WordsInput
from models.text.vocabulary import VOCABULARY_NAME
from models.text.word_files import write_words
from models.training.answering.course import gather_lessons
from models.training.answering.record import Trained, load_answerer
from models.training.answering.sights import FIT
from models.training.answering.sources import Asked, read_material
from models.training.data import DataError
from models.training.taxonomy import labels_for, write_labels


@dataclass(frozen=True, slots=True)
class AnswerOrder:
    """What to export, from where to where; `data` and `cells` as for the training, `limit` for a trial."""

    run: Path
    store: Path
    name: str
    version: str
    data: Path | None = None
    cells: Path | None = None
    is_default: bool = False
    limit: int | None = None


def make_answer_bundle(order: AnswerOrder) -> Path:
    """Make the bundle and return its folder.

    Raises:
        DataError: the run or the data cannot be used, or the version exists.
        ParityError: the file does not compute what the model computes.
        BundleError: the graph or the folder breaks a rule; it names all of them.
    """
    trained = load_answerer(order.run)
    if trained.record.design.is_control:
        raise DataError(f"{order.run} is a control, which no service answers with")
    material = read_material(trained.record.material, order.data, order.limit or trained.record.limit)
    with new_bundle(order.store, order.name, order.version) as (partial, folder):
        _fill_folder(partial, order, trained, material)
    return folder


def _fill_folder(folder: Path, order: AnswerOrder, trained: Trained, material: Sequence[Asked]) -> None:
    """Write every file of the bundle, the manifest last, and check the whole."""
    record, model = trained.record, trained.model
    size_px = record.recipe.size_px
    lessons = gather_lessons(material, record, trained.vocabulary, model, order.cells)  # cells of the exact backbone
    exact = exact_accuracy(model, lessons)
    stored = _write_graph(folder, order, trained)
    graph = Graph(folder / GRAPH_NAME)
    before = None if stored.precision == "fp32" else exact
    evidence = gather_answers(model, graph, lessons, material, size_px, before)
    _write_samples(folder / SAMPLES_NAME, graph, sample_questions(model, lessons, size_px))
    write_words(folder / VOCABULARY_NAME, trained.vocabulary)
    write_labels(folder / "labels.csv", labels_for(record.material, record.answers))
    size_bytes = sum(path.stat().st_size for path in folder.iterdir())
    card = write_answer_card(f"{order.name} {order.version}", trained, evidence, size_bytes)
    (folder / "card.md").write_text(card, encoding="utf-8")
    manifest = _manifest(folder, order, trained, stored, evidence)
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if faults := check_bundle(folder):
        raise BundleError(order.name, faults)


def _write_graph(folder: Path, order: AnswerOrder, trained: Trained) -> Stored:
    """Export, choose the precision and write; from here on the model has the weights that the file stores."""
    record, model = trained.record, trained.model
    size_px = record.recipe.size_px
    facts = {
        "system": record.system,
        "material": record.material,
        "backbone": record.recipe.backbone or "none",
        "input": f"uint8 RGB [B, {size_px}, {size_px}, 3], fit {FIT}",
    }
    exact = export_answer_graph(model, size_px, trained.vocabulary.length, facts)
    stored = choose_variant(exact, set(model.state_dict()), size_limit_bytes(record.system))
    if faults := check_graph(stored.proto):
        raise BundleError(order.name, faults)
    onnx.save(stored.proto, folder / GRAPH_NAME)
    if stored.precision != "fp32":
        fill(model, load_state(folder / GRAPH_NAME))
    return stored


def _write_samples(path: Path, graph: Graph, asked: Questions) -> None:
    """A few inputs with the logits expected of them; which cells are kept may differ where two are equally good."""
    np.savez_compressed(path, allow_pickle=False, **asked.feed(), logits=graph(asked)["logits"])


def _manifest(folder: Path, order: AnswerOrder, trained: Trained, stored: Stored, evidence: AnswerEvidence) -> Manifest:
    record = trained.record
    return Manifest(
        name=order.name,
        version=order.version,
        system=record.system,
        task="answer",
        default=order.is_default,
        image=ImageInput(size_px=record.recipe.size_px, fit=FIT),
        text=WordsInput(kind="question", length=trained.vocabulary.length, file=VOCABULARY_NAME),
        outputs=outputs_of(stored.proto),
        graphs={"main": GRAPH_NAME},
        variants=(
            Variant(
                file=GRAPH_NAME,
                precision=stored.precision,
                parity_max=evidence.parity["logits"],
                accuracy=float(evidence.measured.answerers[0].right.mean()),
                accuracy_loss=evidence.loss,
                latency=evidence.latency,
            ),
        ),
        files={entry.name: file_sha256(entry) for entry in sorted(folder.iterdir())},
        calibration=evidence.calibration,
        batch_curve_ms={row.batch: row.median_ms for row in evidence.latency if row.threads == 1},
        training=Training(
            data=record.material,
            split="official, a tenth held out",
            seed=record.seed,
            recipe=record.material,
            backbone=record.recipe.backbone,
            metrics=metrics(evidence.measured, "test"),
        ),
        licence=answer_licence(record),
    )
