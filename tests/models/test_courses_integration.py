"""Every system through the real loop on a tiny collection: it starts, stops, goes on, and is built again."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models import examination
from models.backbones import SPECS
from models.evaluation.report import Effort
from models.rams_trans import RAMSTrans, RegionRule
from models.systems import System
from models.text import VOCABULARY_NAME, read_vocabulary
from models.training.averaging import average
from models.training.commission import Commission, run_commission, start_of_run
from models.training.data import DataError, read_dataset
from models.training.loop import HISTORY_NAME
from models.training.losses import Phases
from models.training.material import KeptMaps, Photos
from models.training.recipes import plain, systems
from models.training.recipes.base import Recipe
from models.training.records import RECORD_NAME, read_state
from models.training.runs import dataset_of, effort_of, load_model, read_record
from models.training.teachers import read_teacher
from models.vit import VIT_SHAPES, ViTShape
from tests.photosets import COLOURS, RECIPE, TINY, TINY_PX, write_photo

pytestmark = pytest.mark.usefixtures("one_thread")

TINY_VIT = ViTShape(size_px=TINY_PX, patch_px=8, width=16, depth=3, heads=2)
SAID = ("a small {} bird with a long bill", "this bird is {} and has a white belly", "a {} crown and grey wings")
ALL: tuple[System, ...] = ("pma_visual", "pma", "s3n", "rams_trans")


def shrunk(recipe: Recipe) -> Recipe:
    """The recipe with a tiny backbone and three short epochs; what makes it the system's own is kept."""
    schedule = replace(
        recipe.schedule,
        sizes_px=(TINY_PX,) * 3,
        frozen=recipe.schedule.frozen[-3:],
        batch=6,
        lr=1e-3,
        warmup_steps=2,
        ema_decay=0.7,
        bf16=False,
    )
    backbone = "tiny_vit" if recipe.backbone.startswith("vit") else "tiny"
    return replace(recipe, backbone=backbone, size_px=TINY_PX, schedule=schedule)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPECS, "tiny", TINY)
    monkeypatch.setitem(VIT_SHAPES, "tiny_vit", TINY_VIT)
    monkeypatch.setitem(plain.RECIPES, "own", RECIPE)
    for name, recipe in systems.RECIPES.items():
        monkeypatch.setitem(systems.RECIPES, name, shrunk(recipe))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of three colours, each with a text of its own."""
    root = tmp_path_factory.mktemp("photos")
    rows: list[dict[str, str]] = []
    for split, count in (("train", 6), ("validation", 2)):
        for name, colour in COLOURS.items():
            for number in range(count):
                path = write_photo(root / f"{split}-{name}-{number}.png", colour, len(rows))
                text = SAID[number % len(SAID)].format(name)
                rows.append({"path": path.name, "label": name, "split": split, "text": text})
    with (root / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root / "index.csv"


def commission(system: System, index: Path, out: Path) -> Commission:
    return Commission(system, "folder", index, out)


@pytest.fixture(scope="module")
def whole_run(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[System], Path]:
    """The folder of a system's run in one go, which is called after the system; tests only read it."""
    runs = tmp_path_factory.mktemp("whole")

    def run(system: System) -> Path:
        if not (runs / system).exists():
            epochs = 6 if system == "plain" else None  # a classifier that knows something, for what starts from it
            run_commission(replace(commission(system, index, runs / system), epochs=epochs))
        return runs / system

    return run


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(other.state_dict()[name], tensor) for name, tensor in one.state_dict().items())


