"""Weight files as others publish them, filled with random weights: what a run starts from, without a download.

Owns the names, the order and the format of each file; the readers are the models' own. Where a network is not handed in, it is
one of the few blocks that `FEW_BLOCKS` has under the published names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import Tensor, nn

from models.backbones import SPECS, BackboneSpec, ConvNorm, MobileNet, Stage, _efficientnet_key, _inat_key
from models.layers.bert import MINILM_L6, Bert, BertShape, _published_name
from models.plain import PlainTransformer
from models.vit import VIT_S14, VisionTransformer
from models.yolox import YoloxStages
from tests.detector import published_detector

_STAGES = (*(Stage(1, 8, 1, 2),) * 3, Stage(1, 320, 1, 2))
#: The published backbones with one short block for each halving of the map: the same on the outside, in little time.
FEW_BLOCKS: dict[str, BackboneSpec] = {
    name: replace(SPECS[name], stages=_STAGES) for name in ("mobilenet_v2", "efficientnet_lite0", "efficientnet_lite2")
}
FEW_LAYERS = replace(VIT_S14, depth=2)
COCO = tuple({2: "car", 5: "bus", 7: "truck", 14: "bird"}.get(place, f"thing {place}") for place in range(80))
_DETECTOR_PX = 416
PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "a", "man", "dog", "car", "bird", "blue", "left", "on", "in", "of")
_VIT_LINEAR = {
    "attention/attention/key": "attention.key",
    "attention/attention/value": "attention.value",
    "attention/attention/query": "attention.query",
    "attention/output/dense": "attention.out",
    "mlp/fc1": "mlp.0",
    "mlp/fc2": "mlp.2",
}

_VIT_MODEL_BLOCK = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attention.query": "attention.attention.query",
    "attention.key": "attention.attention.key",
    "attention.value": "attention.attention.value",
    "attention.out": "attention.output.dense",
    "mlp.0": "intermediate.dense",
    "mlp.2": "output.dense",
}


def write_weights(folder: Path) -> None:
    """Every file that the documents start from, under the name that they give it."""
    write_efficientnet_lite(folder / "efficientnet-lite0-57934424.pth", lively(FEW_BLOCKS["efficientnet_lite0"]))
    write_efficientnet_lite(folder / "efficientnet-lite2-9656183e.pth", lively(FEW_BLOCKS["efficientnet_lite2"]))
    write_inat_mobilenet(folder / "mobilenet_v2_inat_bird_fp16.safetensors", lively(FEW_BLOCKS["mobilenet_v2"]))
    write_vit(folder / "vit_s_focus.onnx", PlainTransformer(VisionTransformer(FEW_LAYERS), 2).state_dict())
    write_yolox(YoloxStages(), folder / "yolox_nano.onnx")
    (folder / "coco_classes.txt").write_text("\n".join(COCO) + "\n", encoding="utf-8")
    write_pieces(folder / "minilm", MINILM_L6, PIECES)


@torch.no_grad()
def lively(spec: BackboneSpec) -> MobileNet:
    """A backbone whose random weights let a photo through: its norms are those of noise."""
    backbone = MobileNet(spec)
    for layer in backbone.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # the statistics of the one batch
    backbone.train()(255 * torch.rand(8, 3, 96, 96))
    return backbone.eval()


def write_efficientnet_lite(path: Path, backbone: MobileNet) -> Path:
    """A checkpoint in the style of EfficientNet-PyTorch."""
    torch.save({_efficientnet_key(key): value for key, value in backbone.state_dict().items()}, path)
    return path


@torch.no_grad()
def write_inat_mobilenet(path: Path, backbone: MobileNet) -> None:
    """Convolutions in half precision with the norms folded into them, numbered as torchvision does."""
    tensors: dict[str, Tensor] = {}
    for name, layer in backbone.named_modules():
        if isinstance(layer, ConvNorm):
            state = layer.norm.state_dict()
            scale = state["weight"] / (state["running_var"] + layer.norm.eps).sqrt()
            tensors[f"{_inat_key(name)}.weight"] = (layer.conv.weight * scale.reshape(-1, 1, 1, 1)).half()
            tensors[f"{_inat_key(name)}.bias"] = (state["bias"] - state["running_mean"] * scale).half()
    save_file(tensors, path)


def write_vit(path: Path, state: dict[str, Tensor]) -> None:
    """The state of a plain transformer under the published names, its linear weights transposed under anonymous ones."""
    tensors: dict[str, Tensor] = {
        "backbone.embeddings.patch_embeddings.projection.weight": state["backbone.patches.weight"],
        "backbone.embeddings.patch_embeddings.projection.bias": state["backbone.patches.bias"],
        "backbone.embeddings.cls_token": state["class_token"],
        "backbone.layernorm.weight": state["backbone.norm.weight"],
        "backbone.layernorm.bias": state["backbone.norm.bias"],
        "onnx::Concat_1957": state["backbone.position"][:, :1],
        "onnx::Reshape_1962": state["backbone.position"][:, 1:],
    }
    nodes = [helper.make_node("MatMul", ["a", "b"], ["c"], "/decoder/MatMul")]
    for block in range(sum(name.endswith("norm1.weight") for name in state)):
        ours, theirs = f"backbone.blocks.{block}.", f"backbone.encoder.layer.{block}."
        for norm in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"):
            tensors[theirs + norm] = state[ours + norm]
        for number in (1, 2):
            tensors[f"{theirs}layer_scale{number}.lambda1"] = state[f"{ours}scale{number}"]
        for node, layer in _VIT_LINEAR.items():
            name = f"onnx::MatMul_{len(tensors)}"
            tensors[name] = state[f"{ours}{layer}.weight"].T
            tensors[theirs + node.replace("/", ".") + ".bias"] = state[f"{ours}{layer}.bias"]
            nodes.append(
                helper.make_node("MatMul", ["x", name], ["y"], f"/backbone/encoder/layer.{block}/{node}/MatMul")
            )
    stored = [numpy_helper.from_array(np.ascontiguousarray(value.numpy()), name) for name, value in tensors.items()]
    onnx.save(helper.make_model(helper.make_graph(nodes, "published", [], [], stored)), path)


def write_vit_model(path: Path, state: dict[str, Tensor], prefix: str = "") -> Path:
    """The encoder and class token of a plain transformer as Transformers' ViTModel has them, or behind a head's `vit.`."""
    tensors = {
        "embeddings.cls_token": state["class_token"],
        "embeddings.position_embeddings": state["backbone.position"],
        "embeddings.patch_embeddings.projection.weight": state["backbone.patches.weight"],
        "embeddings.patch_embeddings.projection.bias": state["backbone.patches.bias"],
        "layernorm.weight": state["backbone.norm.weight"],
        "layernorm.bias": state["backbone.norm.bias"],
    }
    for block in range(sum(name.endswith("norm1.weight") for name in state)):
        for leaf in ("weight", "bias"):
            for ours, theirs in _VIT_MODEL_BLOCK.items():
                name = f"encoder.layer.{block}.{theirs}.{leaf}"
                tensors[name] = state[f"backbone.blocks.{block}.{ours}.{leaf}"]
    named = {f"{prefix}{name}": tensor.contiguous() for name, tensor in tensors.items()}
    save_file(named | {"pooler.dense.bias": torch.zeros(1)}, path)
    return path


def write_yolox(stages: YoloxStages, path: Path, left_out: int = 0) -> None:
    """A detector with the published border whose convolutions, which nothing reads, are those of the stages in their order.

    It can be run, but what it finds comes from its few predictors alone.
    """
    proto = published_detector(_DETECTOR_PX, COCO)
    convolutions = [module for module in stages.modules() if isinstance(module, nn.Conv2d)]
    for number, convolution in enumerate(convolutions[: len(convolutions) - left_out]):
        node, tensors = _published_convolution(convolution, str(1000 + number))
        proto.graph.node.append(node)
        proto.graph.initializer.extend(tensors)
    onnx.save(proto, path)


def _published_convolution(convolution: nn.Conv2d, name: str) -> tuple[NodeProto, list[TensorProto]]:
    """A node whose weights are named by a number, about a map of zeros."""
    assert convolution.bias is not None
    blank = np.zeros((1, convolution.in_channels, 3, 3), np.float32)
    values = {
        f"{name}x": blank,
        name: convolution.weight.detach().numpy(),
        f"{name}b": convolution.bias.detach().numpy(),
    }
    side = convolution.kernel_size[0] // 2
    node = helper.make_node("Conv", list(values), [f"{name}y"], name, pads=[side] * 4, group=convolution.groups)
    return node, [numpy_helper.from_array(value, key) for key, value in values.items()]


def write_pieces(folder: Path, shape: BertShape, pieces: Sequence[str]) -> Path:
    """A folder with a language of a few word pieces under BERT's names."""
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    state = Bert(replace(shape, vocabulary=len(pieces))).state_dict()
    save_file({_published_name(name): tensor for name, tensor in state.items()}, folder / "model.safetensors")
    table = {piece: number for number, piece in enumerate(pieces)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": table}}), encoding="utf-8")
    return folder
