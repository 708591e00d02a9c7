"""The graphs of every system: their border, their weights, and that they compute what the models compute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.operators import check_graph
from export.parity import BATCHES, check_parity, torch_outputs
from export.runtime import Graph, Inputs
from export.weights import CONSTANT_PREFIX, fill, load_state, step_of, store
from models.preprocess import Pixels
from models.sections import Precision
from models.systems import System, build
from tests.export.conftest import CLASSES, SMALL_VIT, WORDS, Exported, inputs_of
from tests.photosets import TINY_PX

pytestmark = pytest.mark.timeout(600)  # an export takes minutes where others use the processor

FANCY: tuple[System, ...] = ("pma_visual", "pma", "s3n", "rams_trans")
OUTPUTS = {
    "pma_visual": {"stage_block": ["B", 3], "stage_weight": ["B", 3]},
    "pma": {"stage_block": ["B", 3], "stage_weight": ["B", 3], "phrase_weight": ["B", 3, 24]},
    "s3n": {"peaks": ["B", 2, 4], "attention": ["B", 2, 31, 31]},
    "rams_trans": {"region": ["B", 4]},
}
#: What a graph does not compute with: what only training needs.
LEFT_OUT = {"s3n": ("discriminative.", "complementary."), "rams_trans": ("class_tokens.1",)}


@pytest.fixture(params=FANCY)
def one(request: pytest.FixtureRequest, export_of: Callable[[System], Exported]) -> Exported:
    """Each system in turn."""
    return export_of(request.param)


def border(values: list[onnx.ValueInfoProto]) -> dict[str, list[str | int]]:
    return {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values
    }


def test_the_border_has_the_names_and_shapes_of_the_contract(one: Exported) -> None:
    system = one.build.system
    texts = {"phrases": ["B", 24, 6]} if system == "pma" else {}
    assert border(list(one.proto.graph.input)) == {"image": ["B", TINY_PX, TINY_PX, 3]} | texts
    outputs = border(list(one.proto.graph.output))
    assert outputs.pop("logits") == ["B", CLASSES]
    assert outputs.pop("features")[0] == "B"
    assert outputs == OUTPUTS[system]
    whole = [value.name for value in one.proto.graph.output if value.type.tensor_type.elem_type == 7]
    assert whole == [name for name in OUTPUTS[system] if name == "stage_block"]


def test_every_rule_of_the_operators_is_kept(one: Exported) -> None:
    assert check_graph(one.proto) == []
    used = {node.op_type for node in one.proto.graph.node}
    assert not used & {"OneHot", "ScatterND", "ScatterElements", "GatherND", "Resize", "NonZero", "Loop", "If"}


def test_weights_keep_the_names_and_shapes_of_the_state_dict(one: Exported) -> None:
    stored = {
        tensor.name: tuple(tensor.dims)
        for tensor in one.proto.graph.initializer
        if not tensor.name.startswith(CONSTANT_PREFIX)
    }
    left_out = LEFT_OUT.get(one.build.system, ())
    assert stored == {
        name: tuple(tensor.shape)
        for name, tensor in one.state.items()
        if not name.endswith("num_batches_tracked") and not name.startswith(left_out)
    }


def test_a_backbone_that_runs_three_times_is_stored_once(export_of: Callable[[System], Exported]) -> None:
    proto = export_of("s3n").proto
    names = [tensor.name for tensor in proto.graph.initializer]
    assert len(names) == len(set(names))
    kernels = sum(name == "backbone.stem.conv.weight" for node in proto.graph.node for name in node.input)
    assert kernels == 3


def test_the_file_computes_what_the_model_computes(one: Exported, images: Pixels) -> None:
    parity = check_parity(one.model, one.graph, inputs_of(one.build, images))
    assert set(parity.largest) == {"logits", "features", *OUTPUTS[one.build.system]}
    assert {1, 3, 8} <= set(BATCHES)
    assert max(parity.largest.values()) <= 1e-4
    assert parity.largest.get("attention", 0) <= 1e-5
    assert parity.largest.get("stage_block", 0) == 0


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_stored_weights_are_read_back_and_stored_again_exactly(
    one: Exported, precision: Precision, images: Pixels, tmp_path: Path
) -> None:
    weights = set(one.state)
    stored = store(one.proto, precision, weights)
    onnx.save(stored, tmp_path / "stored.onnx")
    assert check_graph(stored) == []
    rebuilt = build(one.build).eval()
    fill(rebuilt, load_state(tmp_path / "stored.onnx"))
    check_parity(rebuilt, Graph(tmp_path / "stored.onnx"), inputs_of(one.build, images))
    exact = store(one.proto, "fp32", weights)
    for tensor in exact.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(onnx.numpy_helper.from_array(rebuilt.state_dict()[tensor.name].numpy(), tensor.name))
    assert store(exact, precision, weights).SerializeToString() == stored.SerializeToString()


def test_a_scale_is_found_again_in_values_that_were_read_back() -> None:
    largest = (np.arange(2**23, dtype=np.uint32) | np.uint32(127 << 23)).view(np.float32)  # every mantissa
    scale = step_of(largest)
    assert np.array_equal(step_of(scale * np.float32(127)), scale)


def test_rounded_weights_are_smaller_and_near(one: Exported, tmp_path: Path) -> None:
    sizes = []
    for precision, share in (("fp32", 0.0), ("fp16", 2**-10), ("int8", 1 / 127)):
        stored = store(one.proto, precision, set(one.state))  # type: ignore[arg-type]
        sizes.append(stored.ByteSize())
        onnx.save(stored, tmp_path / "stored.onnx")
        for name, tensor in load_state(tmp_path / "stored.onnx").items():
            largest = float(one.state[name].abs().max())
            assert float((tensor - one.state[name]).abs().max()) <= share * largest, name
    assert sizes[0] > sizes[1] > sizes[2]


def test_a_text_cannot_be_left_out(export_of: Callable[[System], Exported], images: Pixels) -> None:
    with pytest.raises(ValueError, match="phrases"):
        export_of("pma").graph(Inputs(images))
    assert not [name for name in export_of("pma_visual").state if "phrases" in name or "text" in name]


class TestTexts:
    """PMA: what padding, order and absence of phrases may do to an answer, through the engine."""

    @pytest.fixture
    def pma(self, export_of: Callable[[System], Exported]) -> Graph:
        return export_of("pma").graph

    @pytest.fixture
    def told(self, images: Pixels) -> Inputs:
        """Six phrases of distinct words, two to each photo the same."""
        ids = np.zeros((len(images), 24, 6), np.int64)
        for row in range(6):
            ids[:, row, : 1 + row % 3] = 2 + np.arange(3 * row, 3 * row + 1 + row % 3) % (WORDS - 2)
        return Inputs(images, ids)

    def test_the_order_of_phrases_does_not_matter(self, pma: Graph, told: Inputs) -> None:
        assert told.phrases is not None
        order = np.array([3, 0, 5, 1, 4, 2, *range(6, 24)])
        first, other = pma(told), pma(Inputs(told.images, told.phrases[:, order]))
        assert np.abs(first["logits"] - other["logits"]).max() <= 1e-5 * max(1, np.abs(first["logits"]).max())
        assert np.allclose(first["phrase_weight"][:, :, order], other["phrase_weight"], atol=1e-5)

    def test_a_gap_between_phrases_changes_nothing(self, pma: Graph, told: Inputs) -> None:
        assert told.phrases is not None
        apart = np.roll(told.phrases, 6, axis=1)
        assert np.allclose(pma(told)["logits"], pma(Inputs(told.images, apart))["logits"], rtol=1e-5, atol=1e-4)

    @pytest.mark.parametrize("precision", ["fp32", "fp16"])
    def test_no_text_and_unknown_words_give_finite_answers(
        self, export_of: Callable[[System], Exported], images: Pixels, precision: Precision, tmp_path: Path
    ) -> None:
        one = export_of("pma")
        onnx.save(store(one.proto, precision, set(one.state)), tmp_path / "stored.onnx")
        pma = Graph(tmp_path / "stored.onnx")
        nothing = pma(Inputs(images, np.zeros((len(images), 24, 6), np.int64)))
        unknown = pma(Inputs(images, np.ones((len(images), 24, 6), np.int64)))
        assert np.isfinite(nothing["logits"]).all()
        assert np.isfinite(unknown["logits"]).all()
        assert not nothing["phrase_weight"].any()

    def test_masked_phrases_never_come_back(self, pma: Graph, told: Inputs) -> None:
        weights = pma(told)["phrase_weight"]
        gone = (weights[:, :-1] > 0) & (weights[:, 1:] == 0)
        assert gone.sum(axis=2).max() <= 3
        assert not ((weights[:, :-1] == 0) & (weights[:, 1:] > 0)).any()
        assert not weights[:, :, 6:].any()
        assert (weights.sum(axis=2) > 0.999).all()


@pytest.mark.parametrize("system", ["pma", "pma_visual"])
def test_a_stage_never_looks_at_the_same_block_twice(
    system: System, export_of: Callable[[System], Exported], images: Pixels
) -> None:
    one = export_of(system)
    blocks = one.graph(inputs_of(one.build, images))["stage_block"]
    assert all(len(set(row)) == 3 for row in blocks.tolist())
    assert blocks.min() >= 0
    assert blocks.max() < 16


def test_a_region_is_of_whole_patches_inside_the_photo(export_of: Callable[[System], Exported], images: Pixels) -> None:
    patches = export_of("rams_trans").graph(Inputs(images))["region"] * SMALL_VIT.side
    assert np.allclose(patches, np.rint(patches), atol=1e-5)
    assert (patches[:, 2:] >= 1).all()
    assert (patches[:, :2] + patches[:, 2:] <= SMALL_VIT.side).all()


def test_attention_is_never_below_its_base(export_of: Callable[[System], Exported], images: Pixels) -> None:
    outputs = export_of("s3n").graph(Inputs(images))
    assert outputs["attention"].min() >= 0.09 - 1e-6
    strongest, weakest = outputs["peaks"][:, 0], outputs["peaks"][:, 1]
    assert (strongest[:, 2] >= weakest[:, 2]).all()
    assert np.isin(outputs["peaks"][:, :, 3], (0, 1)).all()


def test_the_constants_of_the_sampler_are_in_the_file(export_of: Callable[[System], Exported]) -> None:
    tensors = [onnx.numpy_helper.to_array(tensor) for tensor in export_of("s3n").proto.graph.initializer]
    (kernels,) = (tensor for tensor in tensors if tensor.shape == (62, 31))
    plain, moment = kernels[:31], kernels[31:]
    assert plain.sum(1) == pytest.approx(np.full(31, 13.838071), abs=1e-5)
    assert plain[15, [0, 10, 14, 15, 16]] == pytest.approx([0.059056, 0.663553, 0.983728, 1, 0.983728], abs=1e-5)
    assert [plain[0, 0], moment[0, 0], moment[30, 30]] == pytest.approx([7.419035, -1.013115, 8.432151], abs=1e-5)
    assert [moment[15].sum(), moment[0].sum()] == pytest.approx([6.919035, 0], abs=1e-5)


def test_what_only_training_needs_begins_again(export_of: Callable[[System], Exported]) -> None:
    rams = export_of("rams_trans")
    rebuilt = build(rams.build)
    fill(rebuilt, load_state(rams.path))
    assert torch.equal(rebuilt.state_dict()["class_tokens.1"], rams.state["class_tokens.0"])
    s3n = export_of("s3n")
    fill(build(s3n.build), load_state(s3n.path))


def test_the_model_itself_answers_by_the_same_names(one: Exported, images: Pixels) -> None:
    found = torch_outputs(one.model, inputs_of(one.build, images[:2]))
    assert list(found) == [value.name for value in one.proto.graph.output]
