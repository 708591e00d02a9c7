"""How a model begins: with published weights, with those of an earlier stage, and with a head that is not random.

Owns what an earlier stage gives to the next. A system that reads more than the mean of the map starts as the plain
classifier that it was given: the new features have no say at first, so that training starts from what was reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import cast

import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from safetensors import SafetensorError
from torch import Tensor, nn

from models.backbones import MobileNet, load_efficientnet_lite, load_inat_mobilenet
from models.layers.cell_encoders import PhotoCells
from models.pma import PMA, PMAVisual
from models.s3n import S3N
from models.systems import adopt
from models.training.data import DataError
from models.vit import VisionTransformer
from models.vit_weights import read_vit, read_vit_s14

#: Batches of photos f32 [B, 3, S, S] as serving sees them; each call gives them anew.
Sample = Callable[[], Iterable[Tensor]]


def begin_with_state(model: nn.Module, state: Mapping[str, Tensor]) -> bool:
    """Take over what fits of another run's weights; whether the head was among it."""
    adopt(model, state)
    weight, bias = state.get("classifier.weight"), state.get("classifier.bias")
    if weight is None or bias is None:
        return False
    if isinstance(model, S3N):
        _widen(model.fused, weight, bias)
        nn.init.zeros_(model.fused.weight[:, weight.shape[1] :])
    elif isinstance(model, PMA | PMAVisual) and weight.shape != model.classifier.weight.shape:
        _widen(model.classifier, weight, bias)
        nn.init.zeros_(model.aggregate.weight)  # the stages are silent, and learn from the first step
    return True


@torch.no_grad()
def _widen(head: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    """Give a head a narrower one's weights f32 [C, D]."""
    head.weight[:, : weight.shape[1]] = weight
    head.bias.copy_(bias)


def begin_with_weights(model: nn.Module, path: Path, sample: Sample) -> None:
    """Fill the backbone from its published file; photos rebuild the norms where that has none.

    Raises:
        DataError: the file holds other weights.
    """
    backbone = cast("MobileNet | VisionTransformer", model.backbone)
    name = backbone.spec.name if isinstance(backbone, MobileNet) else _name_of(backbone)
    try:
        if isinstance(backbone, MobileNet):
            if name == "mobilenet_v2":
                load_inat_mobilenet(backbone, path, sample())
            else:
                load_efficientnet_lite(backbone, path)
        elif backbone.shape.layer_scale:
            adopt(model, read_vit_s14(path))
        else:
            adopt(model, read_vit(path, backbone))
    except (DecodeError, EOFError, KeyError, RuntimeError, UnpicklingError, SafetensorError) as error:
        raise DataError(f"{path} does not hold the published weights of {name}") from error
    except ValueError as error:
        raise DataError(str(error)) from error


def _name_of(encoder: VisionTransformer) -> str:
    """A transformer as a message calls it."""
    return f"a ViT of width {encoder.shape.width} with patches of {encoder.shape.patch_px} px"


def load_photo_cells(encoder: PhotoCells, path: Path) -> None:
    """Fill an encoder of cells from the published file of its backbone.

    Raises:
        DataError: the file holds other weights.
    """
    backbone = MobileNet(encoder.spec)
    try:
        load_efficientnet_lite(backbone, path)
    except (EOFError, KeyError, OSError, RuntimeError, UnpicklingError) as error:
        raise DataError(f"{path} does not hold the published weights of {encoder.spec.name}") from error
    encoder.load_state_dict(PhotoCells(backbone).state_dict())
