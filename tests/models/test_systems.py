"""The systems by name: what they are built from, what leaves them, and how one starts from another."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from models import systems
from models.backbones import SPECS, MobileNet
from models.pma import PMA
from models.rams_trans import RAMSTrans, RegionRule
from models.s3n import S3N
from models.systems import SYSTEMS, Build, System, adopt, build, run, text_lengths
from models.vit import VIT_SHAPES, ViTShape
from tests.photosets import TINY, TINY_PX

pytestmark = pytest.mark.usefixtures("one_thread")

TINY_VIT = ViTShape(size_px=TINY_PX, patch_px=8, width=12, depth=2, heads=3, layer_scale=True)
NAMES = {
    "plain": ["logits", "features", "activation"],
    "pma_student": ["logits", "features", "activation"],
    "pma_visual": ["logits", "features", "stage_block", "stage_weight"],
    "pma": ["logits", "features", "stage_block", "stage_weight", "phrase_weight"],
    "s3n": ["logits", "features", "peaks", "attention"],
    "rams_trans": ["logits", "features", "region"],
    "router": ["logits", "features", "activation"],
}


@pytest.fixture(autouse=True)
def tiny_backbones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A convolutional and a transformer backbone of a few weights are known."""
    monkeypatch.setitem(SPECS, "tiny", TINY)
    monkeypatch.setitem(VIT_SHAPES, "tiny_vit", TINY_VIT)
    torch.manual_seed(0)


def tiny_build(system: System) -> Build:
    backbone = "tiny_vit" if system == "rams_trans" else "tiny"
    return Build(system, backbone, TINY_PX, 5, words=9 if system == "pma" else None)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_output_has_its_name_and_shape(system: System) -> None:
    spec = tiny_build(system)
    model = build(spec).eval()
    phrases = torch.ones(2, *spec.phrases, dtype=torch.int64) if spec.phrases else None
    with torch.no_grad():
        outputs = run(model, torch.rand(2, 3, TINY_PX, TINY_PX) * 255, phrases)
    assert list(outputs) == NAMES[system]
    shapes = {name: tuple(value.shape[1:]) for name, value in outputs.items()}
    assert shapes["logits"] == (5,)
    expected = {"stage_block": (3,), "stage_weight": (3,), "phrase_weight": (3, 24), "region": (4,), "peaks": (2, 4)}
    assert {name: shapes[name] for name in expected.keys() & shapes.keys()} == {
        name: shape for name, shape in expected.items() if name in shapes
    }
    assert all(torch.isfinite(value).all() for value in outputs.values())


@pytest.mark.parametrize(
    ("setting", "size_px", "grid", "phrases", "widths"),
    [("reduced", 192, 12, (24, 6), (320, 256, 128, 64)), ("full", 448, 28, (24, 8), (512, 512, 512, 300))],
)
def test_a_setting_gives_the_sizes_of_the_paper_or_of_a_small_machine(
    setting: systems.Setting, size_px: int, grid: int, phrases: tuple[int, int], widths: tuple[int, ...]
) -> None:
    model = build(Build("pma", "mobilenet_v2", size_px, 200, words=100, setting=setting))
    assert isinstance(model, PMA)
    shape = model.shape
    assert (shape.grid, (shape.phrases, shape.words)) == (grid, phrases) == (grid, text_lengths(setting))
    assert (shape.width, shape.stage_width, shape.text_width, shape.embedding) == widths
    with torch.no_grad():
        assert model.eval().backbone(torch.zeros(1, 3, 64, 64)).shape == (1, 1280, 4, 4)


@pytest.mark.parametrize(("setting", "layers"), [("reduced", 2), ("full", 1)])
def test_the_branches_of_s3n_are_dense_at_the_full_setting(setting: systems.Setting, layers: int) -> None:
    model = build(replace(tiny_build("s3n"), setting=setting))
    assert isinstance(model, S3N)
    assert sum(isinstance(layer, nn.Conv2d) for layer in model.buffer_d) == layers


def test_the_attentive_systems_keep_twice_the_resolution() -> None:
    strides = {name: build(Build(name, "mobilenet_v2", 192, 3)).backbone for name in ("plain", "pma_visual", "s3n")}
    assert {name: part.stride for name, part in strides.items() if isinstance(part, MobileNet)} == {
        "plain": 32,
        "pma_visual": 16,
        "s3n": 32,
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"backbone": "resnet"}, "'resnet' is not a backbone"),
        ({"system": "rams_trans"}, "rams_trans needs a transformer backbone; tiny is none"),
        ({"system": "s3n", "backbone": "tiny_vit"}, "s3n needs a convolutional backbone"),
        ({"system": "pma"}, "pma needs a vocabulary"),
        ({"words": 30}, "plain reads no text"),
        ({"system": "pma", "words": 2}, "a vocabulary of 2 ids has no word"),
    ],
)
def test_facts_that_contradict_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(tiny_build("plain"), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("system", "backbone", "size_px", "words"),
    [
        ("pma_visual", "mobilenet_v2", 208, "side of 13; blocks of 2 x 2 need an even one"),
        ("pma_visual", "mobilenet_v2", 32, "3 stages need as many blocks"),
        ("plain", "mobilenet_v2", 200, "200 px is not a multiple of the backbone's stride, 32 px"),
        ("rams_trans", "vit_s14", 200, "not a multiple of the patch"),
    ],
)
def test_a_size_that_does_not_fit_is_refused(system: System, backbone: str, size_px: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build(Build(system, backbone, size_px, 5))


def test_the_bimodal_system_does_not_run_without_a_text() -> None:
    with pytest.raises(ValueError, match="phrases are needed"):
        run(build(tiny_build("pma")), torch.zeros(1, 3, TINY_PX, TINY_PX))


def test_another_network_is_none_of_the_systems() -> None:
    with pytest.raises(TypeError, match="Linear is none of the systems"):
        run(nn.Linear(1, 1), torch.zeros(1, 3, TINY_PX, TINY_PX))


def test_pma_starts_from_a_plain_classifier_as_far_as_they_agree() -> None:
    plain, model = build(tiny_build("plain")), build(tiny_build("pma_visual"))
    left = adopt(model, plain.state_dict())
    assert torch.equal(model.state_dict()["backbone.head.conv.weight"], plain.state_dict()["backbone.head.conv.weight"])
    assert {name.split(".")[0] for name in left} == {"reduce", "visual_attention", "aggregate", "classifier"}


def test_s3n_takes_the_classifier_of_a_plain_one_for_the_whole_photo() -> None:
    plain, model = build(tiny_build("plain")), build(tiny_build("s3n"))
    adopt(model, plain.state_dict())
    assert torch.equal(model.state_dict()["raw.weight"], plain.state_dict()["classifier.weight"])


def test_both_scales_start_from_the_class_token_of_a_plain_transformer() -> None:
    plain = build(Build("plain", "tiny_vit", TINY_PX, 5))
    model = build(Build("rams_trans", "tiny_vit", 2 * TINY_PX, 5))
    assert adopt(model, plain.state_dict()) == ()
    assert isinstance(model, RAMSTrans)
    assert torch.equal(model.class_tokens[0], model.class_tokens[1])
    assert torch.equal(model.class_tokens[0], plain.state_dict()["class_token"])
    assert model.backbone.position.shape == (1, 1 + 8 * 8, 12)


def test_rams_finds_its_region_by_the_rule_that_it_is_built_with() -> None:
    rule = RegionRule(alpha=2.0, residual=0.5, query="cls")
    model = build(replace(tiny_build("rams_trans"), region=rule))
    assert isinstance(model, RAMSTrans)
    assert model.rule == rule
