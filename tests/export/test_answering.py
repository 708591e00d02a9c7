"""Answer graphs: the known answers of hard attention through the engine, the rules of graphs, and parity with torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from export.answering import AnswerGraph, export_answer_graph
from export.onnx import trace
from export.operators import check_graph
from models.hard_attention import AnswerOutput, HardAttention, HardAttentionShape, Selection
from models.layers.aggregation import Aggregation
from models.layers.cell_encoders import SceneCells
from models.layers.selection import above_uniform, relevance, strongest
from tests.known_layers import pairwise, soft

pytestmark = pytest.mark.timeout(600)  # an export takes minutes where others use the processor

SIZE, LENGTH = 75, 7
SHAPE = HardAttentionShape(12, 5, channels=32, embedding=8, question=8, width=16, hidden=(16, 16), keep=25, places=True)
KINDS: list[tuple[Selection, Aggregation]] = [
    ("han", "relation"),
    ("adahan", "pairwise"),
    ("all", "soft"),
    ("all", "stacked"),
]
BATCHES = (1, 2, 3, 8)
CELLS = [[1.0, 0.0], [0.0, 2.0], [0.1, 0.1]]
Answers = dict[str, npt.NDArray[np.float32]]


class Questions(nn.Module):
    """The mechanisms side by side, asked what the paper's arithmetic answers."""

    def __init__(self) -> None:
        super().__init__()
        self.scaled, self.plain, self.soft = pairwise(2**-0.5), pairwise(1.0), soft()

    def forward(self, grid: Tensor, rows: Tensor, cells: Tensor, kept: Tensor, vectors: Tensor) -> tuple[Tensor, ...]:
        asked = torch.zeros_like(kept)
        picks = strongest(grid, 4)
        two = cells[:, :2]
        return (
            picks,
            picks.sum(1),
            above_uniform(grid),
            above_uniform(rows),
            self.plain(two, torch.ones_like(kept[:, :2]), asked),
            self.scaled(two, torch.ones_like(kept[:, :2]), asked),
            self.plain(cells, kept, asked),
            relevance(vectors[:, :4]),
            self.soft.weights(vectors[:, 4:]),
            self.soft(vectors[:, 4:], kept, asked),
        )


