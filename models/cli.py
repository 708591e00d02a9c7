"""The commands that measure models, from `evaluate` to `evaluate-phrases`, `router-photos`, and the list of all about models.

Owns their options. The work is `models.evaluation`'s, which is imported only when a command runs, since it brings torch and
matplotlib; an evaluation is put together by `models.examination`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from models.evaluation.grounding.cli import draw_expressions, evaluate_grounding
from models.training.answering.cli import evaluate_answers, train_answers
from models.training.cli import Data, Kind, Limit, average, distill, explained, train
from models.training.grounding.cli import train_grounding

TextName = Literal["own", "none", "other", "shuffled", "human", "cars"]
ArithmeticName = Literal["exact", "int8"]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train")(train)
    app.command("distill")(distill)
    app.command("average")(average)
    app.command("evaluate")(evaluate)
    app.command("compare")(compare)
    app.command("weigh-words")(weigh_words)
    app.command("trust")(trust)
    app.command("views")(views)
    app.command("evaluate-phrases")(evaluate_phrases)
    app.command("router-photos")(router_photos)
    app.command("train-answers")(train_answers)
    app.command("evaluate-answers")(evaluate_answers)
    app.command("train-grounding")(train_grounding)
    app.command("evaluate-grounding")(evaluate_grounding)
    app.command("draw-expressions")(draw_expressions)


def evaluate(
    data: Data,
    dataset: Kind = "folder",
    bundle: Annotated[Path | None, typer.Option(help="Folder of the bundle.")] = None,
    model: Annotated[str | None, typer.Option(help="Instead: name or name@version in the stores.")] = None,
    run: Annotated[Path | None, typer.Option(help="Instead: folder of a training run, not calibrated.")] = None,
    frozen: Annotated[
        Path | None,
        typer.Option(help="Of a run on a frozen backbone: folder for its maps of the photos, which runs share."),
    ] = None,
    store: Annotated[list[Path] | None, typer.Option(help="Folders of bundles; by default the zoo.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="By default all but train and validation.")] = None,
    framing: Annotated[str | None, typer.Option(help="Only this framing, such as crop or whole.")] = None,
    scenes: Annotated[Path | None, typer.Option(help="Photos to paste the test crops into, as one more part.")] = None,
    locate: Annotated[bool, typer.Option("--locate", help="Classify what the store's detector finds.")] = False,
    text: Annotated[TextName | None, typer.Option(help="What to tell beside each photo; none withholds it.")] = None,
    cars: Annotated[Path | None, typer.Option(help="Folder of stanford_cars, whose texts --text cars tells.")] = None,
    vote: Annotated[bool, typer.Option("--vote", help="Average over three views of each photo: a control.")] = False,
    arithmetic: Annotated[ArithmeticName, typer.Option(help="int8: measure the bundle's graph in 8 bits.")] = "exact",
    url: Annotated[str | None, typer.Option(help="A running service, which must answer the same.")] = None,
    limit: Limit = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report, class tables and plots.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a bundle or a run on a data set.

    A bundle is asked through the engine that serves it, a run as it stands.
    """
    with explained():
        from models.evaluation.report import to_json, to_text, write_report
        from models.examination import Disagreement, Photos, examine_bundle, examine_run, examine_vote

        if sum(given is not None for given in (bundle, model, run)) != 1:
            raise typer.BadParameter("give one of --bundle, --model and --run")
        photos = Photos(dataset, data, tuple(split) if split else None, framing, limit, scenes, text, cars)
        is_served = locate or url is not None or arithmetic != "exact"
        if is_served and (run is not None or vote):
            raise typer.BadParameter("no service does that; leave --locate, --url and --arithmetic out")
        if run is not None and vote:
            raise typer.BadParameter("--vote is for bundles; leave --run out")
        try:
            if run is not None:
                found = examine_run(run, photos, frozen)
            else:
                folder = bundle.resolve() if bundle else _find_bundle(str(model), store or [])
                if vote:
                    found = examine_vote(folder, photos)
                else:
                    found = examine_bundle(folder, photos, locate, url, arithmetic)
        except Disagreement as error:
            raise typer.BadParameter(str(error)) from error
        report = found.report
        if out is not None:
            write_report(out, report, found.asked, found.labels)
        sys.stdout.write(to_json(report).decode() + "\n" if as_json else to_text(report))
    if not report.is_clean:
        raise typer.Exit(1)


def compare(
    reports: Annotated[
        list[str], typer.Argument(help="What evaluate wrote; a name twice: seeds.", metavar="NAME=FOLDER")
    ],
    against: Annotated[str, typer.Option(help="Name of the system that the others are compared with.", metavar="NAME")],
    dataset: Annotated[str, typer.Option(help="Whose published figures to print below.")] = "cub_birds",
) -> None:
    """Print systems side by side on the same photos.

    Their differences have paired intervals.
    """
    with explained():
        from models.evaluation.comparison import read_rows, to_markdown

        named = [report.partition("=") for report in reports]
        if not all(name and folder for name, _, folder in named):
            raise typer.BadParameter("give each report as NAME=FOLDER")
        rows = read_rows(((name, Path(folder)) for name, _, folder in named), dataset)
        sys.stdout.write(to_markdown(rows, against, dataset))


