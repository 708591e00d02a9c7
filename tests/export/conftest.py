"""A tiny trained run and what its export makes of it; made once, because the exporter takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export import provenance
from export.bundle import Order, export_bundle
from export.onnx import export_graph
from export.runtime import Graph
from models.backbones import SPECS, MobileNet
from models.plain import PlainClassifier
from models.preprocess import Pixels
from models.training.commission import Commission, run_commission
from models.training.recipes.plain import RECIPES
from tests.photosets import RECIPE, TINY, TINY_PX, write_image_folder


@dataclass(frozen=True)
class Exported:
    """A model and its file."""

    model: PlainClassifier
    proto: onnx.ModelProto
    path: Path

    @property
    def graph(self) -> Graph:
        """The file, loaded."""
        return Graph(self.path)


@pytest.fixture(scope="session", autouse=True)
def tiny() -> Iterator[None]:
    """The tiny backbone and recipe are known, and torch keeps to one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SPECS, "tiny", TINY)
        patch.setitem(RECIPES, "own", RECIPE)
        patch.setitem(provenance.BACKBONES, "tiny", "Made by the tests, CC0-1.0.")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp("photos"), {"train": 8, "validation": 4, "test": 3})


@pytest.fixture(scope="session")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    run_commission(replace(Commission("plain", "folder", photos, folder), epochs=12))
    return folder


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A model with random weights and lively batch norms."""
    torch.manual_seed(0)
    model = PlainClassifier(MobileNet(TINY), classes=4)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5 if "running_var" in name else torch.randn_like(tensor) * 0.3)
    model.eval()
    proto = export_graph(model, TINY_PX, {"system": "plain"})
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    onnx.save(proto, path)
    return Exported(model, proto, path)


@pytest.fixture(scope="session")
def bundle(run: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store")
    return export_bundle(Order(run, photos, store, "colours", "1.0.0", is_default=True, licence="CC0-1.0"))


@pytest.fixture(scope="session")
def images() -> Pixels:
    """Ten coarse random pictures."""
    coarse = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), np.uint8)
    return coarse.repeat(TINY_PX // 8, axis=1).repeat(TINY_PX // 8, axis=2)
