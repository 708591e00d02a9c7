"""The classifiers by name: built from a few facts, run behind one border, started from one another's weights.

Owns which systems there are, which widths a setting gives them (`reduced` is trained on a CPU in hours, `full` has the
papers' sizes) and under which names their outputs leave. What a system computes is its own module's part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from torch import Tensor, nn

from models.backbones import SPECS, MobileNet
from models.layers.phrases import UNKNOWN
from models.plain import PlainClassifier, PlainTransformer
from models.pma import PMA, Part, PMAOutput, PMAShape, PMAVisual
from models.pma_student import PMAStudent
from models.rams_trans import RAMSTrans, RegionRule
from models.router import DomainRouter
from models.s3n import S3N, peak_table
from models.vit import VIT_SHAPES, VisionTransformer, resize_position

System = Literal["plain", "pma_student", "pma_visual", "pma", "s3n", "rams_trans", "router"]
Setting = Literal["reduced", "full"]

SYSTEMS: tuple[System, ...] = get_args(System)
#: The attention of PMA wants twice the resolution of a plain classifier: 6 x 6 cells would leave nine blocks.
PMA_STRIDE = 16

_REDUCED = PMAShape(grid=12, phrases=24)
_FULL = replace(_REDUCED, width=512, stage_width=512, phrases=24, words=8, text_width=512, embedding=300)
#: Systems that are a head on the map of a convolutional backbone and nothing else.
_ON_A_MAP: Mapping[System, Callable[[MobileNet, int], nn.Module]] = {
    "plain": PlainClassifier,
    "pma_student": PMAStudent,
    "router": DomainRouter,
}
_SHAPES = {"reduced": _REDUCED, "full": _FULL}


@dataclass(frozen=True, slots=True)
class Build:
    """All that a model's structure follows from.

    `words` counts the ids of the vocabulary, padding and unknown included; the bimodal system needs it, no other has it.
    `stages` and `without` are PMA's, for ablations: how often it looks, and which of its parts it lacks. `region` is
    RAMS-Trans's: how it finds what it enlarges.
    """

    system: System
    backbone: str
    size_px: int
    classes: int
    words: int | None = None
    setting: Setting = "reduced"
    stages: int = 3
    without: tuple[Part, ...] = ()
    region: RegionRule = RegionRule()  # noqa: RUF009  # frozen

    def __post_init__(self) -> None:
        backbones = [*SPECS, *VIT_SHAPES]
        if self.backbone not in backbones:
            raise ValueError(f"{self.backbone!r} is not a backbone; there are {', '.join(backbones)}")
        needs_transformer = self.system == "rams_trans"
        is_transformer = self.backbone in VIT_SHAPES
        if needs_transformer != is_transformer and self.system != "plain":
            kind = "transformer" if needs_transformer else "convolutional"
            raise ValueError(f"{self.system} needs a {kind} backbone; {self.backbone} is none")
        if (self.system == "pma") != (self.words is not None):
            raise ValueError(f"{self.system} {'needs a vocabulary' if self.system == 'pma' else 'reads no text'}")
        if self.words is not None and self.words <= UNKNOWN + 1:
            raise ValueError(f"a vocabulary of {self.words} ids has no word")

    @property
    def phrases(self) -> tuple[int, int] | None:
        """Phrases and words a phrase, (P, T) of the input `phrases`; None for a system that reads no text."""
        return text_lengths(self.setting) if self.system == "pma" else None


def text_lengths(setting: Setting) -> tuple[int, int]:
    """How many phrases a text has at most, and how many words a phrase: what a vocabulary is built with."""
    shape = _SHAPES[setting]
    return shape.phrases, shape.words


def build(spec: Build) -> nn.Module:
    """The model, untrained.

    Raises:
        ValueError: the size does not fit the backbone, or the map of the size is too small for the system.
    """
    if spec.backbone in VIT_SHAPES:
        encoder = VisionTransformer(replace(VIT_SHAPES[spec.backbone], size_px=spec.size_px))
        if spec.system == "plain":
            return PlainTransformer(encoder, spec.classes)
        return RAMSTrans(encoder, spec.classes, spec.region)
    backbone = MobileNet(SPECS[spec.backbone], PMA_STRIDE if spec.system in ("pma", "pma_visual") else 32)
    if spec.size_px % backbone.stride:
        raise ValueError(f"{spec.size_px} px is not a multiple of the backbone's stride, {backbone.stride} px")
    if spec.system in _ON_A_MAP:
        return _ON_A_MAP[spec.system](backbone, spec.classes)
    if spec.system == "s3n":
        return S3N(backbone, spec.classes, spec.size_px, dense_buffers=spec.setting == "full")
    shape = replace(
        _SHAPES[spec.setting], grid=spec.size_px // backbone.stride, stages=spec.stages, without=spec.without
    )
    if spec.words is None:
        return PMAVisual(backbone, backbone.out_channels, spec.classes, shape)
    return PMA(backbone, backbone.out_channels, spec.classes, spec.words, shape)


def run(model: nn.Module, image: Tensor, phrases: Tensor | None = None) -> dict[str, Tensor]:
    """Every output of a model by the name under which it leaves a graph; the order is the graph's.

    `image` is RGB f32 [B, 3, S, S] in 0..255, `phrases` int64 [B, P, T]. All give `logits` f32 [B, C] and `features` f32
    [B, D]; the parts that explain are those of ARCHITECTURE's table. A model in evaluation mode gives what is served.

    Raises:
        ValueError: a model that reads a text gets none.
        TypeError: the model is none of the systems.
    """
    if isinstance(model, PMA):
        if phrases is None:
            raise ValueError("pma reads a text: phrases are needed")
        return _pma_outputs(model.explain(image, phrases))
    if isinstance(model, PMAVisual):
        return _pma_outputs(model.explain(image))
    if isinstance(model, PlainClassifier | PlainTransformer | DomainRouter):
        return model.explain(image)._asdict()
    if isinstance(model, S3N):
        seen = model(image)
        peaks = peak_table(seen.peaks)
        return {"logits": seen.logits, "features": seen.features, "peaks": peaks, "attention": seen.attention}
    if isinstance(model, RAMSTrans):
        found = model.explain(image)
        return {"logits": found.logits, "features": found.features, "region": found.region}
    raise TypeError(f"{type(model).__name__} is none of the systems {', '.join(SYSTEMS)}")


def _pma_outputs(output: PMAOutput) -> dict[str, Tensor]:
    return {name: value for name, value in output._asdict().items() if value is not None}


def adopt(model: nn.Module, state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Start a model from the weights of another system, as far as name and shape agree; returns what stays untrained.

    A plain transformer's class token fills those of both scales, and a position table is resized to the grid. A plain
    classifier becomes S3N's head of the whole photo.
    """
    known = model.state_dict()
    offered = dict(state)
    if isinstance(model, S3N) and "classifier.weight" in state:
        offered |= {f"raw.{leaf}": state[f"classifier.{leaf}"] for leaf in ("weight", "bias")}
    if isinstance(model, RAMSTrans) and "class_token" in state:
        offered |= {f"class_tokens.{scale}": state["class_token"] for scale in range(len(model.class_tokens))}
    if isinstance(model, RAMSTrans | PlainTransformer) and "backbone.position" in state:
        offered["backbone.position"] = resize_position(state["backbone.position"], model.backbone.shape.side)
    fitting = {name: value for name, value in offered.items() if name in known and value.shape == known[name].shape}
    model.load_state_dict(fitting, strict=False)
    return tuple(name for name in known if name not in fitting and not name.endswith("num_batches_tracked"))
