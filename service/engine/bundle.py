"""One bundle, loaded: its files checked against their digests, its graph against its manifest, its answers against
its own samples.

Owns everything that must hold before a bundle may serve. Which bundles there are is the store's affair, what its
outputs mean the task's. Every fault is named, and a bundle that has one is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from packaging.version import InvalidVersion, Version

from models.bundle import check_bundle
from models.calibration import Floats, PhraseTable, read_phrase_table
from models.calibration.conflict import PHRASE_TABLE_NAME
from models.calibration.unknowns import DIRECTIONS_NAME
from models.manifest import BundleError, Label, Manifest, read_labels, read_manifest
from models.text import Vocabulary, read_vocabulary
from service.engine.backends.base import Array, Backend, Border, EngineError, Session
from service.engine.backends.providers import PROFILE_BATCHES
from service.engine.curve import LatencyCurve

SAMPLES_NAME = "samples.npz"
SAMPLES_LIMIT = 64
#: Largest distance of an output from the sample's, absolute and relative: another processor rounds otherwise.
TOLERANCES = {"fp32": 1e-3, "fp16": 3e-2, "int8": 3e-1}
GPU_WARM_UP_BATCHES = (1, 2, 4, 8, PROFILE_BATCHES[-1])


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that is ready to serve.

    `vocabulary` is there where it reads a text, `phrase_table` where it tells whether the text fits the photo,
    `directions` where features tell how known a photo looks.
    """

    manifest: Manifest
    labels: tuple[Label, ...]
    session: Session
    engine: str
    precision: str
    curve: LatencyCurve
    vocabulary: Vocabulary | None = None
    phrase_table: PhraseTable | None = None
    directions: Floats | None = None

    def run(self, images: Array, outputs: Sequence[str], phrases: Array | None = None) -> dict[str, Array]:
        """Run the graph on uint8 images [N, S, S, 3], and int64 word ids [N, P, T] where it reads a text.

        Raises:
            EngineError: the graph failed, or `logits` are not all finite.
        """
        inputs = {"image": images} if phrases is None else {"image": images, "phrases": phrases}
        results = self.session.run(inputs, outputs)
        logits = results.get("logits")
        if logits is not None and not np.isfinite(logits).all():
            raise EngineError(f"{self.manifest.identity} answered with NaN or infinity")
        return results


def load_bundle(folder: Path, choose_backend: Callable[[Manifest], Backend], batch_limit: int) -> Bundle:
    """Load a bundle, check it, and run it until it is warm.

    Raises:
        BundleError: with every fault found.
        DeviceError: the device cannot be used.
    """
    if faults := check_bundle(folder):
        raise BundleError(folder.name, faults)
    manifest = read_manifest(folder)
    if faults := _requirement_faults(manifest):
        raise BundleError(manifest.identity, faults)
    try:
        backend = choose_backend(manifest)
        session = backend.load(folder, manifest, "main")
        if faults := _border_faults(manifest, session):
            raise BundleError(manifest.identity, faults)
        precision = next((v.precision for v in manifest.variants if v.file == manifest.graphs.get("main")), "fp32")
        samples = _read_samples(folder, manifest)
        first_ms = _self_check(manifest, session, samples, precision)
        prior_ms = (
            _warm_up_gpu(manifest, session, samples)
            if backend.is_gpu
            else dict(manifest.batch_curve_ms) or {1: first_ms}
        )
    except EngineError as error:
        raise BundleError(manifest.identity, [str(error)]) from error
    labels = read_labels(folder / "labels.csv", manifest.levels) if "labels.csv" in manifest.files else ()
    return Bundle(
        manifest,
        labels,
        session,
        backend.name,
        precision,
        LatencyCurve(prior_ms, batch_limit),
        read_vocabulary(folder / manifest.text.file) if manifest.text else None,
        _read_phrases(folder, manifest, len(labels)),
        _read_directions(folder, manifest, len(labels)),
    )


def _requirement_faults(manifest: Manifest) -> list[str]:
    installed = metadata.version("fieldmark")
    try:
        if Version(manifest.requires) > Version(installed):
            return [f"it requires Fieldmark {manifest.requires}, this is {installed}; update Fieldmark"]
    except InvalidVersion:
        return [f"requires {manifest.requires!r} is not a PEP 440 version"]
    return []


def _border_faults(manifest: Manifest, session: Session) -> list[str]:
    expected_inputs = _inputs(manifest)
    faults = []
    if sorted(session.inputs, key=_name) != sorted(expected_inputs, key=_name):
        faults.append(f"the graph takes {_words(session.inputs)} instead of {_words(expected_inputs)}")
    found = {border.name: border for border in session.outputs}
    for output in manifest.outputs:
        expected = Border(output.name, output.dtype, (None, *output.shape))
        if output.name not in found:
            faults.append(f"the graph has no output {output.name}")
        elif found[output.name] != expected:
            faults.append(f"the graph gives {_words([found[output.name]])} instead of {_words([expected])}")
    return faults


