"""A tiny grounding model of every form, and inputs for it: what the tests of models and of export share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from models.backbones import BackboneSpec, Stage
from models.layers.bert import BertShape
from models.layers.crossmodal import AlternateAttention
from models.referring import GROUPS, Head, Interaction, Referring, ReferringShape

TINY_STAGES = BackboneSpec(
    "tiny_stages", (Stage(1, 8, 1, 2), Stage(1, 8, 1, 2), Stage(1, 12, 1, 2), Stage(1, 16, 1, 2)), 1e-3, 127.0, 64.0
)
SIZE_PX = 64
TEXT = BertShape(vocabulary=50, width=12, layers=6, heads=3, inner=24, positions=40)
#: The fewest layers that every part of the graph is there with: an export takes its time a layer.
SHALLOW_TEXT = replace(TEXT, layers=GROUPS)

#: Known answer 6: CA2M on two cells and two words, and what both become.
CELLS = torch.tensor([[[2.0, 0, 0, 1], [0, 1, 0, -1]]])
WORDS = torch.tensor([[[0.0, 0, 1, 0], [1, 2, 0, 0]]])
ONES = torch.ones(1, 2)
READ_CELLS = [[1.524293, 0.107818, -1.224083, -0.408028], [0.093146, 1.488826, -0.279439, -1.302534]]
READ_WORDS = [[0.538359, 0.970941, 0.147684, -1.656983], [0.506388, 1.386497, -0.824689, -1.068197]]


@dataclass(frozen=True)
class Asked:
    """Photos, expressions and their masks."""

    image: Tensor
    tokens: Tensor
    token_mask: Tensor
    cell_mask: Tensor

    @property
    def words(self) -> tuple[Tensor, Tensor, Tensor]:
        """What `fuse` takes besides the features."""
        return self.tokens, self.token_mask, self.cell_mask


def tiny_model(head: Head = "cls", interaction: Interaction = "alternate", text: BertShape = TEXT) -> Referring:
    """A model with random weights strong enough that an answer depends on photo and words; `SPECS` must know its stages."""
    torch.manual_seed(0)
    shape = ReferringShape("tiny_stages", SIZE_PX, 8, (2, 3), 2, text, head, interaction)
    model = Referring(shape).eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if "running_var" in name:
                tensor.copy_(torch.rand_like(tensor) + 0.5)
            elif tensor.is_floating_point() and "norm" not in name and "temperature" not in name:
                tensor.copy_(torch.randn_like(tensor) * (0.7 if _is_sharp(name) else 0.3))
    return model


def _is_sharp(name: str) -> bool:
    """Queries, keys and tables: attention has to differ between words and between cells."""
    return any(part in name for part in ("query", "key", "words.weight", "position", "conv"))


def questions(batch: int = 4, length: int = 40) -> Asked:
    """Random photos; expressions of 2, 3, 5, ... pieces; bars at the bottom of every second photo."""
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (batch, 3, SIZE_PX, SIZE_PX), generator=generator).float()
    tokens = torch.randint(0, TEXT.vocabulary, (batch, length), generator=generator)
    lengths = torch.tensor([min(2 + row * (row + 1) // 2, length) for row in range(batch)])
    token_mask = (torch.arange(length) < lengths.unsqueeze(1)).float()
    cell_mask = torch.ones(batch, (SIZE_PX // 16) ** 2)
    cell_mask[::2, -SIZE_PX // 16 :] = 0.0
    return Asked(image, tokens, token_mask, cell_mask)


def identity_layer() -> AlternateAttention:
    """One head, width 4, all projections the identity, no feed-forward part."""
    layer = AlternateAttention(4, 1, 1, 0.0).eval()
    for name, weight in layer.named_parameters():
        if "norm" not in name:
            nn.init.zeros_(weight)
        if name.endswith("weight") and "attention." in name:
            nn.init.eye_(weight)
    return layer
