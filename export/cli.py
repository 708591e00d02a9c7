"""The commands that make bundles: `export` and its like, of runs or published weights, and `quantize`, of a bundle.

Owns the options; the work is that of `export.bundle` and its like for other tasks and of `export.int8`, and for TensorRT
the serving engine's, whose cache is filled.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("export")(export)
    app.command("export-answers")(export_answers)
    app.command("export-detector")(export_detector)
    app.command("export-grounding")(export_grounding)
    app.command("quantize")(quantize)


def export(
    run: Annotated[Path | None, typer.Option(help="Folder of the training run.")] = None,
    data: Annotated[Path | None, typer.Option(help="The data that it was trained on.")] = None,
    out: Annotated[Path, typer.Option(help="Store to write into.")] = Path("models/zoo"),
    name: Annotated[str | None, typer.Option(help="Name of the bundle.")] = None,
    version: Annotated[str, typer.Option(help="Version of the bundle (PEP 440).")] = "1.0.0",
    domain: Annotated[str | None, typer.Option(help="What its photos show; by default the data set's.")] = None,
    default: Annotated[bool, typer.Option("--default", help="Let it answer for its domain.")] = False,
    licence: Annotated[str | None, typer.Option(help="Terms of your own photos; research sets have theirs.")] = None,
    scenes: Annotated[Path | None, typer.Option(help="Photos to paste test crops into, as one more figure.")] = None,
    explain: Annotated[int, typer.Option(min=0, help="Judge explanations on so many test photos; 500 to ship.")] = 0,
    student: Annotated[
        Path | None, typer.Option(help="Image-only bundle by whose sight texts that do not fit are told.")
    ] = None,
    unknown: Annotated[
        Path | None, typer.Option(help="Bundle or run taught without some classes, to choose how the unknown is told.")
    ] = None,
    plain: Annotated[
        Path | None, typer.Option(help="Plain bundle of the domain; one far below it is called experimental.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Measure on so many photos of each part only.")] = None,
    tensorrt: Annotated[Path | None, typer.Option(help="Build TensorRT's engines for this bundle.")] = None,
) -> None:
    """Export a run as a bundle.

    It is checked, calibrated and measured. With --tensorrt BUNDLE TensorRT's engines are built for a bundle instead.
    """
    with _explained():
        if tensorrt is not None:
            _build_engines(tensorrt)
            sys.stdout.write(f"{tensorrt}\n")
            return
        if run is None or data is None or name is None:
            raise typer.BadParameter("--run, --data and --name are needed")
        from export.bundle import export_bundle
        from export.order import Order
        from export.trust.companions import Folders

        order = Order(
            run=run,
            data=data,
            store=out,
            name=name,
            version=version,
            domain=domain,
            is_default=default,
            licence=licence,
            scenes=scenes,
            limit=limit,
            explain=explain,
            companions=Folders(student, unknown, plain),
        )
        sys.stdout.write(f"{export_bundle(order)}\n")


def export_answers(
    run: Annotated[Path, typer.Option(help="Folder of what train-answers made.")],
    name: Annotated[str, typer.Option(help="Name of the bundle.")],
    data: Annotated[Path | None, typer.Option(help="As for train-answers.")] = None,
    cells: Annotated[Path | None, typer.Option(help="Folder in which the cells of photos are kept.")] = None,
    out: Annotated[Path, typer.Option(help="Store to write into.")] = Path("models/zoo"),
    version: Annotated[str, typer.Option(help="Version of the bundle (PEP 440).")] = "1.0.0",
    default: Annotated[bool, typer.Option("--default", help="Let it answer where no model is named.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Measure on so many photos of each part only.")] = None,
) -> None:
    """Export an answerer of questions as a bundle.

    It is checked, calibrated and measured on the test questions.
    """
    with _explained():
        from export.answers.bundle import AnswerOrder, make_answer_bundle

        order = AnswerOrder(run, out, name, version, data, cells, default, limit)
        sys.stdout.write(f"{make_answer_bundle(order)}\n")


def export_grounding(
    run: Annotated[Path, typer.Option(help="Folder of what train-grounding made.")],
    data: Annotated[Path, typer.Option(help="Folder of voc.")],
    name: Annotated[str, typer.Option(help="Name of the bundle.")],
    people: Annotated[Path | None, typer.Option(help="Folder of refs, to measure people's phrases.")] = None,
    out: Annotated[Path, typer.Option(help="Store to write into.")] = Path("models/zoo"),
    version: Annotated[str, typer.Option(help="Version of the bundle (PEP 440).")] = "1.0.0",
    default: Annotated[bool, typer.Option("--default", help="Let it answer where no model is named.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Measure on so many photos of each part only.")] = None,
) -> None:
    """Export a grounding model as a bundle.

    It is checked, calibrated and measured on the fixed test.
    """
    with _explained():
        from export.grounding.bundle import GroundOrder, export_grounding_bundle

        order = GroundOrder(run, data, out, name, version, default, people, limit)
        sys.stdout.write(f"{export_grounding_bundle(order)}\n")


def export_detector(
    weights: Annotated[Path, typer.Option(help="The published YOLOX as an ONNX file.", metavar="FILE")],
    classes: Annotated[Path, typer.Option(help="Its classes, one a line.", metavar="FILE")],
    sample: Annotated[
        list[Path], typer.Option(help="A photo for the bundle's self-check; several times.", metavar="PHOTO")
    ],
    out: Annotated[Path, typer.Option(help="Store to write into.")] = Path("models/zoo"),
    name: Annotated[str, typer.Option(help="Name of the bundle.")] = "detector",
    version: Annotated[str, typer.Option(help="Version of the bundle (PEP 440).")] = "1.0.0",
) -> None:
    """Make a published detector a bundle, for `locate`."""
    with _explained():
        from export.detection.bundle import DetectorOrder, make_detector_bundle

        sys.stdout.write(f"{make_detector_bundle(DetectorOrder(weights, classes, sample, out, name, version))}\n")


def quantize(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle that classifies photos.")],
    data: Annotated[Path, typer.Option(help="The data that it was trained on.")],
    version: Annotated[str, typer.Option(help="Version of the new bundle (PEP 440), a higher one.")],
    out: Annotated[Path, typer.Option(help="Store to write into.")] = Path("models/zoo"),
    limit: Annotated[int | None, typer.Option(min=1, help="Measure on so many photos of each part only.")] = None,
) -> None:
    """Give a bundle a second graph that computes in 8 bits.

    It becomes a new version, for --arithmetic int8, if that is worth it.
    """
    with _explained():
        from export.int8 import QuantizeOrder, quantize_bundle

        sys.stdout.write(f"{quantize_bundle(QuantizeOrder(bundle.resolve(), data, version, out, limit))}\n")


def _build_engines(bundle: Path) -> None:
    """Load the bundle as `fieldmark serve --device tensorrt` would, which fills the cache that serving reads."""
    from service.engine.loader import Loader

    Loader("tensorrt").load(bundle.resolve())


@contextmanager
def _explained() -> Iterator[None]:
    """A failure that has an explanation is one sentence on stderr and exit status 1."""
    from export.parity import ParityError
    from export.quantize import QuantizationError
    from models.manifest import BundleError
    from models.training.data import DataError
    from service.engine.backends.base import EngineError, StartError

    try:
        yield
    except (BundleError, DataError, EngineError, ParityError, QuantizationError, StartError) as error:
        sys.stderr.write(f"fieldmark: {error}\n")
        raise typer.Exit(1) from error
