"""From a grounding run to a bundle: export, check, calibrate, measure, write; all or nothing.

Owns the order of the steps and the manifest. As with classifiers a bundle appears under its final name only when it is
complete, and a version that exists is never overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto

from export.folder import new_bundle
from export.grounding.calibrating import calibrate
from export.grounding.card import Measured, write_card
from export.grounding.graphs import Asked, Graphs, check_parity, prepare, time_graphs
from export.grounding.storage import FILES, SIZE_LIMIT_BYTES, write_graphs
from export.manifest import outputs_of
from export.provenance import grounding_licence
from models.bundle import check_bundle
from models.evaluation.grounding.answers import ask_all
from models.evaluation.grounding.items import Item, absent_items, hand_items, people_items, said_items, test_items
from models.evaluation.grounding.table import Row, presence_of, rows_of
from models.evaluation.grounding.test_set import read_test_set
from models.manifest import MANIFEST_NAME, BundleError, Manifest, file_sha256
from models.sections import ImageInput, Training, Variant, WordsInput
from models.text.vocabulary import VOCABULARY_NAME
from models.text.word_files import write_words
from models.training.data import DataError
from models.training.grounding.pictures import part_scenes
from models.training.grounding.record import GroundRecord, Trained, load_grounding
from models.training.voc import read_voc

_PARITY_PAIRS = 12
_SAMPLES = 4


@dataclass(frozen=True, slots=True)
class GroundOrder:
    """What to export, from where to where; `people` is a folder of people's phrases, `limit` bounds each part."""

    run: Path
    data: Path
    store: Path
    name: str
    version: str
    is_default: bool = False
    people: Path | None = None
    limit: int | None = None


def export_grounding_bundle(order: GroundOrder) -> Path:
    """Make the bundle and return its folder.

    Raises:
        DataError: the run or the data cannot be used.
        ParityError: the files do not compute what the model computes.
        BundleError: a graph or the folder breaks a rule.
    """
    trained = load_grounding(order.run)
    recipe = trained.record.recipe
    if not (recipe.reads_text and recipe.sees_photo):
        raise DataError(f"{order.run} was trained without text or without photos: a control, and no bundle")
    with new_bundle(order.store, order.name, order.version) as (partial, folder):
        _fill_folder(partial, order, trained)
    return folder


def _fill_folder(folder: Path, order: GroundOrder, trained: Trained) -> None:
    """Write every file, the manifest last, and check the whole."""
    record, words = trained.record, trained.words
    protos = write_graphs(trained.model, folder, _facts(record), words.length)
    write_words(folder / VOCABULARY_NAME, words)
    graphs = Graphs(folder, words, record.recipe.size_px)
    scenes = read_voc(order.data)
    held_out = part_scenes(scenes).validation[: order.limit]
    validation = said_items(held_out)
    pairs = [item for item in validation if item.box is not None][:_PARITY_PAIRS]
    asked = prepare([item.path for item in pairs], [item.text for item in pairs], words, record.recipe.size_px)
    parity = check_parity(trained.model, graphs, asked)
    fitted = ask_all(validation, graphs, _nothing)
    tests = [scene for scene in scenes if scene.split == "test"][: order.limit]
    answered = ask_all(_tests(order, absent_items(tests)), graphs, _nothing)
    measured = Measured(
        rows=rows_of(answered),
        presence=presence_of(answered),
        calibration=calibrate(fitted),
        held_out=len(validation),
        parity=parity,
        latency=time_graphs(graphs, asked),
        size_bytes=sum(path.stat().st_size for path in folder.iterdir()),
        limit=order.limit,
    )
    write_samples(folder, graphs, asked[0:_SAMPLES])
    (folder / "card.md").write_text(write_card(f"{order.name} {order.version}", trained, measured), encoding="utf-8")
    manifest = _manifest(folder, order, trained, protos, measured)
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if faults := check_bundle(folder):
        raise BundleError(order.name, faults)
    weight = sum(path.stat().st_size for path in folder.iterdir())
    if weight > SIZE_LIMIT_BYTES:
        raise BundleError(order.name, [f"it weighs {weight:,} bytes; at most {SIZE_LIMIT_BYTES:,} are committed"])


def _tests(order: GroundOrder, absent: Sequence[Item]) -> list[Item]:
    items = [*test_items(read_test_set()[: order.limit], order.data), *hand_items(order.data)[: order.limit], *absent]
    return items if order.people is None else [*items, *people_items(order.people, "test")[: order.limit]]


def write_samples(folder: Path, graphs: Graphs, asked: Asked) -> None:
    """A few photos with expressions and what both graphs answer to them."""
    found = graphs.run(asked)
    outputs = {name: found[name] for name in ("box", "conf")}
    np.savez_compressed(folder / "samples.npz", allow_pickle=False, image=asked.image, **asked.words, **outputs)


def _facts(record: GroundRecord) -> dict[str, str]:
    recipe = record.recipe
    return {
        "system": "referring",
        "backbone": recipe.backbone,
        "head": recipe.head,
        "input": f"uint8 RGB [B, {recipe.size_px}, {recipe.size_px}, 3], fit letterbox",
    }


def _manifest(
    folder: Path,
    order: GroundOrder,
    trained: Trained,
    protos: Mapping[str, ModelProto],
    measured: Measured,
) -> Manifest:
    recipe = trained.record.recipe
    return Manifest(
        name=order.name,
        version=order.version,
        system="referring",
        task="ground",
        default=order.is_default,
        image=ImageInput(size_px=recipe.size_px, fit="letterbox"),
        text=WordsInput(kind="expression", length=trained.words.length, file=VOCABULARY_NAME),
        outputs=(*outputs_of(protos["vision"]), *outputs_of(protos["fuse"])),
        graphs={"vision": FILES["vision"], "fuse": FILES["fuse"]},
        variants=_variants(measured),
        files={entry.name: file_sha256(entry) for entry in sorted(folder.iterdir())},
        calibration=measured.calibration,
        batch_curve_ms={1: round(sum(row.median_ms for row in measured.latency.values()), 2)},
        training=Training(
            data="voc" if trained.record.birds is None else "voc, cub_birds",
            split="own",
            seed=recipe.seed,
            recipe=f"grounding, head {recipe.head}",
            backbone=recipe.backbone,
            metrics={f"{row.name}/acc50": round(row.accuracy, 4) for row in measured.rows},
        ),
        licence=grounding_licence(recipe.backbone, trained.record.birds, trained.record.human),
    )


def _variants(measured: Measured) -> tuple[Variant, ...]:
    """The two graphs; what expressions are answered by has the accuracy."""
    return (
        Variant(
            file=FILES["vision"],
            precision="fp16",
            parity_max=measured.parity["features"],
            latency=(measured.latency["vision"],),
        ),
        Variant(
            file=FILES["fuse"],
            precision="int8",
            parity_max=measured.parity["box"],
            accuracy=_accuracy(measured.rows),
            latency=(measured.latency["fuse"],),
        ),
    )


def _accuracy(rows: Sequence[Row]) -> float | None:
    return next((row.accuracy for row in rows if row.name == "test"), None)


def _nothing(_count: int) -> None:
    """Nobody watches."""
