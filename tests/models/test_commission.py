"""Training as a whole, on a tiny collection: it learns, it continues, and it refuses what does not fit together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.backbones import SPECS, MobileNet
from models.plain import PlainClassifier
from models.training.commission import Commission, Start, run_commission
from models.training.course import START_NAME
from models.training.data import DataError, read_dataset
from models.training.loop import HISTORY_NAME
from models.training.material import Lessons, Photos
from models.training.recipes.base import Framing, with_epochs
from models.training.recipes.plain import RECIPES
from models.training.runs import load_model, read_record
from models.training.views import Augmentation, PhotoStore
from tests.photosets import RECIPE, TINY, TINY_PX, write_image_folder

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPECS, "tiny", TINY)
    monkeypatch.setitem(RECIPES, "own", RECIPE)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp("photos"), {"train": 8, "validation": 3})


def commission(photos: Path, out: Path) -> Commission:
    return Commission("plain", "folder", photos, out)


def test_a_few_steps_tell_colours_apart(photos: Path, tmp_path: Path) -> None:
    model = run_commission(replace(commission(photos, tmp_path / "run"), epochs=12))
    dataset = read_dataset("folder", photos)
    lessons = Lessons(RECIPE, dataset, [], dataset.part("validation"), PhotoStore(TINY_PX))
    found = Photos(lessons).accuracy(model)
    assert found["whole"] >= 0.8


def test_a_run_continued_in_its_folder_ends_as_one_go(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_commission(commission(photos, tmp_path / "whole"))

    def stop(*_: object, **__: object) -> dict[str, float]:
        if (tmp_path / "parts" / "state.pt").exists():
            raise KeyboardInterrupt
        return {}

    with monkeypatch.context() as patch:
        patch.setattr(Photos, "accuracy", stop)
        with pytest.raises(KeyboardInterrupt):
            run_commission(commission(photos, tmp_path / "parts"))
    continued = run_commission(commission(photos, tmp_path / "parts"))
    assert all(torch.equal(whole.state_dict()[name], tensor) for name, tensor in continued.state_dict().items())
    assert not continued.training


def test_a_run_is_on_record_and_its_model_can_be_built_again(photos: Path, tmp_path: Path) -> None:
    model = run_commission(commission(photos, tmp_path / "run"))
    record, loaded, reached = load_model(tmp_path / "run")
    assert (record.recipe, record.backbone, record.class_ids, reached.epochs) == (
        "own",
        "tiny",
        ("blue", "green", "red"),
        2,
    )
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in loaded.state_dict().items())


def test_history_tells_validation_before_and_after_each_epoch(photos: Path, tmp_path: Path) -> None:
    run_commission(commission(photos, tmp_path / "run"))
    lines = [json.loads(line) for line in (tmp_path / "run" / HISTORY_NAME).read_text().splitlines()]
    assert [line.get("epoch", "start") for line in lines if "validation" in line] == ["start", 1, 2]


def test_a_folder_takes_no_second_run(photos: Path, tmp_path: Path) -> None:
    run_commission(commission(photos, tmp_path / "run"))
    with pytest.raises(DataError, match="a run with other epochs, seed"):
        run_commission(replace(commission(photos, tmp_path / "run"), epochs=3, seed=1))


def test_seeds_differ(photos: Path, tmp_path: Path) -> None:
    first, second = (run_commission(replace(commission(photos, tmp_path / str(seed)), seed=seed)) for seed in (0, 1))
    assert not torch.equal(first.classifier.weight, second.classifier.weight)


def test_the_probe_is_a_better_start_than_none(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "own", replace(RECIPE, probe=True))
    run_commission(commission(photos, tmp_path / "run"))
    start = json.loads((tmp_path / "run" / HISTORY_NAME).read_text().splitlines()[0])
    assert start["validation"]["whole"] >= 0.8


def test_no_epoch_at_all_leaves_the_probe(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "own", replace(RECIPE, probe=True, blend=True))
    model = run_commission(replace(commission(photos, tmp_path / "run"), epochs=0))
    _, loaded, reached = load_model(tmp_path / "run")
    assert (reached.epochs, reached.blend) == (0, None)
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_a_blend_begins_where_the_backbone_began_to_learn(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = replace(RECIPE.schedule, sizes_px=(TINY_PX,) * 3, frozen=(1.0, 0.0, 0.0))
    monkeypatch.setitem(RECIPES, "own", replace(RECIPE, blend=True, schedule=schedule))
    run_commission(commission(photos, tmp_path / "run"))
    published = run_commission(replace(commission(photos, tmp_path / "published"), epochs=0)).state_dict()
    begun = torch.load(tmp_path / "run" / START_NAME, weights_only=True)
    learns = {name for name in begun if not torch.equal(begun[name], published[name])}
    assert learns == {"classifier.weight", "classifier.bias"}


def start_of(class_ids: tuple[str, ...]) -> tuple[Start, dict[str, torch.Tensor]]:
    torch.manual_seed(5)
    model = PlainClassifier(MobileNet(TINY), len(class_ids))
    state = {name: tensor for name, tensor in model.state_dict().items() if "num_batches" not in name}
    return Start("colours@1.0.0", "plain", "tiny", TINY_PX, "squash", class_ids, state), state


def test_a_bundle_of_the_same_classes_goes_on_whole(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "own", replace(RECIPE, schedule=replace(RECIPE.schedule, lr=0.0)))
    start, state = start_of(("blue", "green", "red"))
    model = run_commission(replace(commission(photos, tmp_path / "run"), start=start))
    assert torch.allclose(model.classifier.weight, state["classifier.weight"])
    assert read_record(tmp_path / "run").weights == "colours@1.0.0"


def test_a_bundle_of_other_classes_gives_its_backbone_only(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "own", replace(RECIPE, schedule=replace(RECIPE.schedule, lr=0.0)))
    start, state = start_of(("a", "b", "c"))
    model = run_commission(replace(commission(photos, tmp_path / "run"), start=start))
    assert torch.allclose(model.backbone.stem.conv.weight, state["backbone.stem.conv.weight"])
    assert not torch.allclose(model.classifier.weight, state["classifier.weight"])


def test_a_limit_uses_so_many_photos(photos: Path, tmp_path: Path) -> None:
    run_commission(replace(commission(photos, tmp_path / "run"), limit=4))
    assert read_record(tmp_path / "run").limit == 4
    assert int(torch.load(tmp_path / "run" / "state.pt", weights_only=True)["step"]) == 2


def test_an_unknown_recipe_is_answered_with_the_known_ones(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no recipe 'bees' of plain .*; choose birds, cars, own"):
        run_commission(replace(commission(photos, tmp_path / "run"), recipe="bees"))


@pytest.mark.parametrize(("recipe", "backbone"), [("birds", "mobilenet_v2"), ("cars", "efficientnet_lite0")])
@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 broken"])
def test_a_file_that_holds_other_weights_is_named(
    photos: Path, tmp_path: Path, recipe: str, backbone: str, content: bytes
) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(content)
    asked = replace(commission(photos, tmp_path / "run"), recipe=recipe, weights=weights)
    with pytest.raises(DataError, match=f"does not hold the published weights of {backbone}"):
        run_commission(asked)


def test_a_run_that_never_began_leaves_its_folder_to_the_one_that_was_meant(photos: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"no weights")
    asked = commission(photos, tmp_path / "run")
    with pytest.raises(DataError, match="does not hold the published weights"):
        run_commission(replace(asked, recipe="birds", weights=weights))
    run_commission(asked)
    assert read_record(tmp_path / "run").recipe == "own"


def test_a_file_of_weights_that_is_not_there_is_named(photos: Path, tmp_path: Path) -> None:
    asked = replace(commission(photos, tmp_path / "run"), recipe="birds", weights=tmp_path / "none.safetensors")
    with pytest.raises(DataError, match=r"--weights .*none\.safetensors: there is no such file"):
        run_commission(asked)
    assert not (tmp_path / "run").exists(), "the folder is free for the run that was meant"


def test_a_framing_is_shown_as_often_and_in_the_bounds_that_the_recipe_says(photos: Path) -> None:
    dataset = read_dataset("folder", photos)
    close = Augmentation(area_min=0.9)
    twice = replace(RECIPE, framings={"whole": Framing(2, close)})
    lessons = Lessons(twice, dataset, dataset.part("train"), [], PhotoStore(TINY_PX))
    assert [example.label for example in replace(lessons, rows=lessons.rows[:2]).examples] == [0, 0, 0, 0]
    assert {example.bounds for example in lessons.examples} == {close}
    crops = replace(lessons, rows=[replace(row, framing="crop") for row in lessons.rows])
    assert len(crops.examples) == len(lessons.rows)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no training run \(run\.json is missing\)"):
        load_model(tmp_path)


def test_a_record_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"system": "guess"}')
    with pytest.raises(DataError, match="is not the record of a run of this kind"):
        read_record(tmp_path)


def test_shorter_runs_keep_the_proportions_of_the_sizes() -> None:
    recipe = replace(RECIPE, schedule=replace(RECIPE.schedule, sizes_px=(160, 160, 192, 192)))
    assert with_epochs(recipe, 2).schedule.sizes_px == (160, 192)
    assert with_epochs(recipe, 8).schedule.sizes_px == (160,) * 4 + (192,) * 4