def _inputs(manifest: Manifest) -> tuple[Border, ...]:
    size = manifest.image.size_px
    image = Border("image", "uint8", (None, size, size, 3))
    if manifest.text is None:
        return (image,)
    return image, Border("phrases", "int64", (None, manifest.text.phrases, manifest.text.words))


def _name(border: Border) -> str:
    return border.name


def _words(borders: Sequence[Border]) -> str:
    def one(border: Border) -> str:
        sizes = ", ".join("N" if size is None else str(size) for size in border.shape)
        return f"{border.name} {border.dtype} [{sizes}]"

    return " and ".join(one(border) for border in borders) or "nothing"


def _read_samples(folder: Path, manifest: Manifest) -> dict[str, Array]:
    """The arrays of `samples.npz`: `image`, `phrases` where the graph reads a text, and the outputs expected for them."""
    if SAMPLES_NAME not in manifest.files:
        raise EngineError(f"{SAMPLES_NAME} is not listed under 'files'")
    try:
        with np.load(folder / SAMPLES_NAME, allow_pickle=False) as archive:
            samples = {name: np.asarray(archive[name]) for name in archive.files}
    except Exception as error:  # numpy and zipfile raise almost anything on a damaged file
        raise EngineError(f"{SAMPLES_NAME} cannot be read") from error
    inputs = {}
    for border in _inputs(manifest):
        values = samples.get(border.name)
        if values is None or values.dtype != border.dtype or values.shape[1:] != border.shape[1:]:
            raise EngineError(f"{SAMPLES_NAME} holds no {_words([border])}")
        inputs[border.name] = values
    count = len(inputs["image"])
    if not 1 <= count <= SAMPLES_LIMIT or {len(values) for values in inputs.values()} != {count}:
        raise EngineError(f"{SAMPLES_NAME} holds {count} images; it must be 1 to {SAMPLES_LIMIT}, each with its inputs")
    names = {output.name for output in manifest.outputs}
    expected = {name: values for name, values in samples.items() if name in names and len(values) == count}
    if manifest.task in ("classify", "route") and "logits" not in expected:
        raise EngineError(f"{SAMPLES_NAME} holds no expected logits")
    return inputs | expected


def _read_phrases(folder: Path, manifest: Manifest, classes: int) -> PhraseTable | None:
    if manifest.text is None or PHRASE_TABLE_NAME not in manifest.files:
        if manifest.calibration.text_conflict_below is not None:
            raise BundleError(
                manifest.identity, [f"text_conflict_below needs {PHRASE_TABLE_NAME}, listed under 'files'"]
            )
        return None
    try:
        return read_phrase_table(folder / PHRASE_TABLE_NAME, classes)
    except ValueError as error:
        raise BundleError(manifest.identity, [str(error)]) from error


def _read_directions(folder: Path, manifest: Manifest, classes: int) -> Floats | None:
    if manifest.calibration.score != "distance":
        return None
    width = next((output.shape for output in manifest.outputs if output.name == "features"), (0,))
    if DIRECTIONS_NAME not in manifest.files:
        raise BundleError(manifest.identity, [f"score 'distance' needs {DIRECTIONS_NAME}, listed under 'files'"])
    try:
        directions = np.load(folder / DIRECTIONS_NAME, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BundleError(manifest.identity, [f"{DIRECTIONS_NAME} cannot be read"]) from error
    if directions.dtype.kind != "f" or directions.shape != (classes, *width) or not np.isfinite(directions).all():
        raise BundleError(manifest.identity, [f"{DIRECTIONS_NAME} holds no finite numbers [{classes}, {width[0]}]"])
    return np.asarray(directions, np.float64)


def _self_check(manifest: Manifest, session: Session, samples: Mapping[str, Array], precision: str) -> float:
    """Compare each sample's outputs with the expected ones; gives the time of the last run in milliseconds."""
    inputs = [border.name for border in _inputs(manifest)]
    outputs = [name for name in samples if name not in inputs]
    tolerance = TOLERANCES[precision]
    elapsed_ms = 0.0
    for row in range(len(samples["image"])):
        started = time.perf_counter()
        results = session.run({name: samples[name][row : row + 1] for name in inputs}, outputs)
        elapsed_ms = (time.perf_counter() - started) * 1000
        for name in outputs:
            if not np.allclose(results[name][0], samples[name][row], rtol=tolerance, atol=tolerance):
                raise EngineError(
                    f"self-check: {name} of sample {row} is off by more than {tolerance:g}; "
                    f"{manifest.identity} does not compute here what it did when it was exported"
                )
    return elapsed_ms


def _warm_up_gpu(manifest: Manifest, session: Session, samples: Mapping[str, Array]) -> dict[int, float]:
    """Run each batch size twice, because kernels are chosen by size; the second run's time begins the curve."""
    curve_ms = {}
    for size in GPU_WARM_UP_BATCHES:
        inputs = {border.name: np.repeat(samples[border.name][:1], size, axis=0) for border in _inputs(manifest)}
        for _ in range(2):
            started = time.perf_counter()
            session.run(inputs, ["logits"])
            curve_ms[size] = (time.perf_counter() - started) * 1000
    return curve_ms