def stop_after_first_epoch(out: Path, system: System, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> dict[str, float]:
        if (out / "state.pt").exists():
            raise KeyboardInterrupt
        return {}

    with monkeypatch.context() as patch:
        patch.setattr(Photos, "accuracy", stop)
        with pytest.raises(KeyboardInterrupt):
            run_commission(commission(system, index, out))


@pytest.mark.parametrize("system", ALL)
def test_a_run_that_was_stopped_ends_as_one_go_and_can_be_built_again(
    system: System,
    index: Path,
    whole_run: Callable[[System], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop_after_first_epoch(tmp_path / "parts", system, index, monkeypatch)
    continued = run_commission(commission(system, index, tmp_path / "parts"))
    assert same(continued, load_model(tmp_path / "parts")[1])
    record, whole, reached = load_model(whole_run(system))
    assert (record.system, record.recipe, reached.epochs) == (system, system, 3)
    assert same(whole, continued)
    assert not whole.training


def test_a_bimodal_run_keeps_its_vocabulary(whole_run: Callable[[System], Path]) -> None:
    run = whole_run("pma")
    vocabulary = read_vocabulary(run / VOCABULARY_NAME)
    assert {"blue", "green", "red", "bird", "bill"} <= set(vocabulary.words)
    assert read_record(run).words == vocabulary.size


def test_a_bimodal_run_needs_texts(tmp_path: Path) -> None:
    for name, colour in COLOURS.items():
        write_photo(tmp_path / "data" / name / "1.png", colour, 0)
    with pytest.raises(DataError, match="a CSV index with a column 'text'"):
        run_commission(Commission("pma", "folder", tmp_path / "data", tmp_path / "run"))


@pytest.mark.parametrize("system", ["pma_visual", "pma", "s3n"])
def test_a_system_starts_as_the_plain_classifier_that_it_was_given(
    system: System, index: Path, whole_run: Callable[[System], Path], tmp_path: Path
) -> None:
    plain, run = whole_run("plain"), tmp_path / "run"
    run_commission(replace(commission(system, index, run), start=start_of_run(plain)))
    plain_end, system_start = (
        json.loads((folder / HISTORY_NAME).read_text().splitlines()[place])["validation"]["whole"]
        for folder, place in ((plain, -1), (run, 0))
    )
    assert system_start == pytest.approx(plain_end, abs=0.01)
    assert read_record(run).weights == "plain run plain"


@pytest.mark.parametrize("teaches", ["pma", "pma_visual"])
def test_a_student_learns_from_a_run(
    teaches: System, index: Path, whole_run: Callable[[System], Path], tmp_path: Path
) -> None:
    run = whole_run(teaches)
    before = torch.load(run / "state.pt", weights_only=True)["averaged"]
    teacher = read_teacher(run)
    student = run_commission(replace(commission("pma_student", index, tmp_path / "student"), teacher=teacher))
    assert read_record(tmp_path / "student").teacher == f"{teaches} run {teaches}"
    _, after, _ = load_model(run)
    assert all(torch.equal(before[name], tensor) for name, tensor in after.state_dict().items())
    assert not student.training


def test_a_student_without_a_teacher_and_a_teacher_without_a_student_are_refused(index: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="trained by `distill`"):
        run_commission(commission("pma_student", index, tmp_path / "run"))


@pytest.mark.parametrize("system", ["plain", "pma_visual", "pma"])
def test_a_frozen_run_leaves_the_backbone_as_it_was_and_ends_as_one_go(
    system: System,
    index: Path,
    whole_run: Callable[[System], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = start_of_run(whole_run("plain"))
    asked = replace(commission(system, index, tmp_path / "run"), start=start, maps=tmp_path / "maps")
    model = run_commission(asked)
    for name, tensor in start.state.items():
        if name.startswith("backbone."):
            assert torch.equal(model.state_dict()[name], tensor), name
    assert len(list((tmp_path / "maps").glob("*.npy"))) == 2

    def stop(*_: object) -> dict[str, float]:
        if (tmp_path / "parts" / "state.pt").exists():
            raise KeyboardInterrupt
        return {}

    with monkeypatch.context() as patch:
        patch.setattr(KeptMaps, "accuracy", stop)
        with pytest.raises(KeyboardInterrupt):
            run_commission(replace(asked, out=tmp_path / "parts"))
    assert same(model, run_commission(replace(asked, out=tmp_path / "parts")))
    assert len(list((tmp_path / "maps").glob("*.npy"))) == 2


@pytest.mark.parametrize("system", ["s3n", "rams_trans"])
def test_maps_are_not_kept_where_the_backbone_sees_new_views(system: System, index: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="shows its backbone new views"):
        run_commission(replace(commission(system, index, tmp_path / "run"), maps=tmp_path / "maps"))


def test_an_ablation_is_on_record_and_built_again(index: Path, tmp_path: Path) -> None:
    asked = replace(commission("pma", index, tmp_path / "run"), stages=1, without=("masks", "relation", "attention"))
    model = run_commission(asked)
    record, loaded, _ = load_model(tmp_path / "run")
    assert (record.stages, record.without) == (1, ("masks", "relation", "attention"))
    assert same(model, loaded)
    assert not any("relation" in name or "attention" in name for name in model.state_dict())


def test_the_region_rule_and_the_phases_of_a_recipe_are_on_record(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule, phases = RegionRule(alpha=1.5, residual=0.5, query="cls"), Phases(whole_alone=1.0, second_weight=0.5)
    recipe = systems.RECIPES["rams_trans"]
    monkeypatch.setitem(systems.RECIPES, "rams_trans", replace(recipe, region=rule, phases=phases))
    asked = replace(commission("rams_trans", index, tmp_path / "run"), epochs=1)
    model = run_commission(asked)
    record, loaded, _ = load_model(tmp_path / "run")
    assert (record.region, record.phases) == (rule, phases)
    assert isinstance(loaded, RAMSTrans)
    assert loaded.rule == rule
    start = start_of_run(tmp_path / "run")
    average([start, start], read_dataset("folder", index), tmp_path / "mean")
    assert read_record(tmp_path / "mean").region == rule
    first, second = (token.detach() for token in model.class_tokens)
    begun = run_commission(replace(asked, out=tmp_path / "begun", epochs=0))
    assert not torch.equal(first, begun.class_tokens[0])
    assert torch.equal(second, begun.class_tokens[1]), "the second scale learns nothing while the whole photo is alone"
    monkeypatch.setitem(systems.RECIPES, "rams_trans", replace(recipe, phases=phases))
    with pytest.raises(DataError, match="a run with other alpha, residual, query;"):
        run_commission(asked)


def test_a_record_from_before_rule_and_phases_is_that_of_the_usual_ones(
    whole_run: Callable[[System], Path], tmp_path: Path
) -> None:
    record = json.loads((whole_run("rams_trans") / RECORD_NAME).read_text())
    del record["region"], record["phases"]
    (tmp_path / RECORD_NAME).write_text(json.dumps(record))
    assert read_record(tmp_path) == read_record(whole_run("rams_trans"))


def test_held_out_classes_are_no_outputs(index: Path, tmp_path: Path) -> None:
    run_commission(replace(commission("plain", index, tmp_path / "run"), held_out=1))
    record, model, _ = load_model(tmp_path / "run")
    assert len(record.class_ids) == 2
    assert len(model.state_dict()["classifier.bias"]) == 2
    dataset = dataset_of(record, index)
    assert dataset.class_ids == record.class_ids
    assert {row.class_id for row in dataset.part("unknown")} == set(COLOURS) - set(record.class_ids)
    with pytest.raises(DataError, match="other classes than the run was trained on"):
        dataset_of(replace(record, held_out=0), index)
    with pytest.raises(DataError, match="3 classes; 2 cannot be held out"):
        run_commission(replace(commission("plain", index, tmp_path / "other"), held_out=2))


@pytest.mark.parametrize("system", ["plain", "pma", "rams_trans"])
def test_a_run_is_measured_as_it_validated_with_what_it_cost(
    system: System, index: Path, whole_run: Callable[[System], Path], tmp_path: Path
) -> None:
    run = whole_run(system)
    photos = examination.Photos("folder", index, splits=("validation",), text="own" if system == "pma" else None)
    found = examination.examine_run(run, photos)
    *epochs, last = (json.loads(line) for line in (run / HISTORY_NAME).read_text().splitlines())
    (figures,) = found.report.figures
    assert figures.top1.value == pytest.approx(last["validation"]["whole"], abs=1e-4)
    assert [label.class_id for label in found.labels] == sorted(COLOURS)
    noted = [epoch["cpu_s"] for epoch in epochs if "loss" in epoch]
    assert found.report.effort == Effort(steps=read_state(run)["step"], cpu_s=pytest.approx(sum(noted)))


def test_runs_on_one_frozen_backbone_share_its_maps_of_the_photos(
    index: Path, whole_run: Callable[[System], Path], tmp_path: Path
) -> None:
    start, photos = start_of_run(whole_run("plain")), examination.Photos("folder", index, splits=("validation",))
    for system in ("pma_visual", "plain"):
        asked = commission(system, index, tmp_path / system)  # type: ignore[arg-type]
        run_commission(replace(asked, start=start, maps=tmp_path / "maps"))
    usual, kept, again = (
        examination.examine_run(tmp_path / "pma_visual", photos, maps).asked[0].scored.logits
        for maps in (None, tmp_path / "seen", tmp_path / "seen")
    )
    assert kept == pytest.approx(usual, abs=0.05)
    assert (kept == again).all()
    (folder,) = (tmp_path / "seen").iterdir()
    assert len(list(folder.iterdir())) == 6
    with pytest.raises(DataError, match="has learnt, and nobody shares its maps"):
        examination.examine_run(whole_run("pma"), photos, tmp_path / "seen")


def test_what_a_run_cost_is_unknown_where_an_epoch_did_not_note_it(
    whole_run: Callable[[System], Path], tmp_path: Path
) -> None:
    shutil.copytree(whole_run("plain"), tmp_path / "run")
    history = tmp_path / "run" / HISTORY_NAME
    history.write_text(history.read_text().replace('"cpu_s"', '"cpu_time"', 1))
    assert effort_of(tmp_path / "run")[1] is None
