"""The manifest of a bundle, from the run, the stored graph and all that was measured.

Owns which fact goes where; what a manifest may say is `models.manifest`'s part.
"""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto, TensorProto

from export.evidence import Evidence
from export.order import Order, Trained
from export.provenance import SOURCES
from export.variants import Stored
from models.evaluation.figures import metrics
from models.manifest import Manifest, file_sha256
from models.sections import ExplanationFacts, ImageInput, Output, TextInput, Training, Variant
from models.text import VOCABULARY_NAME, Vocabulary
from models.training.runs import RunRecord

GRAPH_NAME = "model.onnx"


def make_manifest(
    folder: Path, order: Order, trained: Trained, stored: Stored, levels: tuple[str, ...], evidence: Evidence
) -> Manifest:
    """The manifest of all files that are in the folder; `levels` are those of the label table."""
    record, role, explained = trained.record, trained.role, evidence.explained
    return Manifest(
        name=order.name,
        version=order.version,
        system=role.system,
        task=role.task,
        domain=role.domain,
        default=order.is_default,
        experimental=evidence.is_experimental,
        image=ImageInput(size_px=record.size_px, fit=record.fit),
        text=_text_input(trained.vocabulary),
        outputs=outputs_of(stored.proto),
        graphs={"main": GRAPH_NAME},
        variants=(_variant(stored, evidence),),
        files={entry.name: file_sha256(entry) for entry in sorted(folder.iterdir())},
        levels=levels,
        calibration=evidence.calibration,
        explanation=ExplanationFacts(faithful=explained.faithfulness.is_faithful) if explained else None,
        batch_curve_ms={row.batch: row.median_ms for row in evidence.latency if row.threads == 1},
        training=_training(record, evidence),
        licence=trained.licence,
    )


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
