"""The commands `train`, `distill` and `average`, and what all commands about models have in common.

Owns their options. The work is `models.training.commission`'s, which is imported only when a command runs, since it
brings torch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast, get_args

import typer

if TYPE_CHECKING:
    from models.pma import Part
    from models.systems import System
    from models.training.commission import Start

SystemName = Literal["plain", "pma_visual", "pma", "s3n", "rams_trans", "router"]
DatasetName = Literal["cub_birds", "stanford_cars", "folder"]

Data = Annotated[
    Path, typer.Option("--data", help="Folder of the data set, or of class folders, or a CSV index.", metavar="PATH")
]
Kind = Annotated[DatasetName, typer.Option("--dataset", help="How the data is laid out.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Use only so many photos of each part, for a trial.")]
Setting = Annotated[
    Literal["reduced", "full"], typer.Option(help="Sizes for hours on a CPU, or the papers' for a GPU.")
]
Init = Annotated[Path | None, typer.Option(help="Bundle or run to start from instead of published weights.")]
HoldOut = Annotated[int, typer.Option(min=0, help="Leave so many classes out of training; always the same ones.")]
Epochs = Annotated[int | None, typer.Option(min=0, help="How often to go through the photos; 0: only the beginning.")]
Seed = Annotated[int, typer.Option(min=0, help="Of order, augmentation and new weights.")]
Threads = Annotated[int, typer.Option(min=0, help="Threads of torch; 0: its own choice.")]


def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the run; the same one continues it.")],
    dataset: Kind = "folder",
    system: Annotated[SystemName, typer.Option(help="What to train.")] = "plain",
    recipe: Annotated[str | None, typer.Option(help="By default that of the data set or the system.")] = None,
    setting: Setting = "reduced",
    weights: Annotated[
        Path | None, typer.Option(help="Published weights of the recipe's backbone.", metavar="FILE")
    ] = None,
    init: Init = None,
    frozen: Annotated[
        Path | None, typer.Option(help="Leave the backbone as it is, and keep its maps of the photos in this folder.")
    ] = None,
    stages: Annotated[int, typer.Option(min=1, max=8, help="How often PMA looks.")] = 3,
    without: Annotated[
        list[str] | None, typer.Option(help="Part of PMA to leave out: masks, relation, attention.", metavar="PART")
    ] = None,
    hold_out_species: HoldOut = 0,
    epochs: Epochs = None,
    limit: Limit = None,
    seed: Seed = 0,
    threads: Threads = 0,
) -> None:
    """Train a classifier, or continue a stopped run.

    `fieldmark export` makes a bundle of it.
    """
    with explained():
        import torch

        from models.training.commission import Commission, run_commission

        if weights is not None and init is not None:
            raise typer.BadParameter("give --weights or --init, not both")
        if threads:
            torch.set_num_threads(threads)
        commission = Commission(
            system,
            dataset,
            data,
            out,
            recipe,
            weights,
            _read_start(init) if init else None,
            epochs,
            limit,
            seed,
            setting,
            maps=frozen,
            held_out=hold_out_species,
            stages=stages,
            without=_parts(without or []),
        )
        run_commission(commission)
        sys.stdout.write(f"{out}\n")


def _parts(names: list[str]) -> tuple[Part, ...]:
    from models.pma import Part

    known = get_args(Part)
    strange = [name for name in names if name not in known]
    if strange:
        raise typer.BadParameter(f"{strange[0]!r} is no part of PMA; choose {', '.join(known)}")
    return tuple(name for name in known if name in names)


def distill(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the run; the same one continues it.")],
    teacher: Annotated[Path, typer.Option(help="Folder of the teacher: a run, or a bundle.")],
    dataset: Kind = "folder",
    recipe: Annotated[str | None, typer.Option(help="By default pma_student; or pma_student_large.")] = None,
    setting: Setting = "reduced",
    init: Init = None,
    hold_out_species: HoldOut = 0,
    epochs: Epochs = None,
    limit: Limit = None,
    tau: Annotated[
        float | None, typer.Option(min=0.1, max=20.0, help="Soften the teacher's answers by so much.")
    ] = None,
    seed: Seed = 0,
    threads: Threads = 0,
) -> None:
    """Train PMA's student, a plain classifier.

    It learns from a teacher's answers alone, to do without a text.
    """
    with explained():
        import torch

        from models.training.commission import Commission, run_commission
        from models.training.teachers import read_teacher

        if threads:
            torch.set_num_threads(threads)
        commission = Commission(
            "pma_student",
            dataset,
            data,
            out,
            recipe=recipe,
            start=_read_start(init) if init else None,
            epochs=epochs,
            limit=limit,
            seed=seed,
            setting=setting,
            teacher=read_teacher(teacher),
            held_out=hold_out_species,
            tau=tau,
        )
        run_commission(commission)
        sys.stdout.write(f"{out}\n")


def average(
    members: Annotated[
        list[Path], typer.Argument(help="Runs or bundles of one system that began at the same weights.")
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the run that the average becomes.")],
    dataset: Kind = "folder",
    start: Annotated[
        Path | None, typer.Option(help="What all began at: the average is blended with it as validates best.")
    ] = None,
    share: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="How much of the average is taken beside --start.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=32, max=1024, help="Side in pixels at which it reads photos; by default the first one's."),
    ] = None,
    limit: Limit = None,
) -> None:
    """Average the weights of several models into one.

    One alone keeps its own. `fieldmark export` makes a bundle of it.
    """
    with explained():
        from models.training import averaging
        from models.training.data import read_dataset

        if share is not None and start is None:
            raise typer.BadParameter("--share is that of the average beside --start")
        blend = averaging.Blend(_read_start(start), share) if start else None
        starts = [_read_start(member) for member in members]
        found = averaging.average(starts, read_dataset(dataset, data), out, blend, size, limit)
        told = ", ".join(f"{framing} {100 * share:.2f} %" for framing, share in found.items())
        sys.stdout.write(f"{out}: {told} of the held-out photos\n")


def _read_start(folder: Path) -> Start:
    from export.weights import load_state
    from models.labels import read_labels
    from models.manifest import read_manifest
    from models.training.commission import Start, start_of_run
    from models.training.data import DataError
    from models.training.records import RECORD_NAME

    if (folder / RECORD_NAME).exists():
        return start_of_run(folder)
    manifest = read_manifest(folder)
    if "main" not in manifest.graphs or manifest.training is None or manifest.training.backbone is None:
        raise DataError(f"{manifest.identity} is no classifier whose backbone is on record")
    return Start(
        identity=manifest.identity,
        system=cast("System", manifest.system),
        backbone=manifest.training.backbone,
        size_px=manifest.image.size_px,
        fit=manifest.image.fit,
        class_ids=tuple(label.class_id for label in read_labels(folder / "labels.csv", manifest.levels)),
        state=load_state(folder / manifest.graphs["main"]),
    )


@contextmanager
def explained() -> Iterator[None]:
    """A failure that has an explanation is one sentence on stderr and exit status 1."""
    from models.training.data import DataError
    from service.engine.backends.base import StartError

    try:
        yield
    except (DataError, StartError) as error:
        sys.stderr.write(f"fieldmark: {error}\n")
        raise typer.Exit(1) from error
