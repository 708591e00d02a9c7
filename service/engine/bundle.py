"""One bundle, loaded: its files checked against their digests, its graph against its manifest, its answers against
its own samples.

Owns everything that must hold before a bundle may serve. Which bundles there are is the store's affair, what its
outputs mean the task's. Every fault is named, and a bundle that has one is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from packaging.version import InvalidVersion, Version

from models.bundle import LABELLED_TASKS, check_bundle, read_sequence_words
from models.calibration import Floats, PhraseTable, read_phrase_table
from models.calibration.conflict import PHRASE_TABLE_NAME
from models.calibration.unknowns import DIRECTIONS_NAME
from models.labels import Label, read_labels
from models.manifest import BundleError, Manifest, read_manifest
from models.sections import Arithmetic, Precision, TextInput, WordsInput
from models.text import Vocabulary, read_vocabulary
from models.text.expressions import PieceVocabulary
from models.text.questions import QuestionVocabulary
from service.engine.backends.base import Array, Backend, EngineError, Session
from service.engine.borders import border_faults, graphs_of, manifest_faults, output_shape
from service.engine.curve import LatencyCurve
from service.engine.samples import COMPUTES_INT8, Sessions, read_samples, self_check, warm_up_gpu

_FROM_FINE: tuple[Precision, ...] = ("fp32", "fp16", "int8")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that is ready to serve.

    `precision` is that of the stored weights, or says that the graph computes in 8 bits. `session` is its graph; of a bundle that grounds expressions it is `vision`, and `fuse` the other one. `vocabulary` is
    there where it reads a text about the subject, `phrase_table` where it tells whether the text fits the photo,
    `directions` where features tell how known a photo looks, `words` where it reads a question or expressions.
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
    fuse: Session | None = None
    words: QuestionVocabulary | PieceVocabulary | None = None

    def run(self, images: Array, outputs: Sequence[str], phrases: Array | None = None) -> dict[str, Array]:
        """Run the graph on uint8 images [N, S, S, 3], and int64 word ids [N, P, T] where it reads a text.

        Raises:
            EngineError: the graph failed, or `logits` are not all finite.
        """
        inputs = {"image": images} if phrases is None else {"image": images, "phrases": phrases}
        results = self.session.run(inputs, outputs)
        logits = results.get("logits")
        # One look at the sum in place of one at each score; only a sum beyond float32 needs the second.
        if logits is not None and not np.isfinite(np.add.reduce(logits, None)) and not np.isfinite(logits).all():
            raise EngineError(f"{self.manifest.identity} answered with NaN or infinity")
        return results


def load_bundle(
    folder: Path, choose_backend: Callable[[Manifest], Backend], batch_limit: int, arithmetic: Arithmetic = "exact"
) -> Bundle:
    """Load a bundle, check it, and run it until it is warm; in 8-bit `arithmetic` where it has such a graph.

    Raises:
        BundleError: with every fault found.
        DeviceError: the device cannot be used.
    """
    if faults := check_bundle(folder):
        raise BundleError(folder.name, faults)
    manifest = read_manifest(folder).computing(arithmetic)
    if faults := _requirement_faults(manifest):
        raise BundleError(manifest.identity, faults)
    try:
        backend = choose_backend(manifest)
        sessions = _load_graphs(folder, manifest, backend)
        precision = _precision(manifest)
        samples = read_samples(folder, manifest)
        first_ms = self_check(manifest, sessions, samples, precision)
        prior_ms = (
            warm_up_gpu(manifest, sessions, samples)
            if backend.is_gpu
            else dict(manifest.batch_curve_ms) or {1: first_ms}
        )
    except EngineError as error:
        raise BundleError(manifest.identity, [str(error)]) from error
    labels = read_labels(folder / "labels.csv", manifest.levels) if manifest.task in LABELLED_TASKS else ()
    first, *second = sessions.values()
    return Bundle(
        manifest,
        labels,
        first,
        backend.name,
        precision,
        LatencyCurve(prior_ms, batch_limit),
        read_vocabulary(folder / manifest.text.file) if isinstance(manifest.text, TextInput) else None,
        _read_phrases(folder, manifest, len(labels)),
        _read_directions(folder, manifest, len(labels)),
        second[0] if second else None,
        read_sequence_words(folder, manifest.text) if isinstance(manifest.text, WordsInput) else None,
    )


def _load_graphs(folder: Path, manifest: Manifest, backend: Backend) -> Sessions:
    """Load every graph, in the order in which they run.

    Raises:
        BundleError: a graph has another border than the manifest says.
        EngineError, DeviceError: a graph cannot be loaded.
    """
    if faults := manifest_faults(manifest):
        raise BundleError(manifest.identity, faults)
    sessions = {graph: backend.load(folder, manifest, graph) for graph in graphs_of(manifest)}
    if faults := [fault for graph, session in sessions.items() for fault in border_faults(manifest, graph, session)]:
        raise BundleError(manifest.identity, faults)
    return sessions


def _precision(manifest: Manifest) -> str:
    """The precision of the stored weights, of two graphs the coarser one; `COMPUTES_INT8` where the graph computes so."""
    served = [variant for variant in manifest.variants if variant.file in manifest.graphs.values()]
    if any(variant.computes == "int8" for variant in served):
        return COMPUTES_INT8
    return max((variant.precision for variant in served), key=_FROM_FINE.index, default="fp32")


def _requirement_faults(manifest: Manifest) -> list[str]:
    installed = metadata.version("fieldmark")
    try:
        if Version(manifest.requires) > Version(installed):
            return [f"it requires Fieldmark {manifest.requires}, this is {installed}; update Fieldmark"]
    except InvalidVersion:
        return [f"requires {manifest.requires!r} is not a PEP 440 version"]
    return []


def _read_phrases(folder: Path, manifest: Manifest, classes: int) -> PhraseTable | None:
    if not isinstance(manifest.text, TextInput) or PHRASE_TABLE_NAME not in manifest.files:
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
    width = output_shape(manifest, "features") or (0,)
    if DIRECTIONS_NAME not in manifest.files:
        raise BundleError(manifest.identity, [f"score 'distance' needs {DIRECTIONS_NAME}, listed under 'files'"])
    try:
        directions = np.load(folder / DIRECTIONS_NAME, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BundleError(manifest.identity, [f"{DIRECTIONS_NAME} cannot be read"]) from error
    if directions.dtype.kind != "f" or directions.shape != (classes, *width) or not np.isfinite(directions).all():
        raise BundleError(manifest.identity, [f"{DIRECTIONS_NAME} holds no finite numbers [{classes}, {width[0]}]"])
    return np.asarray(directions, np.float64)
