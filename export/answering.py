"""An answerer of questions as an ONNX graph: a photo and a question in, the answer and what was read out.

Owns the border of an answer graph: `image`, `tokens` and `token_mask` in, `logits`, `kept` and `relevance` out. How a
graph is traced and named is `export.onnx`'s part, which operators it may have `export.operators`'.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from onnx import ModelProto
from torch import Tensor, nn

from export.onnx import EXAMPLE_BATCH, export_border
from models.hard_attention import CONTROLS, AnswerOutput, HardAttention


class AnswerGraph(nn.Module):
    """An answerer behind the border of an answer graph; the batch is the questions, each with its photo."""

    def __init__(self, model: HardAttention) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, tokens: Tensor, token_mask: Tensor) -> tuple[Tensor, ...]:
        """RGB uint8 [B, S, S, 3], word ids int64 [B, T], their mask f32 0/1 [B, T] -> the outputs in their order."""
        return tuple(self.model(image.permute(0, 3, 1, 2).float(), tokens, token_mask))


def export_answer_graph(model: HardAttention, size_px: int, length: int, facts: Mapping[str, str]) -> ModelProto:
    """Export an answerer in evaluation mode, for photos of `size_px` and questions of `length` words.

    `facts` become the file's metadata.

    Raises:
        ValueError: the model is a control, which chooses its cells at random or in the middle.
    """
    if model.shape.selection in CONTROLS:
        raise ValueError(f"{model.shape.selection} cells are a control of training; a graph must choose by relevance")
    example = {
        "image": torch.zeros((EXAMPLE_BATCH, size_px, size_px, 3), dtype=torch.uint8),
        "tokens": torch.ones((EXAMPLE_BATCH, length), dtype=torch.int64),
        "token_mask": torch.ones((EXAMPLE_BATCH, length)),
    }
    border = AnswerGraph(copy.deepcopy(model)).eval()  # tracing swaps the tensors of an LSTM
    return export_border(border, example, AnswerOutput._fields, facts)
