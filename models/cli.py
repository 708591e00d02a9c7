"""The commands `evaluate`, `compare`, `trust` and `router-photos`, and the list of all commands about models.

Owns their options. The work is `models.evaluation`'s, which is imported only when a command runs, since it brings torch and
matplotlib; who answers are `models.answerers`.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from models.evaluation.grounding.cli import draw_expressions, evaluate_grounding
from models.training.answering.cli import evaluate_answers, train_answers
from models.training.cli import Data, Kind, Limit, distill, explained, train
from models.training.grounding.cli import train_grounding

if TYPE_CHECKING:
    from models.evaluation.asking import Answerer, Asked
    from models.evaluation.items import Part
    from models.evaluation.remote import Service

TextName = Literal["own", "none", "other", "shuffled", "human", "cars"]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train")(train)
    app.command("distill")(distill)
    app.command("evaluate")(evaluate)
    app.command("compare")(compare)
    app.command("trust")(trust)
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
    store: Annotated[list[Path] | None, typer.Option(help="Folders of bundles; by default the zoo.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="By default all but train and validation.")] = None,
    framing: Annotated[str | None, typer.Option(help="Only this framing, such as crop or whole.")] = None,
    scenes: Annotated[Path | None, typer.Option(help="Photos to paste the test crops into, as one more part.")] = None,
    locate: Annotated[bool, typer.Option("--locate", help="Classify what the store's detector finds.")] = False,
    text: Annotated[TextName | None, typer.Option(help="What to tell beside each photo; none withholds it.")] = None,
    cars: Annotated[Path | None, typer.Option(help="Folder of stanford_cars, whose texts --text cars tells.")] = None,
    url: Annotated[str | None, typer.Option(help="A running service, which must answer the same.")] = None,
    limit: Limit = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report, class tables and plots.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a bundle on a data set through the engine that serves it."""
    with explained():
        from models.evaluation.report import make_report, to_json, to_text, write_report
        from models.labels import read_labels
        from models.manifest import read_manifest

        if (bundle is None) == (model is None):
            raise typer.BadParameter("give --bundle or --model")
        folder = bundle.resolve() if bundle else _find_bundle(str(model), store or [])
        manifest = read_manifest(folder)
        labels = read_labels(folder / "labels.csv", manifest.levels)
        parts = _choose_parts(dataset, data, split, framing, limit, scenes)
        if text is not None:
            parts = _tell_parts(parts, text, dataset, data, cars)
        asked = _ask_parts(folder, parts, [label.class_id for label in labels], text, locate, url)
        report = make_report(manifest.identity, dataset, manifest.calibration.temperature, asked, url is not None)
        if out is not None:
            write_report(out, report, asked, labels)
        sys.stdout.write(to_json(report).decode() + "\n" if as_json else to_text(report))
    if not report.is_clean:
        raise typer.Exit(1)


def compare(
    reports: Annotated[list[str], typer.Argument(help="NAME=FOLDER of what evaluate wrote; a name twice: seeds.")],
    against: Annotated[str, typer.Option(help="Name of the system that the others are compared with.")],
    dataset: Annotated[str, typer.Option(help="Whose published figures to print below.")] = "cub_birds",
) -> None:
    """Print systems side by side on the same photos, with paired intervals of their differences."""
    with explained():
        from models.evaluation.comparison import read_rows, to_markdown

        named = [report.partition("=") for report in reports]
        if not all(name and folder for name, _, folder in named):
            raise typer.BadParameter("give each report as NAME=FOLDER")
        rows = read_rows((name, Path(folder)) for name, _, folder in named)
        sys.stdout.write(to_markdown(rows, against, dataset))


def trust(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    data: Data,
    dataset: Kind = "folder",
    explain: Annotated[int, typer.Option(min=1, help="How many photos to judge explanations on.")] = 500,
    others: Annotated[Path | None, typer.Option(help="Folder of birds525_few, for unknown species.")] = None,
    cars: Annotated[Path | None, typer.Option(help="Folder of stanford_cars, for what is no bird at all.")] = None,
    limit: Limit = None,
) -> None:
    """Print how far a bundle's sets, its uncertainty and its explanations can be trusted."""
    with explained():
        from models.answerers import run_of
        from models.evaluation.trials import Trial, try_bundle
        from models.progress import progress_bar

        with progress_bar() as bar:
            task = bar.add_task("trying", total=None)
            trial = Trial(bundle.resolve(), dataset, data, explain, others, cars, limit)
            text = try_bundle(trial, run_of(bundle.resolve()), lambda: bar.advance(task))
        sys.stdout.write(text)


