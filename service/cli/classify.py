"""`fieldmark classify`: photos and folders of photos, answered in this process by the engine that serves them over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from service.answers import Parameters, SubjectsAnswer
from service.cli.options import AsJson, InArithmetic, OnDevice, Store, check_place, open_engine
from service.cli.photos import Photo, find_photos, read_portions
from service.cli.pictures import Pictures
from service.cli.results import CsvWriter, JsonWriter, Result, TextWriter, Writer
from service.errors import FieldmarkError
from service.settings import read_settings
from service.words import read_question, read_text

if TYPE_CHECKING:
    from service.engine import Engine

TOP_K = 5


class Format(StrEnum):
    """Forms of the results."""

    TEXT = "text"
    CSV = "csv"
    JSONL = "jsonl"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(classify)


def classify(
    photo: Annotated[list[Path], typer.Argument(help="Photos, or folders with photos.", metavar="PHOTO")],
    domain: Annotated[str | None, typer.Option(help="What the photos show, such as birds or cars.")] = None,
    model: Annotated[str | None, typer.Option(help="A model: name, or name@version.")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help=f"Predictions a photo [default: {TOP_K}; csv: 1].")] = None,
    text: Annotated[
        str | None, typer.Option(help="What the subject looks like, such as 'red crown, white wing bars'.")
    ] = None,
    expression: Annotated[
        str | None, typer.Option(help="Which of several things is meant, such as 'the bird on the left'.")
    ] = None,
    locate: Annotated[bool, typer.Option("--locate", help="Find the subject first, by a detector.")] = False,
    locate_all: Annotated[
        bool, typer.Option("--locate-all", help="Find all subjects, by a detector, and tell what each is.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Answer by the likeliest domain where the photo shows none that is known.")
    ] = False,
    draw: Annotated[
        Path | None,
        typer.Option(
            help="Draw what the model looked at on the photo: a PNG file, or a folder of them.", metavar="PATH"
        ),
    ] = None,
    json: AsJson = False,
    form: Annotated[
        Format | None, typer.Option("--format", help="Form of the results [default: text; csv for a folder].")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the results to this file.", metavar="FILE")] = None,
    store: Store = None,
    device: OnDevice = None,
    arithmetic: InArithmetic = None,
) -> None:
    """Say which species or car model photos show.

    Photos that cannot be answered are named on stderr; then the exit status is 1.
    """
    if locate_all and (locate or expression is not None):
        raise typer.BadParameter("--locate-all, --locate and --expression exclude each other")
    form = _choose_form(form, photo, json=json)
    settings = read_settings({"store": store or None, "device": device, "arithmetic": arithmetic})
    paths = find_photos(photo)
    if not paths:
        raise typer.BadParameter(f"there is no photo in {', '.join(map(str, photo))}")
    pictures = Pictures(draw, paths) if draw is not None else None
    if out is not None:
        check_place("--out", out)
    if expression is not None:
        expression = read_question(expression, "--expression")
    said = read_text("--text", text or "") or None
    engine = open_engine(settings)
    parameters = Parameters(
        top_k=top_k or (1 if form is Format.CSV else TOP_K), explain=pictures is not None, text=said, force=force
    )

    def ask(photos: list[bytes]) -> Sequence[Result]:
        if locate_all:
            return engine.classify_subjects(photos, domain=domain, model=model, parameters=parameters)
        return engine.classify(
            photos, domain=domain, model=model, parameters=parameters, expression=expression, locate=locate
        )

    with _opened(out) as stream, _progress(len(paths), stream) as advance:
        writer = _make_writer(form, stream, _levels(engine, domain, model))
        failed = 0
        for portion in read_portions(paths, settings.body_limit_bytes):
            failed += _write_portion(portion, ask, writer, pictures)
            advance(len(portion))
    raise typer.Exit(1 if failed else 0)


def _choose_form(form: Format | None, photos: Sequence[Path], *, json: bool) -> Format:
    """The form that was asked for; without a wish, text for photos and CSV for a folder of them."""
    if json and form not in (None, Format.JSONL):
        raise typer.BadParameter(f"--json and --format {form} exclude each other")
    if json:
        return Format.JSONL
    return form or (Format.CSV if any(path.is_dir() for path in photos) else Format.TEXT)


def _write_portion(
    portion: list[Photo], ask: Callable[[list[bytes]], Sequence[Result]], writer: Writer, pictures: Pictures | None
) -> int:
    """Answer some photos in their order; gives how many failed."""
    answers = iter(ask([photo.content for photo in portion if isinstance(photo.content, bytes)]))
    failed = 0
    for photo in portion:
        result = next(answers) if isinstance(photo.content, bytes) else photo.content
        writer.write(photo.path, result)
        if isinstance(result, SubjectsAnswer):
            for omitted in result.omitted:
                sys.stderr.write(f"fieldmark: {photo.path}: a subject was left out: {omitted.reason}\n")
        if isinstance(result, FieldmarkError):
            failed += 1
            sys.stderr.write(f"fieldmark: {photo.path}: {result.detail}\n")
        elif pictures is not None and isinstance(photo.content, bytes):
            pictures.draw(photo.path, photo.content, result)
    return failed


def _make_writer(form: Format, stream: TextIO, levels: list[str]) -> Writer:
    match form:
        case Format.TEXT:
            return TextWriter(stream)
        case Format.JSONL:
            return JsonWriter(stream)
        case Format.CSV:
            return CsvWriter(stream, levels)


def _levels(engine: Engine, domain: str | None, model: str | None) -> list[str]:
    """Name the levels that predictions may have: those of the domain or the model, else of everything served."""
    name, _, version = (model or "").partition("@")
    entries = [entry for entry in engine.catalog.models if not name or entry.name == name]
    entries = [entry for entry in entries if version in ("", entry.version)]
    entries = [entry for entry in entries if domain in (None, "auto", entry.domain)]
    return list(dict.fromkeys(level for entry in entries for level in entry.levels))


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """Give the file to write to, or stdout."""
    if out is None:
        yield sys.stdout
        return
    with out.open("w", encoding="utf-8", newline="") as stream:
        yield stream


@contextmanager
def _progress(total: int, stream: TextIO) -> Iterator[Callable[[int], None]]:
    """Show on stderr how far several photos are, where a person watches and the results go elsewhere."""
    if total < 2 or stream.isatty() or not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as progress:
        task = progress.add_task("", total=total)
        yield lambda done: progress.advance(task, done)
