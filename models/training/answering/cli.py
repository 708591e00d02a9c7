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
Mode = Literal["han", "adahan", "soft", "all", "random", "centre"]
Join = Literal["sum", "pairwise", "relation", "stacked"]

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
    keep: Annotated[
        int, typer.Option(min=1, max=100, help="How many of the 100 cells han, random and centre keep.")
    ] = 25,
    aggregation: Annotated[
        Join,
        typer.Option(
            help="How kept cells are joined; soft has ways of its own: by default one look, stacked takes two."
        ),
    ] = "sum",
    fuse_layers: Annotated[int, typer.Option(min=0, max=2, help="Layers after photo and question have met.")] = 2,
    blind: Annotated[bool, typer.Option("--blind", help="See no photo: the control by the question alone.")] = False,
    wordless: Annotated[
        bool, typer.Option("--wordless", help="Read no question: the control by the photo alone.")
    ] = False,
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
        if aggregation == "stacked" and mode != "soft":
            raise typer.BadParameter("stacked looks weigh all cells and keep none: they go with --mode soft")
        if mode == "soft":
            design = Design("all", 100, "stacked" if aggregation == "stacked" else "soft", fuse_layers, blind, wordless)
        else:
            kept = 100 if mode in {"adahan", "all"} else keep
            design = Design(mode, kept, aggregation, fuse_layers, blind, wordless)
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
    keep: Annotated[
        str | None,
        typer.Option(
            help="Read with so many cells, too: the longest, those of the middle, random ones.", metavar="5,25,100"
        ),
    ] = None,
    limit: Limit = None,
) -> None:
    """Print how often answerers of questions are right.

    That is by kind of question, with intervals, and with what the photo is worth. --keep adds what the choice of cells is.
    """
    with explained():
        from models.evaluation import keeping
        from models.evaluation.answering import examine, measure_runs, to_markdown

        named = [run.partition("=") for run in runs]
        if not all(name and folder for name, _, folder in named):
            raise typer.BadParameter("give each run as NAME=FOLDER")
        names = {name for name, _, _ in named}
        if against is not None and against not in names:
            raise typer.BadParameter(f"--against names one of {', '.join(sorted(names))}")
        keeps = _numbers_of_cells(keep)
        examination = examine([(name, Path(folder)) for name, _, folder in named], data, cells, split, limit)
        sweeps = keeping.sweep(examination, keeps) if keeps else []
        sys.stdout.write(to_markdown(measure_runs(examination), against))
        if sweeps:
            sys.stdout.write(f"\n{keeping.to_markdown(sweeps, examination.questions)}")


def _numbers_of_cells(listed: str | None) -> list[int]:
    """`5,25,100` as numbers in their order, each once."""
    words = listed.split(",") if listed else []
    if not all(word.strip().isdecimal() and 1 <= int(word) <= 100 for word in words):
        raise typer.BadParameter("--keep lists numbers of cells from 1 to 100, such as 5,25,100")
    return sorted({int(word) for word in words})
