"""The commands `evaluate-grounding` and `draw-expressions`.

Owns their options. The work is its neighbours', which are imported only when a command runs, since they bring torch.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from models.training.cli import Limit, explained

if TYPE_CHECKING:
    from models.evaluation.grounding.answers import Answered, Grounder, Located
    from models.evaluation.grounding.floors import Detector
    from models.evaluation.grounding.items import Item
    from models.evaluation.grounding.table import Row

_LEAST = 1e-4  # of a probability, which is told with four digits
Voc = Annotated[Path, typer.Option("--data", help="Folder of voc.")]


def evaluate_grounding(
    data: Voc,
    run: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Instead: folder of a bundle, asked as it is served.")] = None,
    people: Annotated[Path | None, typer.Option(help="Folder of refs, for people's phrases.")] = None,
    detector: Annotated[
        Path | None, typer.Option(help="YOLOX-Nano's file, for the floor by a detector.", metavar="FILE")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the table and every answer.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="Folder of another evaluation's answers, to compare with.")
    ] = None,
    limit: Limit = None,
) -> None:
    """Measure a grounding model beside what needs none.

    That is on the fixed test, people's phrases and shuffled words.
    """
    with explained():
        from models.evaluation.grounding import confidence, senses
        from models.evaluation.grounding.answers import ask_all
        from models.evaluation.grounding.floors import Detector
        from models.evaluation.grounding.report import read_answers, write_answers
        from models.evaluation.grounding.table import compared, presence_of, rows_of, to_markdown
        from models.progress import progress_bar

        grounder = _grounder(run, bundle)
        fitted = grounder.fitted if isinstance(grounder, EngineGrounder) else None
        seeing = Detector(detector) if detector is not None else None
        with TemporaryDirectory() as mirrored, progress_bar() as bar:
            items = _items(data, people, limit, Path(mirrored))
            other = read_answers(against, items) if against is not None else None
            task = bar.add_task("asking", total=len(items))
            answered = ask_all(items, grounder, lambda count: bar.advance(task, count))
        rows = rows_of(answered)
        text = to_markdown([*rows, *_floors(answered, data, seeing)], presence_of(answered))
        text += f"\n{confidence.to_markdown(answered, fitted)}{senses.to_markdown(senses.senses_of(answered))}"
        if against is not None and other is not None:
            text += f"\n{compared(rows, rows_of(other), against.name)}"
        if out is not None:
            write_answers(out, answered, text)
        sys.stdout.write(text)


def _grounder(run: Path | None, bundle: Path | None) -> Grounder:
    """A run in torch, or a bundle in the engine."""
    from models.evaluation.grounding.answers import TorchGrounder
    from models.training.grounding.record import load_grounding

    if (run is None) == (bundle is None):
        raise typer.BadParameter("give --run or --bundle")
    return EngineGrounder(bundle.resolve()) if bundle is not None else TorchGrounder(load_grounding(Path(str(run))))


class EngineGrounder:
    """A bundle in the engine that serves it, in this process."""

    def __init__(self, bundle: Path) -> None:
        from models.manifest import read_manifest
        from service.engine.engine import Engine

        manifest = read_manifest(bundle)
        self.fitted = manifest.calibration
        self._model = manifest.identity
        self._engine = Engine([bundle.parents[1]])

    def __call__(self, photo: Path, texts: Sequence[str]) -> Located:
        """As `Grounder`; presence and quality are the calibrated ones, as logits."""
        import numpy as np

        from models.evaluation.grounding.answers import Located
        from models.training.data import DataError
        from service.answers import Box
        from service.errors import FieldmarkError
        from service.words import EXPRESSIONS_LIMIT

        data = photo.read_bytes()
        boxes: list[tuple[float, float, float, float]] = []
        chances: list[tuple[float, float]] = []
        for start in range(0, len(texts), EXPRESSIONS_LIMIT):
            said = texts[start : start + EXPRESSIONS_LIMIT]
            (answer,) = self._engine.ground([data], said, model=self._model, force=True)
            if isinstance(answer, FieldmarkError):
                raise DataError(f"{photo}: {answer}")
            width, height = answer.image.width, answer.image.height
            for one in answer.results:
                if not isinstance(one.box, Box):
                    raise DataError(f"{photo}: {one.expression!r} has no box")
                x, y = one.box.x / width, one.box.y / height
                wide, high = one.box.width / width, one.box.height / height
                boxes.append((x, y, x + wide, y + high))
                chances.append((one.presence, one.quality))
        sure = np.clip(np.array(chances), _LEAST, 1 - _LEAST)
        return Located(boxes, np.log(sure / (1 - sure)))


def _items(data: Path, people: Path | None, limit: int | None, mirrored: Path) -> list[Item]:
    """All that is asked: the test, with words shuffled and photos mirrored, what was written by hand, and by people."""
    from models.evaluation.grounding.items import (
        absent_items,
        hand_items,
        people_items,
        relation_items,
        shuffled_items,
        test_items,
    )
    from models.evaluation.grounding.senses import mirrored_items
    from models.evaluation.grounding.test_set import read_test_set
    from models.training.voc import read_voc

    items = test_items(read_test_set()[:limit], data)
    items += [*shuffled_items(items), *mirrored_items(items, mirrored)]
    items += hand_items(data)[:limit]
    scenes = [scene for scene in read_voc(data) if scene.split == "test"][:limit]
    items += [*absent_items(scenes), *relation_items(scenes)]
    if people is not None:
        items += people_items(people, "test")[:limit]
    return items


def _floors(answered: Answered, data: Path, detector: Detector | None) -> list[Row]:
    """The floors on the test's items, and the whole photo on people's phrases."""
    from models.evaluation.grounding.floors import (
        WHOLE,
        any_of_class_iou,
        constant_box,
        detector_iou,
        floor_iou,
        largest_of_class_iou,
    )
    from models.evaluation.grounding.table import Row, floor_rows
    from models.training.voc import read_voc

    items = [item for item in answered.items if item.part == "test"]
    scenes = read_voc(data)
    training = [scene for scene in scenes if scene.split == "train"]
    rows = floor_rows("the whole photo", items, floor_iou(items, WHOLE))
    rows += floor_rows("the best box for all", items, floor_iou(items, constant_box(training)))
    rows += floor_rows("any thing of the class, true boxes", items, any_of_class_iou(items, scenes))
    rows += floor_rows("the largest of the class, true boxes", items, largest_of_class_iou(items, scenes))
    if detector is not None:
        rows += floor_rows("the largest of the class by a detector", items, detector_iou(items, detector))
    for name, parts in (
        ("people", ("people",)),
        ("people, other nouns", ("people, other nouns", "people, dressed nouns")),
    ):
        said = [item for item in answered.items if item.part in parts]
        if said:
            row = Row(f"floor: the whole photo, {name}", [item.photo for item in said], floor_iou(said, WHOLE))
            rows.append(row)
    return rows


def draw_expressions(
    data: Voc,
    out: Annotated[
        Path, typer.Option(help="File to write; the kept one is models/evaluation/grounding's.", metavar="FILE")
    ],
) -> None:
    """Draw the fixed test of grounding anew.

    The expressions are the same each time.
    """
    with explained():
        from models.evaluation.grounding.test_set import draw_test_set, to_csv
        from models.progress import progress_bar
        from models.training.voc import read_voc

        scenes = [scene for scene in read_voc(data) if scene.split == "test"]
        with progress_bar() as bar:
            task = bar.add_task("photos", total=len(scenes))
            out.write_text(to_csv(draw_test_set(scenes, lambda: bar.advance(task))), encoding="utf-8")
        sys.stdout.write(f"{out}\n")