def router_photos(
    birds: Annotated[Path, typer.Option(help="Folder of cub_birds.")],
    cars: Annotated[Path, typer.Option(help="Folder of stanford_cars.")],
    voc: Annotated[Path, typer.Option(help="Folder of voc.")],
    out: Annotated[Path, typer.Option(help="Folder for the index and the pasted photos.")],
    count: Annotated[int, typer.Option(min=2, help="Photos of each class in each framing.")] = 1500,
    seed: Annotated[int, typer.Option(min=0, help="Of choice, size and place.")] = 0,
) -> None:
    """Gather the photos that a router learns from: birds, cars and neither, each in every framing."""
    with explained():
        from models.training.routing import Sources, write_material

        sys.stdout.write(f"{write_material(Sources(birds, cars, voc), out, count, seed)}\n")


def _choose_parts(
    dataset: str, data: Path, splits: list[str] | None, framing: str | None, limit: int | None, scenes: Path | None
) -> list[Part]:
    from models.evaluation.items import parts_of
    from models.evaluation.scenes import scene_part
    from models.training.data import DataError, limited, read_dataset

    found = read_dataset(dataset, data)
    chosen = splits or sorted({row.split for row in found.rows} - {"train", "validation"}) or ["validation"]
    parts = [part for split in chosen for part in parts_of(found, split, framing, limit)]
    if scenes is not None:
        parts.append(scene_part(limited(found.part("test", "crop"), limit), scenes))
    if not any(part.items for part in parts):
        raise DataError(
            f"{data} has no photos of {', '.join(chosen) or 'a test split'}{' ' + framing if framing else ''}"
        )
    return parts


def _tell_parts(parts: list[Part], kind: TextName, dataset: str, data: Path, cars: Path | None) -> list[Part]:
    from models.evaluation.texts import Telling, tell
    from models.training.data import read_dataset
    from models.training.texts import read_texts

    return tell(parts, Telling(kind, read_texts(read_dataset(dataset, data), data), data, cars))


def _ask_parts(
    folder: Path, parts: list[Part], class_ids: list[str], text: TextName | None, locate: bool, url: str | None
) -> list[Asked]:
    """Ask the bundle; with a text its domain, as a service chooses by it; alone where its text is withheld.

    With `locate` it is shown what a detector of its store finds in each photo.
    """
    from models.answerers import EngineAnswers, Withheld
    from models.evaluation.asking import ask
    from models.manifest import read_manifest
    from models.progress import progress_bar
    from service.engine.engine import Engine
    from service.gateway.fields import TOP_K_LIMIT

    manifest = read_manifest(folder)
    is_by_domain = manifest.text is not None and text not in (None, "none")
    asked = {"domain": str(manifest.domain)} if is_by_domain else {"model": manifest.identity}
    with ExitStack() as stack:
        answers: Answerer
        if manifest.text is not None and not is_by_domain:
            if url is not None or locate:
                option = "--locate" if locate else "--url"
                raise typer.BadParameter(f"no service asks {manifest.identity} without a text; leave {option} out")
            answers = Withheld(folder)
        else:
            route = f"classify/{asked.get('domain') or manifest.identity}"
            answers = EngineAnswers(Engine([folder.parents[1]]), route, TOP_K_LIMIT, locate)
        asked["top_k"] = str(TOP_K_LIMIT)
        if locate:
            asked["locate"] = "true"
        service = stack.enter_context(_open_service(url, asked)) if url else None
        bar = stack.enter_context(progress_bar())
        task = bar.add_task("evaluating", total=sum(len(part.items) for part in parts))
        return [ask(part, class_ids, answers, service, lambda: bar.advance(task)) for part in parts]


def _open_service(url: str, asked: dict[str, str]) -> Service:
    from models.evaluation.remote import Service

    try:
        return Service(url, asked)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


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
