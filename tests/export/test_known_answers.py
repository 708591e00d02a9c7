"""The papers' known answers through the engine: the same numbers that `tests/models` finds in torch.

All of them are one graph with one batch axis, exported once; a question with fewer cases than the batch repeats them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from export.onnx import trace
from models.layers.phrases import PhraseEncoder
from models.layers.region import component_box, largest_component, patch_mask, roll_out, zoom
from models.layers.sampler import GRID, SparseSampler
from models.layers.stages import QueryRelation, look, mask_phrases, masked_softmax
from models.s3n import BASE, Peaks, attention_map, local_maxima, split_peaks, top_entropy
from tests.known_layers import bare_stream, self_attention

pytestmark = pytest.mark.timeout(600)  # an export takes minutes where others use the processor

CASES = 6
Answers = dict[str, npt.NDArray[np.float32]]


def cases(*rows: object) -> Tensor:
    """Rows as float32, repeated to the batch's size."""
    table = np.array(rows, np.float32)
    return torch.from_numpy(np.resize(table, (CASES, *table.shape[1:])))


class Questions(nn.Module):
    """The mechanisms of the three papers side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.relation = QueryRelation(2, 2)
        self.phrases = PhraseEncoder(2, 1, 1)
        self.sampler = SparseSampler(64)
        self.patches = torch.zeros(1, 14, 14)
        self.patches[:, 3:5, 4:7] = 1.0
        self.visual, self.text, self.stream = self_attention(text=False), self_attention(text=True), bare_stream()
        with torch.no_grad():
            self.relation.query.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
            self.phrases.embedding.weight.copy_(torch.tensor([[0.0], [1.0]]))
            for weight in self.phrases.lstm.parameters():
                weight.fill_(0.5)

    def forward(self, **asked: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.answers(**asked).values())

    def answers(self, **asked: Tensor) -> dict[str, Tensor]:
        return self.pma_parts(**asked) | self.pma(**asked) | self.rams(**asked) | self.s3n(**asked)

    def pma_parts(self, scores: Tensor, picture: Tensor, **_: Tensor) -> dict[str, Tensor]:
        vectors = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]]) + 0.0 * scores[:, :3, None]
        visual, text = self.visual(vectors), self.text(vectors)
        whole, strongest, mean = self.stream.blocks(picture)
        return {
            "visual_scores": visual,
            "visual_sum": torch.bmm(visual.softmax(1).unsqueeze(1), vectors)[:, 0],
            "text_scores": text,
            "text_sum": torch.bmm(text.softmax(1).unsqueeze(1), vectors)[:, 0],
            "whole": whole,
            "block_max": strongest[:, :, 0],
            "block_mean": mean[:, :, 0],
        }

    def pma(
        self, scores: Tensor, words: Tensor, weights: Tensor, usable: Tensor, count: Tensor, **_: Tensor
    ) -> dict[str, Tensor]:
        values = torch.arange(1.0, 5.0).reshape(1, 4, 1) + 0.0 * scores.unsqueeze(2)
        available, picks, shares, overall = torch.ones_like(scores), [], [], []
        for _stage in range(3):
            seen = look(scores, available, values, values)
            available = available * (1.0 - seen.block)
            picks.append(seen.block.argmax(1))
            shares.append(seen.weight)
            overall.append(seen.vector[:, 0])
        vectors = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [9.0, 9.0]]]) + 0.0 * scores[:, :, None]
        query = torch.tensor([[2.0, 1.0]]) + 0.0 * scores[:, :2]
        is_phrase = torch.tensor([[1.0, 1.0, 1.0, 0.0]]) + 0.0 * scores
        encoded, valid = self.phrases(words)
        return {
            "picks": torch.stack(picks, 1),
            "shares": torch.stack(shares, 1),
            "overall": torch.stack(overall, 1),
            "tied": masked_softmax(self.relation(vectors, query), is_phrase),
            "usable_after": mask_phrases(weights, usable, count),
            "encoded": encoded[:, :, 0],
            "valid": valid,
        }

    def rams(self, layers: Tensor, saliency: Tensor, masks: Tensor, picture: Tensor, **_: Tensor) -> dict[str, Tensor]:
        rolled = [layers[:, 0], layers[:, 1]]
        masked = torch.stack([patch_mask(saliency, alpha) for alpha in (1.3, 2.5, 3.5)], 1)
        corner = torch.tensor([[1.0, 3.0, 0.0, 2.0]]) + 0.0 * picture[:, 0, 0]
        patches = self.patches + 0.0 * picture[:, 0, :1, :1]
        component = largest_component(masks)
        return {
            "rolled_cls": roll_out(rolled, "cls"),
            "rolled_mean": roll_out(rolled, "mean"),
            "boxes": component_box(largest_component(masked.reshape(-1, 4, 4))).reshape(-1, 3, 4),
            "component_box": component_box(component),
            "component_cells": component.sum((1, 2)),
            "zoomed": zoom(picture, corner)[:, 0],
            "box_px": component_box(patches) * 16.0,
        }

    def s3n(self, raw: Tensor, map5: Tensor, response: Tensor, attention: Tensor, **_: Tensor) -> dict[str, Tensor]:
        is_peak = (response > 0).float()
        strong, weak = split_peaks(Peaks(response, is_peak, response[:, 0, 0]), 2, None)
        x, y = self.sampler.nodes(attention)
        return {
            "entropy": top_entropy(raw),
            "peaks": local_maxima(map5),
            "discriminative": attention_map(response, strong, torch.tensor(0.09), inverse=False),
            "complementary": attention_map(response, weak, torch.tensor(0.3), inverse=True),
            "x": x,
            "y": y,
        }


def gaussian(row: int, column: int) -> npt.NDArray[np.float32]:
    """Attention with one peak of value 1 at beta 0.09."""
    y, x = np.mgrid[:GRID, :GRID]
    squares = (y - row) ** 2 + (x - column) ** 2
    return (0.09 + np.exp(-squares / (2 * (0.09 * GRID) ** 2))).astype(np.float32)


def questions() -> dict[str, Tensor]:
    w1 = [[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]
    w2 = [[0.2, 0.5, 0.3], [0.3, 0.3, 0.4], [0.6, 0.1, 0.3]]
    texts = [
        ([0.4, 0.25, 0.21, 0.09, 0.05], 5, 5),
        ([0.18, 0.17, 0.16, 0.15, 0.14, 0.06, 0.05, 0.04, 0.03, 0.02], 10, 10),
        ([0.5, 0.3, 0.2], 3, 3),
        ([0.25] * 4, 4, 4),
        ([0.6, 0.4], 2, 4),
        ([1.0], 1, 4),
    ]
    spiral = "111110/000001/011101/100101/100001/011110"
    blobs, diagonals = np.zeros((2, 6, 6))
    for place in [(0, 3), (0, 4), (1, 4), (4, 0), (5, 0), (5, 1)]:
        blobs[place] = 1
    for place in [(0, 0), (1, 1), (2, 2), (0, 3), (1, 3)]:
        diagonals[place] = 1
    map5 = np.zeros((5, 5))
    map5[1, 1], map5[1, 3], map5[1, 4], map5[3, 0], map5[3, 3], map5[4, 4] = 9, 3, 3, 1, 6, 6
    two, strong, weak = np.zeros((3, GRID, GRID))
    delta = np.full((GRID, GRID), 0.09)
    two[15, 15], two[4, 20], strong[15, 10], weak[15, 10], delta[15, 15] = 1, 0.49, 1, 0.49, 1.09
    raw = np.zeros((3, 200))
    raw[0, 0], raw[1, 0] = 9, 7
    words = cases([[1, 1, 1], [1, 1, 0], [0, 0, 0]]).long()
    return {
        "scores": cases([0.2, 1.0, 0.5, -0.3]),
        "words": words,
        "weights": cases(*([*row, *[0.0] * (10 - len(row))] for row, _, _ in texts)),
        "usable": cases(*([1.0] * left + [0.0] * (10 - left) for _, left, _ in texts)),
        "count": cases(*([float(valid)] for _, _, valid in texts)),
        "layers": cases([[w1], [w2]]),
        "saliency": cases(
            [0.1, 0.2, 0.1, 0.1, 0.1, 0.9, 0.8, 0.1, 0.1, 0.2, 0.7, 0.1, 0.6, 0.1, 0.1, 0.1], [0.25] * 16
        ),
        "masks": cases(
            [[float(cell) for cell in row] for row in spiral.split("/")], blobs, np.zeros((6, 6)), diagonals
        ),
        "picture": cases(np.arange(16.0).reshape(1, 4, 4)),
        "raw": cases(*raw),
        "map5": cases(map5),
        "response": cases(two, strong, weak),
        "attention": cases(np.full((GRID, GRID), 0.5), gaussian(15, 15), gaussian(0, 0), delta),
    }


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What ONNX Runtime says, from the file that the exporter makes."""
    asked, module = questions(), Questions().eval()
    with torch.inference_mode():
        names = list(module.answers(**asked))
    path = tmp_path_factory.mktemp("known") / "answers.onnx"
    onnx.save(trace(_InOrder(module, list(asked)).eval(), asked, names), path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {name: value.numpy() for name, value in asked.items()})
    return dict(zip(names, found, strict=True))


