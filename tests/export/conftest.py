"""A tiny trained run and what its export makes of it; tiny models of every system and their files.

Each is made once and when it is first asked for, because the exporter takes seconds; of several test processes the first
makes it and the others take it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from filelock import FileLock
from torch import nn

from export import provenance
from export.bundle import export_bundle
from export.onnx import export_graph
from export.order import Order
from export.runtime import Graph, Inputs
from models.backbones import SPECS, BackboneSpec, Stage
from models.preprocess import Pixels
from models.systems import Build, System, build
from models.training.commission import Commission, run_commission
from models.training.recipes.plain import RECIPES
from models.training.records import RECORD_NAME, write_record
from models.training.runs import read_record
from models.vit import VIT_SHAPES, ViTShape
from tests.photosets import RECIPE, TINY, TINY_PX, write_image_folder

CLASSES = 7
WORDS = 20
#: The fewest layers that a system can be built of: S3N holds its backbone three times in a graph.
SMALL = BackboneSpec("small", (Stage(2, 8, 1, 2),), norm_eps=1e-3, mean=127.0, std=64.0)
SMALL_VIT = ViTShape(size_px=TINY_PX, patch_px=8, width=12, depth=2, heads=3, layer_scale=True)


@dataclass(frozen=True)
class Exported:
    """A model and its file."""

    model: nn.Module
    proto: onnx.ModelProto
    path: Path
    build: Build

    @property
    def graph(self) -> Graph:
        """The file, loaded."""
        return Graph(self.path)

    @property
    def state(self) -> dict[str, torch.Tensor]:
        """The model's weights."""
        return self.model.state_dict()


@pytest.fixture(scope="session", autouse=True)
def tiny() -> Iterator[None]:
    """Tiny backbones are known, and torch keeps to one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SPECS, "tiny", TINY)
        patch.setitem(SPECS, "small", SMALL)
        patch.setitem(VIT_SHAPES, "small_vit", SMALL_VIT)
        for name in ("tiny", "small"):
            patch.setitem(provenance.BACKBONES, name, "Made by the tests, CC0-1.0.")
        yield
    torch.set_num_threads(threads)


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """What makes a folder of a name by a function that is given it, unless one of the test processes has made it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # that of all test processes of this run

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = root / f"once-{name}", root / f"once-{name}.done"
        with FileLock(root / f"once-{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of one that failed
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def photos(once: Once) -> Path:
    return once("photos", lambda folder: write_image_folder(folder, {"train": 8, "validation": 4, "test": 3}))


@pytest.fixture(scope="session")
def run(once: Once, photos: Path) -> Path:
    return once("runs", lambda folder: _train(photos, folder / "tiny")) / "tiny"


def _train(photos: Path, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:  # other files of this process train with the real recipe
        patch.setitem(RECIPES, "own", RECIPE)
        run_commission(replace(Commission("plain", "folder", photos, folder), epochs=12))


def change_run(run: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a run with other facts on record."""
    shutil.copytree(run, folder)
    (folder / RECORD_NAME).unlink()
    write_record(folder, replace(read_record(run), **changes))
    return folder


def spec_of(system: System) -> Build:
    """The tiny model of a system."""
    backbone = {"rams_trans": "small_vit", "plain": "tiny"}.get(system, "small")
    return Build(system, backbone, TINY_PX, CLASSES, words=WORDS if system == "pma" else None)


def lively(spec: Build) -> nn.Module:
    """A model with random weights, norms included; strong convolutions, so that the cells of a map differ."""
    torch.manual_seed(0)
    model = build(spec).eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if "running_var" in name:
                tensor.copy_(torch.rand_like(tensor) + 0.5)
            elif tensor.is_floating_point() and name != "beta":
                tensor.copy_(torch.randn_like(tensor) * (0.9 if "conv.weight" in name else 0.3))
    return model


@pytest.fixture(scope="session")
def export_of(once: Once, tiny: None) -> Callable[[System], Exported]:
    """The file of a system's tiny model."""

    @cache
    def export(system: System) -> Exported:
        spec = spec_of(system)
        model = lively(spec)  # the same in every process
        folder = once(
            system, lambda folder: onnx.save(export_graph(model, TINY_PX, {"system": system}), folder / "model.onnx")
        )
        return Exported(model, onnx.load(folder / "model.onnx"), folder / "model.onnx", spec)

    return export


@pytest.fixture(scope="session")
def exported(export_of: Callable[[System], Exported]) -> Exported:
    """The plain classifier."""
    return export_of("plain")


@pytest.fixture(scope="session")
def bundle(once: Once, run: Path, photos: Path) -> Path:
    def make(store: Path) -> None:
        export_bundle(Order(run, photos, store, "colours", "1.0.0", is_default=True, licence="CC0-1.0"))

    return once("store", make) / "colours" / "1.0.0"


@pytest.fixture(scope="session")
def images() -> Pixels:
    """Ten coarse random pictures."""
    coarse = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), np.uint8)
    return coarse.repeat(TINY_PX // 8, axis=1).repeat(TINY_PX // 8, axis=2)


def inputs_of(spec: Build, images: Pixels) -> Inputs:
    """The pictures, each with a text of 0 to P phrases of 1 to T words where the system reads texts."""
    if spec.phrases is None:
        return Inputs(images)
    rng = np.random.default_rng(1)
    ids = np.zeros((len(images), *spec.phrases), np.int64)
    for index, text in enumerate(ids):
        for phrase in text[: index % (spec.phrases[0] + 1)]:
            length = int(rng.integers(1, spec.phrases[1] + 1))
            phrase[:length] = rng.integers(1, WORDS, length)
    return Inputs(images, ids)
