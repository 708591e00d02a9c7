"""A grounding model as two ONNX graphs: `vision`, run once a photo, and `fuse`, whose batch are the expressions.

Owns the borders of the two graphs and what of the model belongs to which; the rules of a graph and how it is traced are
`export.onnx`'s. Initialisers keep the names of the model's state dict in both files.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
import torch
from onnx import ModelProto
from torch import Tensor, nn

from export.onnx import EXAMPLE_BATCH, trace
from models.referring import TOKENS, Referring


class VisionGraph(nn.Module):
    """The part that reads no words, behind its border: `image` uint8 [B, S, S, 3] -> `features` f32 [B, N, C1]."""

    def __init__(self, model: Referring) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """RGB, letterboxed."""
        return (self.model.vision(image.permute(0, 3, 1, 2).float()),)


class FuseGraph(nn.Module):
    """The part that reads: features, word pieces and masks -> `box` f32 [B, 4] and `conf` f32 [B, 2]."""

    def __init__(self, model: Referring) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor, tokens: Tensor, token_mask: Tensor, cell_mask: Tensor) -> tuple[Tensor, ...]:
        """The host repeats a photo's features and cell mask for each of its expressions."""
        found = self.model.fuse(features, tokens, token_mask, cell_mask)
        return found.box, found.conf


def export_grounding(model: Referring, facts: Mapping[str, str], tokens: int = TOKENS) -> dict[str, ModelProto]:
    """Export a model in evaluation mode: the graphs `vision` and `fuse`, the latter for expressions of `tokens` pieces.

    Raises:
        ValueError: more pieces than the model has positions for.
    """
    limit = min(TOKENS, model.shape.text.positions)
    if not 2 <= tokens <= limit:
        raise ValueError(f"an expression of {tokens} word pieces; 2 to {limit} are possible")
    size_px, cells, width = model.shape.size_px, model.vision.cells, model.vision.width
    fuse = {
        "features": torch.zeros((EXAMPLE_BATCH, cells, width)),
        "tokens": torch.zeros((EXAMPLE_BATCH, tokens), dtype=torch.int64),
        "token_mask": torch.ones((EXAMPLE_BATCH, tokens)),
        "cell_mask": torch.ones((EXAMPLE_BATCH, cells)),
    }
    image = torch.zeros((EXAMPLE_BATCH, size_px, size_px, 3), dtype=torch.uint8)
    graphs = {
        "vision": trace(VisionGraph(model).eval(), {"image": image}, ["features"]),
        "fuse": trace(FuseGraph(model).eval(), fuse, ["box", "conf"]),
    }
    for proto in graphs.values():
        proto.graph.name = "fieldmark"
        for key, value in sorted(facts.items()):
            proto.metadata_props.add(key=key, value=value)
        onnx.checker.check_model(proto, full_check=True)
    return graphs
