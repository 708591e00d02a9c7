"""How a grounding model begins: published weights for what sees and what reads, places that differ from the start.

Owns the readers of both files, the choice of the word pieces that are kept, and the first table of positions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models.backbones import load_efficientnet_lite
from models.layers.bert import load_bert
from models.layers.grains import GrainedFeatures, MobileNetStages
from models.referring import Referring
from models.resnet import ResNet, load_resnet
from models.text.expressions import PieceVocabulary, cut_vocabulary
from models.training.data import DataError
from models.yolox import YoloxStages, load_yolox

_WEIGHTS_NAME, _PIECES_NAME = "model.safetensors", "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Language:
    """The published word pieces that are kept, and the row of each id in the published table."""

    words: PieceVocabulary
    rows: list[int]


def load_stages(stages: nn.Module, path: Path) -> None:
    """Fill a visual backbone from its published file.

    Raises:
        DataError: the file holds other weights, or none are known for the backbone.
    """
    try:
        if isinstance(stages, YoloxStages):
            load_yolox(stages, path)
        elif isinstance(stages, MobileNetStages):
            load_efficientnet_lite(stages.trunk, path)
        elif isinstance(stages, ResNet):
            load_resnet(stages, path)
        else:
            raise DataError("no published weights are known for this backbone")
    except (DecodeError, EOFError, KeyError, OSError, RuntimeError, UnpicklingError, ValueError) as error:
        raise DataError(f"{path} does not hold the published weights of the backbone") from error


def read_language(folder: Path, texts: Iterable[str], length: int) -> Language:
    """Keep the word pieces that some texts use.

    Raises:
        DataError: the folder has no published vocabulary.
    """
    try:
        table: dict[str, int] = json.loads((folder / _PIECES_NAME).read_bytes())["model"]["vocab"]
        published = sorted(table, key=table.__getitem__)
        words = cut_vocabulary(texts, published, length)
        return Language(words, words.rows(published))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder / _PIECES_NAME} holds no vocabulary of word pieces") from error


def begin(model: Referring, vision: GrainedFeatures, folder: Path, rows: Sequence[int], position_scale: float) -> None:
    """Take over the visual branch that was trained, and the published language; positions are waves.

    Raises:
        DataError: the folder holds other weights.
    """
    model.vision.load_state_dict(vision.state_dict())
    with torch.no_grad():
        model.vision.position.copy_(position_scale * waves(model.shape.side, model.vision.width))
    try:
        load_bert(model.language, load_file(folder / _WEIGHTS_NAME), rows)
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(f"{folder / _WEIGHTS_NAME} does not hold the language's weights") from error


def waves(side: int, width: int) -> Tensor:
    """Sines and cosines of a cell's column and row, a quarter of the width each: f32 [side * side, width].

    From a table of noise every place would have to be learnt on its own; in waves neighbours are alike.
    """
    place = (torch.arange(side, dtype=torch.float32) + 0.5) / side
    count = width // 4
    turns = torch.pi * torch.logspace(-1, 4, count, base=2.0)
    angles = place.unsqueeze(1) * turns
    line = torch.cat([angles.sin(), angles.cos()], 1)
    across, down = line.repeat(side, 1), line.repeat_interleave(side, 0)
    table = torch.zeros(side * side, width)
    table[:, : 4 * count] = torch.cat([across, down], 1)
    return table
