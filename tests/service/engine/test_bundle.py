"""What must hold before a bundle serves: each promise of a manifest, broken once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models.calibration import PhraseTable
from models.calibration.conflict import PHRASE_TABLE_NAME
from models.manifest import BundleError
from models.sections import Fake, ImageInput, Output
from service.engine.backends.base import EngineError
from service.engine.backends.ort import OrtBackend
from service.engine.backends.testing import EchoBackend, NanBackend, SlowBackend
from service.engine.bundle import Bundle, load_bundle
from tests.bundles import colour_graph, make_bundle, rewrite_manifest
from tests.service.zoo import add_file
from tests.system_bundles import VOCABULARY, make_system_bundle, system_graph


def load(folder: Path) -> Bundle:
    return load_bundle(folder, lambda _: OrtBackend(), 16)


def refusals(folder: Path) -> list[str]:
    with pytest.raises(BundleError) as refused:
        load(folder)
    return refused.value.faults


def replace_graph(folder: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    model = colour_graph(3, 32)
    change(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    rewrite_manifest(folder)


def test_a_complete_bundle_loads(tmp_path: Path) -> None:
    bundle = load(make_bundle(tmp_path, classes=7))
    assert [label.label for label in bundle.labels[:3]] == ["Red", "Green", "Blue"]
    assert (bundle.engine, bundle.precision) == ("onnxruntime-cpu", "fp32")
    assert bundle.curve.predict_ms(1) > 0


def test_the_curve_of_the_manifest_is_taken_over(tmp_path: Path) -> None:
    assert load(make_bundle(tmp_path, batch_curve_ms={1: 10.0, 2: 12.0})).curve.paying_batch == 2


def test_every_fault_of_the_files_is_named_at_once(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    (folder / "card.md").unlink()
    (folder / "model.onnx").write_bytes(b"other")
    assert refusals(folder) == [
        "card.md is missing",
        "model.onnx does not have the sha256 that the manifest states",
    ]


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    (folder / "model.onnx").write_bytes(b"not a graph")
    rewrite_manifest(folder)
    assert refusals(folder)[0].startswith("model.onnx is not an ONNX file")


@pytest.mark.parametrize(("requires", "word"), [("99.0", "update Fieldmark"), ("new", "not a PEP 440 version")])
def test_a_bundle_for_a_newer_fieldmark_is_refused(tmp_path: Path, requires: str, word: str) -> None:
    folder = make_bundle(tmp_path)
    rewrite_manifest(folder, requires=requires)
    assert word in refusals(folder)[0]


def test_a_graph_that_takes_something_else_is_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    rewrite_manifest(folder, image=ImageInput(size_px=48, fit="squash").model_dump())
    assert refusals(folder) == ["the graph takes image uint8 [N, 32, 32, 3] instead of image uint8 [N, 48, 48, 3]"]


def test_outputs_that_differ_from_the_manifest_are_named_one_by_one(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    outputs = [
        Output(name="logits", shape=(3,)),
        Output(name="features", shape=(9,)),
        Output(name="region", shape=(4,)),
    ]
    rewrite_manifest(folder, outputs=[output.model_dump() for output in outputs])
    assert refusals(folder) == [
        "the graph gives features float32 [N, 3] instead of features float32 [N, 9]",
        "the graph has no output region",
    ]


def test_a_fixed_batch_is_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)

    def fix_batch(model: onnx.ModelProto) -> None:
        for value in [*model.graph.input, *model.graph.output]:
            value.type.tensor_type.shape.dim[0].dim_value = 1

    replace_graph(folder, fix_batch)
    assert "image uint8 [1, 32, 32, 3] instead of image uint8 [N, 32, 32, 3]" in refusals(folder)[0]


def test_custom_operators_are_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)

    def add_custom(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("Gelu", ["features"], ["unused"], "extra", domain="com.microsoft"))
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))

    replace_graph(folder, add_custom)
    assert refusals(folder) == ["model.onnx: operator Gelu is of the custom domain com.microsoft"]


def test_weights_outside_the_file_are_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)

    def move_out(model: onnx.ModelProto) -> None:
        weights = model.graph.initializer[1]
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value="../../secret")

    replace_graph(folder, move_out)
    assert refusals(folder) == ["model.onnx: the values of directions lie outside the file"]


def test_a_graph_that_computes_something_else_fails_its_self_check(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)

    def change_weights(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].raw_data = np.float32(1 / 250).tobytes()

    replace_graph(folder, change_weights)
    assert refusals(folder)[0].startswith("self-check: logits of sample 0 is off by more than 0.001")


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({"image": np.zeros((1, 32, 32, 3), np.float32)}, "holds no image uint8"),
        ({"image": np.zeros((1, 16, 16, 3), np.uint8)}, "holds no image uint8"),
        ({"image": np.zeros((0, 32, 32, 3), np.uint8)}, "holds 0 images"),
        ({"image": np.zeros((65, 32, 32, 3), np.uint8)}, "holds 65 images; it must be 1 to 64"),
        ({"image": np.zeros((1, 32, 32, 3), np.uint8)}, "holds no expected logits"),
        ({"image": np.array([{}], object)}, "cannot be read"),  # a pickle is never opened
    ],
)
def test_samples_that_cannot_judge_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], fault: str) -> None:
    folder = make_bundle(tmp_path)
    np.savez(folder / "samples.npz", **arrays)  # type: ignore[arg-type]
    rewrite_manifest(folder)
    assert fault in refusals(folder)[0]


def test_samples_must_be_among_the_checked_files(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    (folder / "samples.npz").unlink()
    rewrite_manifest(folder)
    assert refusals(folder) == ["samples.npz is not listed under 'files'"]


@pytest.mark.parametrize("trigger", [100.0, None])
def test_answers_that_are_not_finite_are_an_engine_error(tmp_path: Path, trigger: float | None) -> None:
    folder = make_bundle(tmp_path, backend="nan", fake=Fake(trigger_above=trigger))
    if trigger is None:
        with pytest.raises(BundleError, match="self-check"):
            load_bundle(folder, lambda _: NanBackend(), 16)
        return
    bundle = load_bundle(folder, lambda _: NanBackend(), 16)
    assert np.isfinite(bundle.run(np.zeros((2, 32, 32, 3), np.uint8), ["logits"])["logits"]).all()
    with pytest.raises(EngineError, match="NaN or infinity"):
        bundle.run(np.full((2, 32, 32, 3), 200, np.uint8), ["logits"])


def test_on_a_gpu_the_warm_up_measures_the_curve(tmp_path: Path) -> None:
    calls: list[float] = []
    backend = SlowBackend(calls.append)
    backend.is_gpu = True
    folder = make_bundle(tmp_path, backend="slow", fake=Fake(item_ms=1), batch_curve_ms={1: 1.0})
    load_bundle(folder, lambda _: backend, 16)
    assert [round(seconds * 1000) for seconds in calls] == [1, 1, 1, 2, 2, 4, 4, 8, 8, 16, 16]


def test_a_fake_is_loaded_like_any_other(tmp_path: Path) -> None:
    bundle = load_bundle(make_bundle(tmp_path, backend="echo"), lambda _: EchoBackend(), 16)
    assert bundle.engine == "echo"


def test_what_holds_a_text_against_a_photo_is_checked(tmp_path: Path) -> None:
    folder = make_system_bundle(tmp_path, "pma")
    rewrite_manifest(folder, calibration={"text_conflict_below": -1.0})
    assert refusals(folder) == ["text_conflict_below needs phrases.npz, listed under 'files'"]
    PhraseTable(("crown red",), np.zeros((1, 4)), np.zeros(4)).write(folder / PHRASE_TABLE_NAME)
    add_file(folder, PHRASE_TABLE_NAME)
    assert refusals(folder) == ["phrases.npz has a table of shape (1, 4), not (1, 3)"]


def test_a_graph_must_take_the_text_that_the_manifest_names(tmp_path: Path) -> None:
    folder = make_system_bundle(tmp_path, "pma")
    assert load(folder).vocabulary == VOCABULARY
    (folder / "model.onnx").write_bytes(system_graph("pma_visual", 3).SerializeToString())
    rewrite_manifest(folder)
    (fault, *_) = refusals(folder)
    assert fault.endswith("instead of image uint8 [N, 64, 64, 3] and phrases int64 [N, 4, 3]")


def test_samples_must_bring_every_input(tmp_path: Path) -> None:
    folder = make_system_bundle(tmp_path, "pma")
    samples = dict(np.load(folder / "samples.npz"))
    np.savez(folder / "samples.npz", **samples | {"phrases": samples["phrases"][:, :2]})
    rewrite_manifest(folder)
    assert refusals(folder) == ["samples.npz holds no phrases int64 [N, 4, 3]"]
