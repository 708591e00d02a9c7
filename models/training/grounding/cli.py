"""The command `train-grounding`: a model that finds what words mean in a photo.

Owns its options. The work is `course`'s, which is imported only when the command runs, since it brings torch.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from models.training.cli import Epochs, Limit, Seed, Threads, explained

if TYPE_CHECKING:
    from models.training.grounding.record import Beginning
    from models.training.recipes.grounding import GroundRecipe

PARTS = ("self_paced", "alternation", "text", "photo", "auxiliaries")


def train_grounding(
    data: Annotated[Path, typer.Option(help="Folder of voc.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; the same one continues it.")],
    weights: Annotated[Path, typer.Option(help="Published weights of the backbone.", metavar="FILE")],
    words: Annotated[Path, typer.Option(help="Folder of all-MiniLM-L6-v2: model.safetensors and tokenizer.json.")],
    pool: Annotated[Path, typer.Option(help="Folder in which pictures' features are kept; runs share it.")],
    human: Annotated[
        Path | None,
        typer.Option(
            help="Table of people's expressions, in whose words some of the generated are dressed.", metavar="FILE"
        ),
    ] = None,
    birds: Annotated[
        Path | None, typer.Option(help="Folder of cub_birds: photos of birds, told apart by what was ticked for each.")
    ] = None,
    init: Annotated[
        Path | None, typer.Option(help="A run or a bundle to start from, in place of published weights.")
    ] = None,
    backbone: Annotated[Literal["yolox_nano", "efficientnet_lite0"], typer.Option(help="What sees.")] = "yolox_nano",
    head: Annotated[Literal["cls", "cell"], typer.Option(help="What tells the box: [CLS], or every cell.")] = "cell",
    without: Annotated[
        list[str] | None,
        typer.Option(help=f"Part to leave out, or to exchange for the plain: {', '.join(PARTS)}.", metavar="PART"),
    ] = None,
    share: Annotated[int, typer.Option(min=1, max=100, help="Per cent of the training photos.")] = 100,
    epochs: Epochs = None,
    limit: Limit = None,
    seed: Seed = 0,
    threads: Threads = 0,
) -> None:
    """Train a grounding model, or continue a stopped run."""
    with explained():
        import torch

        from models.training.grounding.course import Request
        from models.training.grounding.course import train_grounding as train
        from models.training.recipes.grounding import GROUND

        if threads:
            torch.set_num_threads(threads)
        recipe = replace(GROUND, backbone=backbone, head=head, photo_share=share / 100, seed=seed)
        recipe = _reduced(recipe, without or [])
        if epochs is not None:
            recipe = replace(recipe, epochs=epochs)
        start = None if init is None else _read_beginning(init)
        train(Request(data, out, recipe, weights, words, pool, human, limit, start, birds))
        sys.stdout.write(f"{out}\n")


def _read_beginning(folder: Path) -> Beginning:
    from export.grounding.storage import load_learnt
    from models.manifest import read_manifest
    from models.training.data import DataError
    from models.training.grounding.record import ONLY_LEARNING, Beginning, beginning_of_run
    from models.training.records import RECORD_NAME

    if (folder / RECORD_NAME).exists():
        return beginning_of_run(folder)
    manifest = read_manifest(folder)
    if manifest.system != "referring":
        raise DataError(f"{manifest.identity} finds nothing by words: its system is {manifest.system}")
    state = {f"model.{name}": weight for name, weight in load_learnt(folder).items()}
    return Beginning(manifest.identity, state, ONLY_LEARNING)


def _reduced(recipe: GroundRecipe, parts: list[str]) -> GroundRecipe:
    """The recipe without some of its parts."""
    strange = [part for part in parts if part not in PARTS]
    if strange:
        raise typer.BadParameter(f"{strange[0]!r} is no part of the recipe; choose {', '.join(PARTS)}")
    if "self_paced" in parts:
        recipe = replace(recipe, pacing=replace(recipe.pacing, enabled=False))
    if "alternation" in parts:
        recipe = replace(recipe, interaction="joint")
    return replace(
        recipe,
        reads_text=recipe.reads_text and "text" not in parts,
        sees_photo=recipe.sees_photo and "photo" not in parts,
        has_auxiliaries=recipe.has_auxiliaries and "auxiliaries" not in parts,
    )
