"""The command `evaluate`, and the list of all commands about models.

Owns its options and the place where evaluation meets the engine: what is measured is what is served. The work is
`models.evaluation`'s, which is imported only when a command runs, since it brings torch and matplotlib.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.training.cli import Data, Kind, Limit, distill, explained, train

if TYPE_CHECKING:
    from models.evaluation.asking import Answered, Asked
    from models.evaluation.items import Part
    from models.evaluation.remote import Service
    from service.engine.tasks.base import AnyPlan

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train")(train)
    app.command("distill")(distill)
    app.command("evaluate")(evaluate)


def evaluate(
    data: Data,
    dataset: Kind = "folder",
    bundle: Annotated[Path | None, typer.Option(help="Folder of the bundle.")] = None,
    model: Annotated[str | None, typer.Option(help="Instead: name or name@version in the stores.")] = None,
    store: Annotated[list[Path] | None, typer.Option(help="Folders of bundles; by default the zoo.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="By default all but train and validation.")] = None,
    framing: Annotated[str | None, typer.Option(help="Only this framing, such as crop or whole.")] = None,
    scenes: Annotated[Path | None, typer.Option(help="Photos to paste the test crops into, as one more part.")] = None,
    url: Annotated[str | None, typer.Option(help="A running service, which must answer the same.")] = None,
    limit: Limit = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report, class tables and plots.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a bundle on a data set through the engine that serves it."""
    with explained():
        from models.evaluation.report import make_report, to_json, to_text, write_report
        from models.manifest import read_labels, read_manifest

        if (bundle is None) == (model is None):
            raise typer.BadParameter("give --bundle or --model")
        folder = bundle.resolve() if bundle else _find_bundle(str(model), store or [])
        manifest = read_manifest(folder)
        labels = read_labels(folder / "labels.csv", manifest.levels)
        parts = _choose_parts(dataset, data, split, framing, limit, scenes)
        asked = _ask_parts(folder, parts, [label.class_id for label in labels], url)
        report = make_report(manifest.identity, dataset, manifest.calibration.temperature, asked, url is not None)
        if out is not None:
            write_report(out, report, asked, labels)
        sys.stdout.write(to_json(report).decode() + "\n" if as_json else to_text(report))
    if not report.is_clean:
        raise typer.Exit(1)


def _choose_parts(
    dataset: str, data: Path, splits: list[str] | None, framing: str | None, limit: int | None, scenes: Path | None
) -> list[Part]:
    from models.evaluation.items import parts_of
    from models.evaluation.scenes import scene_part
    from models.training.data import DataError, limited, read_dataset

    found = read_dataset(dataset, data)
    chosen = splits or sorted({row.split for row in found.rows} - {"train", "validation"})
    parts = [part for split in chosen for part in parts_of(found, split, framing, limit)]
    if scenes is not None:
        parts.append(scene_part(limited(found.part("test", "crop"), limit), scenes))
    if not any(part.items for part in parts):
        raise DataError(
            f"{data} has no photos of {', '.join(chosen) or 'a test split'}{' ' + framing if framing else ''}"
        )
    return parts


def _ask_parts(folder: Path, parts: list[Part], class_ids: list[str], url: str | None) -> list[Asked]:
    from models.evaluation.asking import ask
    from models.progress import progress_bar
    from service.engine.engine import Engine
    from service.gateway.schema import TOP_K_LIMIT

    name, version = folder.parent.name, folder.name
    engine = Engine([folder.parents[1]])
    answers = _EngineAnswers(engine.plan(f"classify/{name}@{version}"), TOP_K_LIMIT)
    with ExitStack() as stack:
        service = stack.enter_context(_open_service(url, f"{name}@{version}", TOP_K_LIMIT)) if url else None
        bar = stack.enter_context(progress_bar())
        task = bar.add_task("evaluating", total=sum(len(part.items) for part in parts))
        return [ask(part, class_ids, answers, service, lambda: bar.advance(task)) for part in parts]


def _open_service(url: str, model: str, top_k: int) -> Service:
    from models.evaluation.remote import Service

    try:
        return Service(url, model, top_k)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


class _EngineAnswers:
    """The engine in this process as an answerer: the three steps that a worker takes, with the logits kept."""

    def __init__(self, plan: AnyPlan, top_k: int) -> None:
        from service.answers import Parameters

        self._plan = plan
        self._parameters = Parameters(top_k=top_k)

    def __call__(self, photo: bytes) -> Answered:
        """Answer one photo."""
        import msgspec

        from models.evaluation.asking import Answered, Refused
        from models.evaluation.remote import canonical
        from service.engine.backends.base import EngineError
        from service.errors import FieldmarkError

        try:
            subject = self._plan.prepare([photo], self._parameters)
            (scores,) = self._plan.infer([subject])
        except (FieldmarkError, EngineError) as error:
            raise Refused(str(error)) from error
        answer = self._plan.finish(subject, scores).answer
        return Answered(canonical(msgspec.to_builtins(answer)), scores.logits)


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