class _InOrder(nn.Module):
    """The questions by position, as an exporter passes them."""

    def __init__(self, module: Questions, names: list[str]) -> None:
        super().__init__()
        self.module, self.names = module, names

    def forward(  # noqa: PLR0913, PLR0917 - the exporter takes the names of inputs from here
        self,
        scores: Tensor,
        words: Tensor,
        weights: Tensor,
        usable: Tensor,
        count: Tensor,
        layers: Tensor,
        saliency: Tensor,
        masks: Tensor,
        picture: Tensor,
        raw: Tensor,
        map5: Tensor,
        response: Tensor,
        attention: Tensor,
    ) -> tuple[Tensor, ...]:
        given = (
            scores,
            words,
            weights,
            usable,
            count,
            layers,
            saliency,
            masks,
            picture,
            raw,
            map5,
            response,
            attention,
        )
        found: tuple[Tensor, ...] = self.module(**dict(zip(self.names, given, strict=True)))
        return found


def near(values: Iterable[float], tolerance: float = 1e-5) -> object:
    return pytest.approx(list(values), abs=tolerance)


def test_pma_1_and_2_self_attention(answers: Answers) -> None:
    assert answers["visual_scores"][0].tolist() == near([1, 1.5, 3])
    assert answers["visual_sum"][0].tolist() == near([0.835748, 0.900376])
    assert answers["text_scores"][0].tolist() == near([1.142391, 0.583230, 0.995055])
    assert answers["text_sum"][0].tolist() == near([0.765191, 0.589270])