def weigh_words(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle that sees photos alone.")],
    data: Data,
    dataset: Kind = "folder",
    limit: Limit = None,
) -> None:
    """Print what texts could add to a model of photos.

    The model sees the photos alone; what their texts could add to it is told by a linear reader beside it.
    """
    with explained():
        from models.examination import Disagreement, Photos
        from models.examination import weigh_words as weigh

        try:
            sys.stdout.write(weigh(bundle.resolve(), Photos(dataset, data, limit=limit)))
        except Disagreement as error:
            raise typer.BadParameter(str(error)) from error


def trust(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    data: Data,
    dataset: Kind = "folder",
    explain: Annotated[int, typer.Option(min=1, help="How many photos to judge explanations on.")] = 500,
    others: Annotated[Path | None, typer.Option(help="Folder of birds525_few, for unknown species.")] = None,
    cars: Annotated[Path | None, typer.Option(help="Folder of stanford_cars, for what is no bird at all.")] = None,
    limit: Limit = None,
) -> None:
    """Print how far a bundle can be trusted.

    That is how far its sets, its uncertainty and its explanations hold.
    """
    with explained():
        from models.answerers import run_of
        from models.evaluation.trials import Trial, try_bundle
        from models.progress import progress_bar

        with progress_bar() as bar:
            task = bar.add_task("trying", total=None)
            trial = Trial(bundle.resolve(), dataset, data, explain, others, cars, limit)
            text = try_bundle(trial, run_of(bundle.resolve()), lambda: bar.advance(task))
        sys.stdout.write(text)


def views(
    photo: Annotated[Path, typer.Argument(help="The photo.")],
    run: Annotated[Path, typer.Option(help="Folder of a training run of s3n.")],
    out: Annotated[Path, typer.Option(help="The picture, a PNG.")],
) -> None:
    """Draw what S3N looks at in a photo.

    It is the photo, and each attention map beside the view that it makes.
    """
    with explained():
        from models.evaluation.looking import draw_looks, look

        draw_looks(out, look(run, photo))
        sys.stdout.write(f"{out}\n")


def evaluate_phrases(
    bracketed: Annotated[Path, typer.Argument(help="Sentences, one a line, their noun phrases bracketed by hand.")],
    birds: Annotated[Path | None, typer.Option(help="Folder of cub_birds, for sentences on its test photos.")] = None,
    human: Annotated[Path | None, typer.Option(help="File of people's expressions for boxes in photos.")] = None,
) -> None:
    """Print how far the chunker of texts is right.

    Its noun phrases are held against a hand's and against those of a full parser.
    """
    with explained():
        from models.evaluation.phrases import SpacyParser, compare_all, read_bracketed, to_markdown

        sentences, parser = read_bracketed(bracketed), SpacyParser()
        rows = compare_all(sentences, _people_said(birds, human), parser)
        sys.stdout.write(to_markdown(rows, parser.name))


def router_photos(
    birds: Annotated[Path, typer.Option(help="Folder of cub_birds.")],
    cars: Annotated[Path, typer.Option(help="Folder of stanford_cars.")],
    voc: Annotated[Path, typer.Option(help="Folder of voc.")],
    out: Annotated[Path, typer.Option(help="Folder for the index and the pasted photos.")],
    count: Annotated[int, typer.Option(min=2, help="Photos of each class in each framing.")] = 1500,
    seed: Annotated[int, typer.Option(min=0, help="Of choice, size and place.")] = 0,
) -> None:
    """Gather the photos that a router learns from.

    They show birds, cars and neither, each in every framing.
    """
    with explained():
        from models.training.routing import Sources, write_material

        sys.stdout.write(f"{write_material(Sources(birds, cars, voc), out, count, seed)}\n")


def _people_said(birds: Path | None, human: Path | None) -> Iterator[tuple[str, list[str]]]:
    """What people wrote of photos, each sentence once, under the name of its row."""
    from models.evaluation.phrases import once

    if birds is not None:
        from models.evaluation.texts import read_captions

        captions = read_captions(birds).values()
        yield "sentences on test photos", once(sentence for sentences in captions for sentence in sentences)
    if human is not None:
        from models.training.human_words import read_human_expressions

        yield "expressions for boxes", once(read_human_expressions(human))


def _find_bundle(model: str, stores: list[Path]) -> Path:
    """The folder of a model, which the engine would choose too."""
    from models.manifest import parse_model_name
    from models.training.data import DataError
    from service.engine.store import choose_version, find_bundles, read_pins
    from service.stores import resolve_stores

    try:
        name, version = parse_model_name(model)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    folders = resolve_stores(stores)
    places = {place.version: place.folder for place in find_bundles(folders) if place.name == name}
    chosen = version or (choose_version(places, read_pins(folders).get(name)) if places else "")
    if chosen not in places:
        raise DataError(f"there is no model {model!r} in {', '.join(map(str, folders))}")
    return places[chosen].resolve()