NAMES = (
    "picks",
    "mask",
    "adaptive_grid",
    "adaptive",
    "plain",
    "scaled",
    "dropped",
    "relevance",
    "soft_weights",
    "soft",
)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What ONNX Runtime says to the known questions."""
    rows = [[1.0, 2.0, 3.0, 4.0], [0.1, 0.2, 0.3, 0.4], [4.0, 4.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]]
    lengths = [[3.0, 0.0], [1.0, 1.0], [0.0, 2.0], [0.0, 0.0]]
    asked = {
        "grid": torch.tensor([[3.0, 1.0, 2.0, 3.0, 2.0, 0.0, 2.0, 5.0, 1.0]] * 4),
        "rows": torch.tensor(rows),
        "cells": torch.tensor([CELLS] * 4),
        "kept": torch.tensor([[1.0, 1.0, 0.0]] * 4),
        "vectors": torch.tensor([[*lengths, [1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]] * 4),
    }
    proto = trace(Questions().eval(), asked, NAMES)
    return _run(proto, tmp_path_factory.mktemp("known"), {name: value.numpy() for name, value in asked.items()})


def _run(proto: onnx.ModelProto, folder: Path, inputs: dict[str, npt.NDArray[np.generic]]) -> Answers:
    onnx.save(proto, folder / "graph.onnx")
    session = onnxruntime.InferenceSession(folder / "graph.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def test_known_answer_1_han(answers: Answers) -> None:
    assert answers["picks"][0].argmax(1).tolist() == [7, 0, 3, 2]
    assert answers["mask"][0].tolist() == [1, 0, 1, 1, 0, 0, 0, 1, 0]


def test_known_answer_2_adahan(answers: Answers) -> None:
    assert answers["adaptive_grid"][0].tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 0]
    assert answers["adaptive"].tolist() == [[0, 0, 0, 1], [0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]]


def test_known_answers_3_and_4_pairwise(answers: Answers) -> None:
    assert answers["plain"][0].tolist() == pytest.approx([0.749045, 3.250955], abs=1e-5)
    assert answers["scaled"][0].tolist() == pytest.approx([0.725569, 3.274431], abs=1e-5)
    assert answers["dropped"][0].tolist() == pytest.approx([0.749045, 3.250955], abs=1e-5)


def test_known_answer_5_lengths(answers: Answers) -> None:
    assert answers["relevance"][0].tolist() == pytest.approx([3, 1.414214, 2, 1e-6], abs=1e-5)


def test_known_answer_6_soft_weights(answers: Answers) -> None:
    assert answers["soft_weights"][0].tolist() == pytest.approx([0.244728, 0.665241, 0.090031], abs=1e-5)
    assert answers["soft"][0].tolist() == pytest.approx([0.424790, 0.845302], abs=1e-5)


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def exported(request: pytest.FixtureRequest) -> tuple[HardAttention, onnx.ModelProto]:
    """A random answerer of drawn scenes and its graph."""
    selection, aggregation = request.param
    torch.manual_seed(5)
    model = HardAttention(replace(SHAPE, selection=selection, aggregation=aggregation), SceneCells())
    nn.init.normal_(model.classifier[-1].weight)  # type: ignore[arg-type]  # answers that differ by more than rounding
    return model.eval(), export_answer_graph(model, SIZE, LENGTH, {"system": "hard_attention"})


def asked(batch: int) -> dict[str, npt.NDArray[np.generic]]:
    """The first of eight pictures of coloured blocks, the last one black, and questions of all lengths."""
    rng = np.random.default_rng(17)
    blocks = rng.integers(0, 256, (8, 15, 15, 3), np.uint8)
    blocks[-1] = 0
    mask = (np.arange(LENGTH) < rng.integers(1, LENGTH + 1, (8, 1))).astype(np.float32)
    tokens = rng.integers(2, SHAPE.words, (8, LENGTH)) * mask.astype(np.int64)
    whole = {"image": blocks.repeat(5, 1).repeat(5, 2), "tokens": tokens, "token_mask": mask}
    return {name: value[:batch] for name, value in whole.items()}


def test_the_graph_keeps_every_rule_and_its_border(exported: tuple[HardAttention, onnx.ModelProto]) -> None:
    model, proto = exported
    assert check_graph(proto) == []
    assert [entry.name for entry in proto.graph.input] == ["image", "tokens", "token_mask"]
    assert [entry.name for entry in proto.graph.output] == ["logits", "kept", "relevance"]
    assert {entry.key: entry.value for entry in proto.metadata_props} == {"system": "hard_attention"}
    assert not {"TopK", "ScatterElements"} & {node.op_type for node in proto.graph.node}
    weights = {name for name in model.state_dict() if not name.endswith("num_batches_tracked")}
    assert weights <= {tensor.name for tensor in proto.graph.initializer}


def test_the_engine_answers_as_torch_does(exported: tuple[HardAttention, onnx.ModelProto], tmp_path: Path) -> None:
    model, proto = exported
    graph = AnswerGraph(model).eval()
    for batch in BATCHES:
        inputs = asked(batch)
        found = _run(proto, tmp_path, inputs)
        with torch.inference_mode():
            expected = AnswerOutput(*graph(*(torch.from_numpy(value) for value in inputs.values())))
        settled = has_margin(model.shape, expected.relevance)
        assert settled.any()
        assert torch.from_numpy(found["kept"])[settled].equal(expected.kept[settled])
        assert off(found["logits"], expected.logits.numpy(), settled.numpy()) < 1e-4
        relative = np.abs(found["relevance"] / expected.relevance.numpy() - 1)
        assert relative.max() < 1e-4


def off(found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32], rows: npt.NDArray[np.bool_]) -> float:
    """The largest difference in some rows, as a share of the largest value where that is above 1."""
    return float(np.abs(found - expected)[rows].max()) / max(1.0, float(np.abs(expected[rows]).max()))


def has_margin(shape: HardAttentionShape, scores: Tensor) -> Tensor:
    """The rows where no cell lies so near to the border of the choice that rounding may move it."""
    if shape.selection == "all":
        return torch.ones(len(scores), dtype=torch.bool)
    if shape.selection == "adahan":
        return ((scores.softmax(1) * shape.cells - 1).abs() > 1e-4).all(1)
    ranked = scores.sort(dim=1, descending=True).values
    return ranked[:, shape.keep - 1] - ranked[:, shape.keep] > 1e-4 * ranked[:, shape.keep - 1]


def test_a_question_is_answered_alike_alone_and_among_others(
    exported: tuple[HardAttention, onnx.ModelProto], tmp_path: Path
) -> None:
    model, proto = exported
    inputs = asked(8)
    together = _run(proto, tmp_path, inputs)
    settled = has_margin(model.shape, torch.from_numpy(together["relevance"])).numpy()
    for row in settled.nonzero()[0]:
        alone = _run(proto, tmp_path, {name: value[row : row + 1] for name, value in inputs.items()})
        assert off(alone["logits"], together["logits"][row : row + 1], np.array([True])) < 5e-5
        assert (alone["kept"][0] == together["kept"][row]).all()


@pytest.mark.parametrize("selection", ["random", "centre"])
def test_a_choice_that_is_a_control_is_not_exported(selection: Selection) -> None:
    model = HardAttention(replace(SHAPE, selection=selection), SceneCells())
    with pytest.raises(ValueError, match="must choose by relevance"):
        export_answer_graph(model, SIZE, LENGTH, {})
