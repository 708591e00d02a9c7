"""The documented trainings, exports and evaluations run, on tiny collections and networks, and find what others made."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest
import torch

from export import int8, runtime
from models.backbones import SPECS
from models.training import probe
from models.training.grounding import course
from models.vit import VIT_SHAPES
from service.cli.app import build_app
from tests.project.documents import ROOT
from tests.project.recipes import Recipe, Trials, documented_recipes
from tests.published_weights import FEW_BLOCKS, FEW_LAYERS, write_weights
from tests.research_sets import write_collections, write_own_photos

RECIPES = documented_recipes()
#: What costs time and shows nothing here, and what a network cannot promise that has learnt nothing and is too small to
#: gain by 8 bits.
CHANGES: tuple[tuple[ModuleType, dict[str, float]], ...] = (
    (runtime, {"_WARM_UPS": 1, "_CALLS": 2}),
    (probe, {"STEPS_MIN": 20}),
    (course, {"STEPS_AN_EPOCH": 2}),
    (int8, {"SPEEDUP_NEED": 0.0, "LOSS_LIMIT": 1.0, "ECE_RISE_LIMIT": 1.0}),
)

pytestmark = pytest.mark.timeout(600)  # the first test may run the longest chain of them


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    """A folder with the collections and the published weights, in which commands run; backbones have few blocks."""
    folder, threads = tmp_path_factory.mktemp("recipes"), torch.get_num_threads()
    torch.set_num_threads(1)
    write_collections(folder / "data")
    write_own_photos(folder / "photos")
    write_weights(folder)
    (folder / "tests").symlink_to(ROOT / "tests")
    with pytest.MonkeyPatch.context() as patch:
        for name, spec in FEW_BLOCKS.items():
            patch.setitem(SPECS, name, spec)
        patch.setitem(VIT_SHAPES, "vit_s14", FEW_LAYERS)
        for module, values in CHANGES:
            for name, value in values.items():
                patch.setattr(module, name, value)
        patch.chdir(folder)
        yield Trials(RECIPES, build_app([]))
    torch.set_num_threads(threads)


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_a_documented_recipe_runs(recipe: Recipe, trials: Trials) -> None:
    if recipe.words[0] == "evaluate-phrases":
        pytest.importorskip("spacy", reason="the parser needs the extra `oracle`: pip install 'fieldmark[oracle]'")
    assert trials.fault(recipe) == ""


def test_there_are_recipes_of_every_command_that_makes_something() -> None:
    named = {recipe.words[0] for recipe in RECIPES}
    assert len(RECIPES) > 60
    assert {"train", "distill", "average", "export", "quantize", "evaluate", "compare", "trust"} <= named
    assert {"train-answers", "export-answers", "train-grounding", "evaluate-grounding", "router-photos"} <= named