def test_pma_3_blocks(answers: Answers) -> None:
    assert answers["block_max"][0].tolist() == [5, 7, 13, 15]
    assert answers["block_mean"][0].tolist() == [2.5, 4.5, 10.5, 12.5]
    assert answers["whole"][0].tolist() == [7.5]


def test_pma_4_picks_and_weights(answers: Answers) -> None:
    assert answers["picks"].tolist() == [[1, 2, 0]] * CASES
    assert answers["shares"][0].tolist() == near([0.429481, 0.456590, 0.622459])
    assert answers["overall"][0].tolist() == near([2.301610, 2.528658, 2.132622])


def test_pma_5_and_6_which_phrases_stay(answers: Answers) -> None:
    left = [row.nonzero()[0].tolist() for row in answers["usable_after"]]
    assert left == [[3, 4], [3, 4, 5, 6, 7, 8, 9], [1, 2], [0, 1, 2, 3], [1], [0]]


def test_pma_7_phrases_tied_to_a_block(answers: Answers) -> None:
    assert answers["tied"][0].tolist() == near([0.163579, 0.163579, 0.672842, 0])


def test_pma_8_the_state_at_the_last_real_word(answers: Answers) -> None:
    assert answers["encoded"][0].tolist() == near([0.840652, 0.761281, 0])
    assert answers["valid"][0].tolist() == [1, 1, 0]


