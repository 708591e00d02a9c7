"""Several models of one beginning averaged into one, which is a run like any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.backbones import SPECS
from models.systems import build
from models.training.averaging import Blend, average, mean_of
from models.training.commission import Start
from models.training.data import DataError, Dataset, read_dataset
from models.training.loop import HISTORY_NAME
from models.training.runs import RunRecord, load_model, read_record
from tests.photosets import TINY, TINY_PX, write_image_folder

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPECS, "tiny", TINY)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = write_image_folder(tmp_path_factory.mktemp("photos"), {"train": 1, "validation": 2})
    return read_dataset("folder", root)


def model_of(seed: int, dataset: Dataset) -> Start:
    """A model that was never trained."""
    torch.manual_seed(seed)
    record = RunRecord("plain", "own", "folder", dataset.class_ids, "tiny", TINY_PX, "squash", 1, seed)
    return Start(f"run {seed}", "plain", "tiny", TINY_PX, "squash", dataset.class_ids, build(record.build).state_dict())


def without_counters(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As a bundle holds it."""
    return {name: weight for name, weight in state.items() if weight.is_floating_point()}


def test_the_mean_is_that_of_each_weight() -> None:
    states = [{"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)}, {"w": torch.tensor([3.0, 6.0])}]
    assert {name: weight.tolist() for name, weight in mean_of(states).items()} == {"w": [2.0, 4.0]}


def test_an_average_is_a_run(dataset: Dataset, tmp_path: Path) -> None:
    first, second = model_of(1, dataset), model_of(2, dataset)
    second = replace(second, state=without_counters(second.state))
    found = average([first, second], dataset, tmp_path / "run")
    record, model, reached = load_model(tmp_path / "run")
    assert set(found) == {"whole"}
    assert (record.members, record.weights, reached.blend) == (("run 1", "run 2"), None, None)
    for name, weight in without_counters(model.state_dict()).items():
        assert torch.allclose(weight, (first.state[name] + second.state[name]) / 2), name
    assert "validation" in (tmp_path / "run" / HISTORY_NAME).read_text(encoding="utf-8")


def test_with_a_start_the_share_is_chosen(dataset: Dataset, tmp_path: Path) -> None:
    start, first, second = (model_of(seed, dataset) for seed in (0, 1, 2))
    average([first, second], dataset, tmp_path / "run", Blend(start))
    _, model, reached = load_model(tmp_path / "run")
    assert reached.blend is not None
    name = "classifier.weight"
    mean = (first.state[name] + second.state[name]) / 2
    assert torch.allclose(model.state_dict()[name], torch.lerp(start.state[name], mean, reached.blend), atol=1e-6)
    assert read_record(tmp_path / "run").weights == "run 0"


def test_one_alone_is_blended_by_the_share_that_is_asked_for(dataset: Dataset, tmp_path: Path) -> None:
    start, one = model_of(0, dataset), model_of(1, dataset)
    average([one], dataset, tmp_path / "run", Blend(start, 0.25), size_px=48)
    record, model, reached = load_model(tmp_path / "run")
    assert (record.size_px, reached.blend) == (48, 0.25)
    name = "classifier.weight"
    assert torch.allclose(model.state_dict()[name], torch.lerp(start.state[name], one.state[name], 0.25), atol=1e-6)


def test_one_alone_keeps_its_weights(dataset: Dataset, tmp_path: Path) -> None:
    one = model_of(1, dataset)
    average([one], dataset, tmp_path / "run", size_px=48)
    record, model, reached = load_model(tmp_path / "run")
    assert (record.size_px, record.members, reached.blend) == (48, (one.identity,), None)
    assert all(torch.equal(weight, model.state_dict()[name]) for name, weight in one.state.items() if weight.ndim)


def test_what_cannot_be_averaged_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    one, other = model_of(1, dataset), model_of(2, dataset)
    narrow = replace(other, state={name: weight[:1] for name, weight in other.state.items() if weight.ndim})
    refusals = {
        "not built alike": [one, narrow],
        "knows other classes": [replace(one, class_ids=("a",)), other],
        "not of one system": [one, replace(other, system="pma_student")],
        "reads texts": [replace(one, system="pma"), replace(other, system="pma")],
    }
    for message, members in refusals.items():
        with pytest.raises(DataError, match=message):
            average(members, dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()
