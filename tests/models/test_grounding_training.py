"""Grounding's training: pictures and what is said about them, batches, the losses' sum, and a whole tiny run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from models.backbones import SPECS
from models.evaluation.grounding.answers import TorchGrounder, ask_all
from models.evaluation.grounding.items import said_items
from models.layers.boxes import cell_centres
from models.referring import Referring
from models.text.expressions import CLS, SEP
from models.training.data import DataError
from models.training.dressing import Dress, Wardrobe
from models.training.grounding import cli, course, pictures
from models.training.grounding.beginning import waves
from models.training.grounding.learner import Learner
from models.training.grounding.lessons import Dressing, Lessons, Reader
from models.training.grounding.pictures import Picture, list_pictures, part_scenes
from models.training.grounding.pretext import Detector, cell_targets, detection_loss
from models.training.grounding.record import (
    ONLY_LEARNING,
    Beginning,
    beginning_of_run,
    build_learner,
    load_grounding,
    take_over,
)
from models.training.grounding.validation import paces_of
from models.training.loop import HISTORY_NAME, parameter_groups
from models.training.nouns import CLASSES
from models.training.recipes.grounding import GROUND
from models.training.self_paced import Pacing, SelfPacedLoss
from models.training.views import PhotoStore
from models.training.voc import Scene, read_voc
from tests.ground_sets import RECIPE, SIZE_PX, request, write_language, write_voc
from tests.grounding import TINY_STAGES


class Ran(NamedTuple):
    """A finished tiny run and where its data lies."""

    root: Path
    out: Path


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Iterator[Ran]:
    root = tmp_path_factory.mktemp("grounding")
    write_voc(root / "voc")
    write_language(root / "words")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SPECS, "tiny_stages", TINY_STAGES)
        patch.setattr(pictures, "VALIDATION_PHOTOS", 4)
        patch.setattr(course, "load_stages", lambda stages, path: None)
        course.train_grounding(request(root, root / "run"))
        yield Ran(root, root / "run")


def gather(ran: Ran) -> course.Material:
    """The pools that the run kept; its backbone has no file, so it is drawn again."""
    torch.manual_seed(RECIPE.seed)
    return course.gather(request(ran.root, ran.out))


@pytest.fixture(scope="module")
def scenes(ran: Ran) -> list[Scene]:
    return read_voc(ran.root / "voc")


def test_training_and_validation_photos_are_parted_by_name(scenes: list[Scene]) -> None:
    parts, half = part_scenes(scenes), part_scenes(reversed(scenes), 0.5)
    assert len(parts.validation) == 4
    assert not {scene.path for scene in parts.train} & {scene.path for scene in parts.validation}
    assert half.validation == parts.validation
    assert half.train == parts.train[: len(half.train)]
    assert len(half.train) == round(0.5 * len(parts.train))


def test_a_pool_above_its_bound_is_refused(scenes: list[Scene]) -> None:
    with pytest.raises(ValueError, match="20,012 pictures; at most 20,000 are kept"):
        list_pictures(scenes[:6], 20_000, 0)


def test_things_keep_their_colours_in_mosaics_and_mirrors(scenes: list[Scene]) -> None:
    store = PhotoStore(SIZE_PX)
    drawn = [picture.draw(store) for picture in list_pictures(scenes, 12, 0)]
    counted = 0
    for one in drawn:
        height, width = one.pixels.shape[:2]
        for thing in one.layout.things:
            left, top, right, bottom = thing.box
            assert -1e-9 <= left < right <= 1 + 1e-9
            assert -1e-9 <= top < bottom <= 1 + 1e-9
            middle = one.pixels[int((top + bottom) / 2 * height), int((left + right) / 2 * width)].astype(int)
            assert (middle[0] > middle[2]) == (thing.name == "dog")
            counted += 1
    assert counted > 2 * len(drawn)


def test_a_picture_is_the_same_each_time(scenes: list[Scene]) -> None:
    picture = list_pictures(scenes, 1, 0)[-1]
    first, second = (picture.draw(PhotoStore(SIZE_PX)) for _ in range(2))
    assert np.array_equal(first.pixels, second.pixels)
    assert first.layout == second.layout


def test_a_cell_answers_for_the_smallest_thing_that_holds_it() -> None:
    boxes = torch.tensor([[0.5, 0.5, 1.0, 1.0], [0.25, 0.25, 0.5, 0.5]])
    targets = cell_targets(boxes, torch.tensor([2, 5]), cell_centres(4))
    assert targets.held.tolist() == [1.0] * 16
    assert targets.classes[:, 5].reshape(4, 4)[:2, :2].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert targets.classes[:, 2].sum() == 12
    assert targets.reach[0].tolist() == pytest.approx([0.125, 0.125, 0.375, 0.375])


def test_a_right_detection_costs_less_than_a_wrong_one() -> None:
    torch.manual_seed(0)
    detector = Detector(8)
    cells = torch.randn(2, 16, 8, requires_grad=True)
    targets = cell_targets(torch.tensor([[0.5, 0.5, 0.6, 0.6]]), torch.tensor([3]), cell_centres(4))
    batch = type(targets)(*(torch.stack([column, column]) for column in targets))
    optimiser = torch.optim.Adam([*detector.parameters(), cells], 0.05)
    first = detection_loss(detector, cells, batch).item()
    for _ in range(60):
        loss = detection_loss(detector, cells, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.6 * first
    assert detector.classes(cells).argmax(2)[targets.held.repeat(2, 1) > 0].unique().tolist() == [3]


def test_waves_tell_every_place_from_every_other() -> None:
    table = waves(20, 192)
    distance = torch.cdist(table, table) + torch.eye(400) * 99
    assert table.shape == (400, 192)
    assert distance.min() > 0.3
    assert distance[0, 1] < distance[0, 10]


def test_a_run_leaves_a_state_its_words_and_its_figures(ran: Ran) -> None:
    trained = load_grounding(ran.out)
    history = [json.loads(line) for line in (ran.out / HISTORY_NAME).read_text(encoding="utf-8").splitlines()]
    validated = [line["validation"] for line in history if "validation" in line]
    assert trained.epochs == RECIPE.epochs
    assert isinstance(trained.model, Referring)
    assert trained.words.size == trained.record.pieces
    assert len(validated) == 2
    assert all(one["sigma_l1"] == pytest.approx(2.5, abs=0.01) and one["d_giou_99"] >= 1.0 for one in validated)
    assert {CLASSES.index("dog"), CLASSES.index("car")} <= set(range(20))


def test_a_sigma_at_its_floor_and_weights_at_their_cap_are_seen() -> None:
    pacing = SelfPacedLoss(Pacing())
    with torch.no_grad():
        pacing.sigma.copy_(torch.tensor([0.2, 2.5]))
    pacing.project()
    found = paces_of(pacing, np.array([[0.5, 0.5], [0.5, 1.5], [4.0, 2.0]]))
    assert (found["sigma_l1"], found["sigma_giou"]) == (1.0, 2.5)
    assert (found["d_l1_50"], found["d_giou_50"]) == (pytest.approx(math.exp(0.25)), pytest.approx(1.433329, abs=1e-6))
    assert found["d_l1_99"] == pytest.approx(math.exp(2.0), rel=0.02)
    assert paces_of(SelfPacedLoss(Pacing(enabled=False)), np.ones((3, 2))) == {}


@pytest.mark.parametrize(
    ("part", "change"),
    [("text", {"reads_text": False}), ("photo", {"sees_photo": False}), ("alternation", {"interaction": "joint"})],
)
def test_a_part_that_is_left_out_is_left_out_of_the_recipe(
    part: str, change: dict[str, str | bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[course.Request] = []
    monkeypatch.setattr(course, "train_grounding", asked.append)
    cli.train_grounding(tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, without=[part])
    assert asked[0].recipe == replace(GROUND, **change)  # type: ignore[arg-type]


def test_a_control_without_photos_goes_by_the_words_alone(ran: Ran, scenes: list[Scene]) -> None:
    trained = load_grounding(ran.out)
    recipe = replace(RECIPE, sees_photo=False)
    (batch,) = Lessons(gather(ran).train, Reader(trained.words, reads_text=True), 0.25).epoch(1, 4, 0)
    other = replace(batch, features=batch.features.flip(0))
    blind, sighted = (Learner(trained.model, one).eval() for one in (recipe, RECIPE))
    assert torch.equal(blind(batch).box, blind(other).box)
    assert not torch.equal(sighted(batch).box, sighted(other).box)
    control = trained._replace(record=replace(trained.record, recipe=recipe))
    told = [TorchGrounder(control)(scene.path, ["dog", "car"]) for scene in scenes[:2]]
    seen = [TorchGrounder(trained)(scene.path, ["dog", "car"]) for scene in scenes[:2]]
    assert told[0].boxes == told[1].boxes
    assert seen[0].boxes != seen[1].boxes


def test_the_table_of_positions_does_not_decay(ran: Ran) -> None:
    learner = build_learner(load_grounding(ran.out).record)
    (own,) = [
        group
        for group in parameter_groups(learner, RECIPE.schedule)
        if any(weight is learner.model.vision.position for weight in group["params"])
    ]
    assert own["weight_decay"] == 0.0


def test_the_papers_head_trains_without_what_only_helps(ran: Ran, tmp_path: Path) -> None:
    recipe = replace(RECIPE, head="cls", has_auxiliaries=False, epochs=1)
    course.train_grounding(request(ran.root, tmp_path / "cls", recipe))
    trained = load_grounding(tmp_path / "cls")
    torch.manual_seed(recipe.seed)
    begun = build_learner(trained.record).model.box.state_dict()
    learnt = trained.model.box.state_dict()
    assert trained.epochs == 1
    assert trained.model.cell_head is None
    assert all(weight.isfinite().all() and not torch.equal(weight, begun[name]) for name, weight in learnt.items())


def test_what_sees_and_what_reads_stay_as_they_were(ran: Ran) -> None:
    material = gather(ran)
    trained = load_grounding(ran.out)
    kept = trained.model.vision.state_dict()
    moved = {name for name, weight in material.vision.state_dict().items() if not torch.equal(weight, kept[name])}
    assert moved == {"position"}


def test_the_same_command_again_changes_nothing(ran: Ran) -> None:
    before = load_grounding(ran.out).model.state_dict()
    again = course.train_grounding(request(ran.root, ran.out)).state_dict()
    assert all(torch.equal(weight, again[name]) for name, weight in before.items())


def test_a_run_can_start_from_another(ran: Ran, tmp_path: Path) -> None:
    asked = request(ran.root, tmp_path / "further", replace(RECIPE, lr=1e-12, epochs=1))
    further = course.train_grounding(replace(asked, init=beginning_of_run(ran.out))).state_dict()
    start = load_grounding(ran.out).model.state_dict()
    assert all(torch.allclose(weight, start[name], atol=1e-6) for name, weight in further.items())
    other = replace(RECIPE, head="cls")
    with pytest.raises(DataError, match="another shape"):
        course.train_grounding(replace(request(ran.root, tmp_path / "other", other), init=beginning_of_run(ran.out)))


def test_what_is_frozen_is_not_taken_over_and_what_only_training_has_may_be_missing(ran: Ran) -> None:
    trained = load_grounding(ran.out)
    state = {
        f"model.{name}": weight + 1
        for name, weight in trained.model.state_dict().items()
        if not name.startswith("box.")  # the boxes of [CLS] only help this head
    }
    learner = build_learner(trained.record)
    before = {name: weight.clone() for name, weight in learner.state_dict().items()}
    with pytest.raises(DataError, match="a run holds a model of another shape"):
        take_over(learner, Beginning("a run", state))
    with pytest.raises(DataError, match="another shape"):
        take_over(learner, Beginning("a bundle", {"model.strange": torch.zeros(1)} | state, ONLY_LEARNING))
    take_over(learner, Beginning("a bundle", state, ONLY_LEARNING))
    for name, weight in learner.state_dict().items():
        is_kept = name not in state or name.startswith(
            ("model.language.", "model.vision.backbone.", "model.vision.proj")
        )
        assert torch.equal(weight, before[name] if is_kept else state[name]), name


def test_an_epoch_is_dressed_by_its_share_and_the_same_each_time(ran: Ran) -> None:
    pool, reader = gather(ran).train, Reader(load_grounding(ran.out).words, reads_text=True)
    wardrobe = Wardrobe({"dog": (Dress("", "puppy", "on"),), "car": (Dress("", "car", "on"),)})

    def epoch(share: float) -> list[list[int]]:
        lessons = Lessons(pool, reader, 0.25, Dressing(wardrobe, share))
        return next(lessons.epoch(1, 16, 0)).tokens.tolist()

    assert epoch(1.0) == epoch(1.0)
    assert epoch(0.0) == next(Lessons(pool, reader, 0.25).epoch(1, 16, 0)).tokens.tolist()
    assert epoch(1.0) != epoch(0.0)


def test_another_recipe_in_the_same_folder_is_refused(ran: Ran) -> None:
    with pytest.raises(DataError, match=r"holds a run with other head; name another folder"):
        course.train_grounding(request(ran.root, ran.out, replace(RECIPE, head="cls")))


def test_a_batch_pairs_words_with_their_picture(ran: Ran) -> None:
    material = gather(ran)
    words = load_grounding(ran.out).words
    lessons = Lessons(material.train, Reader(words, reads_text=True), 0.5)
    (batch,) = lessons.epoch(1, 64, 0)
    assert 0.2 < batch.present.mean() < 0.8
    assert ((batch.named >= 0) == (batch.present > 0)).all()
    assert (batch.tokens[:, 0] == CLS).all()
    asked = lessons.all()[:5]
    row = lessons.batch(asked)
    for place, one in enumerate(asked):
        features = torch.from_numpy(material.train.features[one.picture].astype(np.float32))
        assert torch.equal(row.features[place], features)
    blind = Lessons(material.train, Reader(words, reads_text=False), 0.5).batch(asked)
    assert blind.tokens.tolist() == [[CLS, SEP]] * 5


@pytest.mark.parametrize("head", ["cls", "cell"])
@pytest.mark.parametrize("has_auxiliaries", [True, False])
def test_every_learnt_weight_gets_a_gradient(ran: Ran, head: str, has_auxiliaries: bool) -> None:
    recipe = replace(RECIPE, head=head, has_auxiliaries=has_auxiliaries)  # type: ignore[arg-type]
    material = gather(ran)
    words = load_grounding(ran.out).words
    torch.manual_seed(1)
    learner = Learner(Referring(recipe.shape(words.size)), recipe).train()
    (batch,) = Lessons(material.train, Reader(words, reads_text=True), 0.25).epoch(1, 8, 0)
    loss = learner.loss(batch)
    loss.backward()
    stuck = {name for name, weight in learner.named_parameters() if weight.requires_grad and weight.grad is None}
    assert loss.isfinite()
    assert {name for name in stuck if not name.startswith("model.box.") or has_auxiliaries} == set()
    frozen = {name for name, weight in learner.named_parameters() if not weight.requires_grad}
    assert all(name.startswith(("model.language.", "model.vision.")) for name in frozen)


def test_a_run_answers_items_in_the_photos_own_places(ran: Ran, scenes: list[Scene]) -> None:
    items = said_items(scenes[:3])
    answered = ask_all(items, TorchGrounder(load_grounding(ran.out)), lambda count: None)
    assert len(answered.boxes) == len(answered.iou) == len(answered.items) == len(items)
    assert all(0 <= side <= 1 for box in answered.boxes for side in box)
    assert {item.box is None for item in answered.items} == {True, False}
    assert answered.entropy is not None
    assert ((answered.entropy > 0) & (answered.entropy <= math.log((SIZE_PX // 16) ** 2))).all()


def test_a_mirrored_photo_is_another_picture(scenes: list[Scene]) -> None:
    plain, mirror = (Picture((scenes[0],), 0, flag).draw(PhotoStore(SIZE_PX)) for flag in (False, True))
    assert np.array_equal(plain.pixels[:, ::-1], mirror.pixels)
    assert plain.layout.mirror() == mirror.layout
