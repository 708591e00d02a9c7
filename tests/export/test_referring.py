"""A grounding model's two graphs through the engine: rules, parity, and the known answers that touch outputs.

The head is the paper's; of the other head the same is asked where a run becomes a bundle.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from export.onnx import trace
from export.operators import check_graph
from export.referring import export_grounding
from export.weights import CONSTANT_PREFIX
from models import referring
from models.backbones import SPECS
from models.layers.boxes import cell_centres, mean_box
from models.layers.crossmodal import AlternateAttention
from models.referring import TOKENS
from tests.grounding import (
    CELLS,
    READ_CELLS,
    READ_WORDS,
    SHALLOW_TEXT,
    TINY_STAGES,
    WORDS,
    Asked,
    identity_layer,
    questions,
    tiny_model,
)

pytestmark = pytest.mark.timeout(600)  # an export takes minutes where others use the processor

FEWER_TOKENS = 24

Arrays = dict[str, npt.NDArray[np.generic]]


class Pair:
    """A model and its two files, loaded; they are made for fewer word pieces than the model can read."""

    def __init__(self, folder: Path) -> None:
        self.model = tiny_model("cls", text=SHALLOW_TEXT)
        self.protos = export_grounding(self.model, {"system": "referring"}, FEWER_TOKENS)
        self.sessions = {}
        for name, proto in self.protos.items():
            onnx.save(proto, folder / f"{name}.onnx")
            self.sessions[name] = session(folder / f"{name}.onnx")

    def ask(self, asked: Asked, features: npt.NDArray[np.generic] | None = None) -> tuple[Arrays, Arrays]:
        """Features, then box and conf."""
        image = asked.image.permute(0, 2, 3, 1).contiguous().to(torch.uint8).numpy()
        seen = run(self.sessions["vision"], {"image": image}) if features is None else {"features": features}
        words = dict(
            zip(("tokens", "token_mask", "cell_mask"), (tensor.numpy() for tensor in asked.words), strict=True)
        )
        return seen, run(self.sessions["fuse"], seen | words)


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(loaded: onnxruntime.InferenceSession, feed: Arrays) -> Arrays:
    names = [output.name for output in loaded.get_outputs()]
    return dict(zip(names, loaded.run(None, feed), strict=True))


def off(found: npt.NDArray[np.generic], expected: npt.NDArray[np.generic]) -> float:
    """The largest difference, as a share of the largest value where that is above 1."""
    return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, tiny: None) -> Pair:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SPECS, "tiny_stages", TINY_STAGES)
        patch.setattr(referring, "_LAYERS_A_GROUP", 1)
        patch.setattr(referring, "_FUSION_LAYERS", 2)  # one layer, and the last, of which only [CLS] is read
        return Pair(tmp_path_factory.mktemp("pair"))


def test_graphs_keep_the_rules(pair: Pair) -> None:
    for proto in pair.protos.values():
        faults = [fault for fault in check_graph(proto) if "[2, 4]" not in fault]  # the tiny map's own side is 2
        assert faults == []


def test_borders_bear_the_names_of_the_contract(pair: Pair) -> None:
    borders = {
        name: ([value.name for value in proto.graph.input], [value.name for value in proto.graph.output])
        for name, proto in pair.protos.items()
    }
    assert borders == {
        "vision": (["image"], ["features"]),
        "fuse": (["features", "tokens", "token_mask", "cell_mask"], ["box", "conf"]),
    }


def test_every_weight_that_serves_is_in_one_of_the_files_under_its_name(pair: Pair) -> None:
    stored = {
        name: {tensor.name for tensor in proto.graph.initializer if not tensor.name.startswith(CONSTANT_PREFIX)}
        for name, proto in pair.protos.items()
    }
    serves = {name for name in pair.model.state_dict() if not name.endswith("num_batches_tracked")}
    assert stored["vision"] == {name for name in serves if name.startswith("vision.")}
    assert stored["vision"] | stored["fuse"] == serves
    assert stored["vision"].isdisjoint(stored["fuse"])


@pytest.mark.parametrize("batch", [1, 2, 3, 8])
def test_the_files_answer_as_the_model_does(pair: Pair, batch: int) -> None:
    asked = questions(batch, FEWER_TOKENS)
    seen, found = pair.ask(asked)
    with torch.inference_mode():
        features = pair.model.vision(asked.image)
        expected = pair.model.fuse(features, *asked.words)
    assert off(seen["features"], features.numpy()) < 1e-4
    assert off(found["box"], expected.box.numpy()) < 1e-5
    assert off(found["conf"], expected.conf.numpy()) < 1e-4


def test_rows_do_not_see_each_other(pair: Pair) -> None:
    asked = questions(8, FEWER_TOKENS)
    _, together = pair.ask(asked)
    for row in range(8):
        part = Asked(*(tensor[row : row + 1] for tensor in (asked.image, *asked.words)))
        _, alone = pair.ask(part)
        assert off(alone["box"][0], together["box"][row]) < 5e-6
        assert off(alone["conf"][0], together["conf"][row]) < 5e-5


def test_known_answer_7_padding_and_bars_change_nothing_in_the_file(pair: Pair) -> None:
    asked = questions(length=FEWER_TOKENS)
    seen, found = pair.ask(asked)
    tokens = torch.where(asked.token_mask > 0, asked.tokens, (asked.tokens + 7) % 50)
    bars = asked.cell_mask.unsqueeze(2).numpy() == 0
    features = np.where(bars, seen["features"] + np.float32(3.0), seen["features"])
    _, again = pair.ask(Asked(asked.image, tokens, asked.token_mask, asked.cell_mask), features)
    assert np.array_equal(found["box"], again["box"])
    assert np.array_equal(found["conf"], again["conf"])


def test_a_graph_for_fewer_pieces_answers_as_the_model_does_to_padded_ones(pair: Pair) -> None:
    asked = questions(length=TOKENS)
    assert asked.token_mask.sum(1).max() <= FEWER_TOKENS
    cut = (tensor[:, :FEWER_TOKENS] for tensor in (asked.tokens, asked.token_mask))
    _, found = pair.ask(Asked(asked.image, *cut, asked.cell_mask))
    with torch.inference_mode():
        expected = pair.model.fuse(pair.model.vision(asked.image), *asked.words)
    assert off(found["box"], expected.box.numpy()) < 1e-5


def test_a_length_that_no_text_can_have_is_refused(pair: Pair) -> None:
    with pytest.raises(ValueError, match="an expression of 41 word pieces; 2 to 40 are possible"):
        export_grounding(pair.model, {}, tokens=41)


class Questions(nn.Module):
    """The mechanisms with known answers, in one graph."""

    def __init__(self) -> None:
        super().__init__()
        self.model: AlternateAttention = identity_layer()

    def forward(self, cells: Tensor, words: Tensor, logits: Tensor) -> tuple[Tensor, ...]:
        mask = cells[:, :, 0] * 0.0 + 1.0
        read, answered = self.model(cells, words, mask, mask)
        box = mean_box(logits.softmax(1), logits.unsqueeze(2).expand(-1, 9, 4) * 0.0 + 0.1, cell_centres(3))
        return read, answered, box


def test_known_answers_6_and_11_through_the_engine(tmp_path: Path) -> None:
    logits = torch.zeros(2, 9)
    logits[:, 4], logits[:, 8] = 2.0, 1.0
    example = {"cells": CELLS.repeat(2, 1, 1), "words": WORDS.repeat(2, 1, 1), "logits": logits}
    onnx.save(trace(Questions().eval(), example, ["read", "answered", "box"]), tmp_path / "known.onnx")
    found = run(session(tmp_path / "known.onnx"), {name: tensor.numpy() for name, tensor in example.items()})
    assert found["read"][0] == pytest.approx(np.array(READ_CELLS), abs=1e-5)
    assert found["answered"][0] == pytest.approx(np.array(READ_WORDS), abs=1e-5)
    assert found["box"][0] == pytest.approx(np.array([0.5334804, 0.5334804, 0.2, 0.2]), abs=1e-5)
