"""The commands `train-answers` and `evaluate-answers`: questions about photos.

Owns their options. The work is `course`'s and `models.evaluation.answering`'s, which are imported only when a command
runs, since they bring torch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from models.training.cli import Epochs, Limit, Seed, Threads, explained

MaterialName = Literal["sort_of_clevr", "daquar", "mixed"]
Mode = Literal["han", "adahan", "soft", "all", "random"]

Root = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of DAQUAR; for mixed, the one with daquar, voc, cub_birds and stanford_cars."),
]
Cells = Annotated[Path | None, typer.Option(help="Folder in which the cells of photos are kept; runs share it.")]


def train_answers(
    material: Annotated[MaterialName, typer.Option(help="What to learn from.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; the same one continues it.")],
    data: Root = None,
    cells: Cells = None,
    weights: Annotated[
        Path | None, typer.Option(help="Published weights of the backbone that makes the cells.", metavar="FILE")
    ] = None,
    init: Annotated[Path | None, typer.Option(help="Run whose weights are taken over where they fit.")] = None,
    mode: Annotated[Mode, typer.Option(help="How cells are chosen.")] = "han",
    keep: Annotated[int, typer.Option(min=1, max=100, help="How many of the 100 cells han and random keep.")] = 25,
    aggregation: Annotated[
        Literal["sum", "pairwise", "relation"], typer.Option(help="How kept cells are joined; soft has its own way.")
    ] = "sum",
    fuse_layers: Annotated[int, typer.Option(min=0, max=2, help="Layers after photo and question have met.")] = 2,
    blind: Annotated[bool, typer.Option("--blind", help="See no photo: the control by the question alone.")] = False,
    epochs: Epochs = None,
    limit: Limit = None,
    seed: Seed = 0,
    threads: Threads = 0,
) -> None:
    """Train an answerer of questions, or continue a run."""
    with explained():
        import torch

        from models.training.answering.course import Request, train_answerer
        from models.training.recipes.answering import Design

        if threads:
            torch.set_num_threads(threads)
        design = (
            Design("all", 100, "soft", fuse_layers, blind)
            if mode == "soft"
            else Design(mode, keep if mode in {"han", "random"} else 100, aggregation, fuse_layers, blind)
        )
        train_answerer(Request(material, out, design, data, cells, weights, init, epochs, limit, seed))
        sys.stdout.write(f"{out}\n")


def evaluate_answers(
    runs: Annotated[
        list[str], typer.Argument(help="What train-answers made; a name twice: seeds.", metavar="NAME=FOLDER")
    ],
    data: Root = None,
    cells: Cells = None,
    against: Annotated[
        str | None, typer.Option(help="Name of the runs that the others are compared with.", metavar="NAME")
    ] = None,
    split: Annotated[Literal["test", "validation"], typer.Option(help="Which questions to put.")] = "test",
    limit: Limit = None,
) -> None:
    """Print how often answerers of questions are right.

    That is by kind of question, with intervals, and with what the photo is worth.
    """
    with explained():
        from models.evaluation.answering import measure_runs, to_markdown

        named = [run.partition("=") for run in runs]
        if not all(name and folder for name, _, folder in named):
            raise typer.BadParameter("give each run as NAME=FOLDER")
        names = {name for name, _, _ in named}
        if against is not None and against not in names:
            raise typer.BadParameter(f"--against names one of {', '.join(sorted(names))}")
        measured = measure_runs([(name, Path(folder)) for name, _, folder in named], data, cells, split, limit)
        sys.stdout.write(to_markdown(measured, against))
