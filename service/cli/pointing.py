"""`fieldmark ground` and `fieldmark answer`: words about one photo, answered in this process by the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from service.answers import Box
from service.cli.options import AsJson, CommandFailed, OnDevice, Store, check_place, open_engine
from service.cli.photos import read_photo
from service.cli.results import name_of
from service.errors import FieldmarkError
from service.replies import GroundAnswer, Located, QuestionAnswer
from service.settings import read_settings
from service.words import read_expressions, read_question

ThePhoto = Annotated[Path, typer.Argument(help="The photo.", metavar="PHOTO")]
Model = Annotated[str | None, typer.Option(help="A model: name, or name@version.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(ground)
    app.command()(answer)


def ground(
    photo: ThePhoto,
    expression: Annotated[list[str], typer.Argument(help="What to find, such as 'the dog on the left'.")],
    model: Model = None,
    force: Annotated[bool, typer.Option("--force", help="Give a box also for what seems not to be there.")] = False,
    draw: Annotated[Path | None, typer.Option(help="Draw the boxes on the photo: a PNG file.", metavar="FILE")] = None,
    json: AsJson = False,
    store: Store = None,
    device: OnDevice = None,
) -> None:
    """Find in a photo what expressions mean.

    Each gets a box as x, y, width and height in pixels, or word that it is not there.
    """
    said = read_expressions(expression, "EXPRESSION")
    settings = read_settings({"store": store or None, "device": device})
    content = read_photo(photo, settings.body_limit_bytes)
    if draw is not None:
        check_place("--draw", draw)
    (found,) = open_engine(settings).ground([content], said, model=model, force=force)
    if isinstance(found, FieldmarkError):
        raise CommandFailed(f"{photo}: {found.detail}")
    _print(photo, found, as_json=json)
    if draw is not None:
        from service.drawing import draw_grounding

        draw.write_bytes(draw_grounding(content, found))


def answer(
    photo: ThePhoto,
    question: Annotated[str, typer.Argument(help="What to answer, such as 'what colour is the bird'.")],
    model: Model = None,
    top_k: Annotated[int, typer.Option(min=1, help="How many answers to give.")] = 5,
    draw: Annotated[
        Path | None, typer.Option(help="Show on the photo which cells were read: a PNG file.", metavar="FILE")
    ] = None,
    json: AsJson = False,
    store: Store = None,
    device: OnDevice = None,
) -> None:
    """Answer a question about a photo."""
    said = read_question(question, "QUESTION")
    settings = read_settings({"store": store or None, "device": device})
    content = read_photo(photo, settings.body_limit_bytes)
    if draw is not None:
        check_place("--draw", draw)
    (found,) = open_engine(settings).answer([content], said, model=model, top_k=top_k)
    if isinstance(found, FieldmarkError):
        raise CommandFailed(f"{photo}: {found.detail}")
    _print(photo, found, as_json=json)
    if draw is not None:
        from service.drawing import draw_kept

        draw.write_bytes(draw_kept(content, found))


def _print(photo: Path, found: GroundAnswer | QuestionAnswer, *, as_json: bool) -> None:
    """Print an answer: the object of the HTTP interface with `path` first, or lines for a person."""
    if as_json:
        told: dict[str, object] = msgspec.to_builtins(found)
        typer.echo(msgspec.json.encode({"path": name_of(photo)} | told).decode())
        return
    note = f", uncertain: {found.reason}" if isinstance(found, QuestionAnswer) and found.uncertain is True else ""
    typer.echo(f"{name_of(photo)} ({found.model.name} {found.model.version}{note})")
    if isinstance(found, GroundAnswer):
        for result in found.results:
            typer.echo(_tell(result))
            _print_words(result)
        return
    for choice in found.answers:
        typer.echo(f"{choice.probability:8.1%}  {choice.answer}")
    _print_words(found)


def _print_words(told: Located | QuestionAnswer) -> None:
    """Say what of the words was not read."""
    if isinstance(told.read, str):
        typer.echo(f"          only read: {told.read}")
    if isinstance(told.unknown_words, list):
        typer.echo(f"          unknown: {', '.join(told.unknown_words)}")


def _tell(result: Located) -> str:
    box = result.box
    place = f"  {box.x:g},{box.y:g} {box.width:g}x{box.height:g}" if isinstance(box, Box) else ""
    if result.found:
        return f"{result.score:8.1%}  {result.expression}{place}"
    return f"       -  {result.expression}{place}\n          {result.reason}"