def test_rams_1_roll_out(answers: Answers) -> None:
    assert answers["rolled_cls"][0].tolist() == near([0.33, 0.1925], 1e-6)
    assert answers["rolled_mean"][0].tolist() == near([0.370833, 0.317500], 1e-6)


def test_rams_3_and_4_mask_and_box(answers: Answers) -> None:
    assert answers["boxes"][0].tolist() == [[1, 3, 1, 3], [1, 3, 1, 3], [0, 4, 0, 4]]
    assert answers["boxes"][1].tolist() == [[0, 4, 0, 4]] * 3


def test_rams_5_6_and_7_spiral_tie_nothing_and_diagonals(answers: Answers) -> None:
    assert answers["component_cells"][:4].tolist() == [19, 3, 0, 5]
    assert answers["component_box"][:4].tolist() == [[0, 6, 0, 6], [0, 2, 3, 5], [0, 6, 0, 6], [0, 3, 0, 4]]


def test_rams_8_zoom(answers: Answers) -> None:
    assert answers["zoomed"][0, 0].tolist() == near([4, 4.333333, 4.666667, 5])
    assert answers["zoomed"][0, 3].tolist() == near([8, 8.333333, 8.666667, 9])


def test_rams_9_box_in_pixels(answers: Answers) -> None:
    assert answers["box_px"][0].tolist() == [48, 80, 64, 112]


def test_s3n_1_entropy_of_the_five_likeliest(answers: Answers) -> None:
    assert answers["entropy"][:3].tolist() == near([0.028028, 0.163268, 0.132458])


def test_s3n_2_peaks(answers: Answers) -> None:
    assert np.argwhere(answers["peaks"][0]).tolist() == [[1, 1], [1, 3], [3, 3]]


def test_s3n_3_attention_along_a_row(answers: Answers) -> None:
    row = 15, [10, 11, 13, 15]
    assert (answers["discriminative"][1][row] - BASE).tolist() == near([1, 0.937786, 0.560962, 0.200721])
    assert (answers["discriminative"][2][row] - BASE).tolist() == near([0.49, 0.429799, 0.150597, 0.018489])
    assert (answers["complementary"][2][row] - BASE).tolist() == near([2.040816, 2.016880, 1.835227, 1.519529])


def test_s3n_4_attention_of_the_strongest_and_the_weakest(answers: Answers) -> None:
    strong, weak = answers["discriminative"][0], answers["complementary"][0]
    assert [strong[15, 15], strong[4, 20]] == near([1.090000, 0.090085])
    assert [weak[4, 20], weak[15, 15]] == near([2.130816, 0.454526])


def test_s3n_6_even_attention_looks_everywhere_alike(answers: Answers) -> None:
    even = np.tile(np.arange(GRID) / 30, (GRID, 1))
    assert np.abs(answers["x"][0] - even).max() < 1e-6
    assert np.abs(answers["y"][0] - even.T).max() < 1e-6


def test_s3n_7_8_9_where_peaks_draw_the_nodes(answers: Answers) -> None:
    centre, corner, delta = answers["x"][1], answers["x"][2], answers["x"][3]
    expected = [0.042502, 0.267459, 0.415623, 0.485001, 0.5, 0.514999, 0.584377, 0.732541, 0.957498]
    assert centre[15, [0, 5, 10, 14, 15, 16, 20, 25, 30]].tolist() == near(expected)
    expected = [-0.068833, -0.047529, 0.037555, 0.188576, 0.433316, 0.999978]
    assert corner[0, [0, 1, 5, 10, 15, 30]].tolist() == near(expected)
    assert answers["y"][2][[0, 1, 5, 10, 15, 30], 0].tolist() == near(expected)
    assert delta[15, [10, 14, 15, 16, 20]].tolist() == near([0.339512, 0.468467, 0.5, 0.531533, 0.660488])
