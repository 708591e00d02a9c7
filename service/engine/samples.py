"""A bundle's own samples: a few inputs with the outputs that its exporter saw, and the run that compares them.

Owns the reading of them, the self-check and the warm-up of a GPU. Grounding runs as one: the features of
`vision` go into `fuse`, so they need not be stored.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.manifest import Manifest
from service.engine.backends.base import Array, Border, EngineError, Graph, Session
from service.engine.backends.providers import RUN_LIMIT
from service.engine.borders import FEATURES, inputs_of, words_of

SAMPLES_LIMIT = 64
#: What is told of a graph whose layers compute in 8 bits.
COMPUTES_INT8 = "int8 arithmetic"
#: Largest distance of an output from the sample's, absolute and relative: another processor rounds otherwise.
TOLERANCES = {"fp32": 1e-3, "fp16": 3e-2, "int8": 3e-1, COMPUTES_INT8: 3e-1}
GPU_WARM_UP_BATCHES = (1, 2, 4, 8, RUN_LIMIT)
#: Without one of these expected, a sample checks nothing.
_TOLD = {"classify": "logits", "route": "logits", "answer": "logits", "ground": "box", "locate": "scores"}

Sessions = Mapping[Graph, Session]


def read_samples(folder: Path, manifest: Manifest) -> dict[str, Array]:
    """The arrays of the manifest's `samples`: what the graphs take, and the outputs expected for it.

    Raises:
        EngineError: it cannot be read, or lacks something.
    """
    if manifest.samples not in manifest.files:
        raise EngineError(f"{manifest.samples} is not listed under 'files'")
    try:
        with np.load(folder / manifest.samples, allow_pickle=False) as archive:
            samples = {name: np.asarray(archive[name]) for name in archive.files}
    except Exception as error:  # numpy and zipfile raise almost anything on a damaged file
        raise EngineError(f"{manifest.samples} cannot be read") from error
    inputs = {}
    for border in sample_inputs(manifest):
        values = samples.get(border.name)
        if values is None or values.dtype != border.dtype or values.shape[1:] != border.shape[1:]:
            raise EngineError(f"{manifest.samples} holds no {words_of([border])}")
        inputs[border.name] = values
    count = len(inputs["image"])
    if not 1 <= count <= SAMPLES_LIMIT or {len(values) for values in inputs.values()} != {count}:
        raise EngineError(
            f"{manifest.samples} holds {count} images; it must be 1 to {SAMPLES_LIMIT}, each with its inputs"
        )
    names = {output.name for output in manifest.outputs}
    expected = {name: values for name, values in samples.items() if name in names and len(values) == count}
    told = _TOLD[manifest.task]
    if told not in expected:
        raise EngineError(f"{manifest.samples} holds no expected {told}")
    return inputs | expected


def sample_inputs(manifest: Manifest) -> tuple[Border, ...]:
    """What a sample brings: all inputs of the graphs but the one that a graph makes for the next."""
    if manifest.task != "ground":
        return inputs_of(manifest, "main")
    words = (border for border in inputs_of(manifest, "fuse") if border.name != FEATURES)
    return *inputs_of(manifest, "vision"), *words


def self_check(manifest: Manifest, sessions: Sessions, samples: Mapping[str, Array], precision: str) -> float:
    """Compare each sample's outputs with the expected ones; gives the time of the last run in milliseconds.

    Raises:
        EngineError: they differ by more than rounding.
    """
    names = [border.name for border in sample_inputs(manifest)]
    outputs = [name for name in samples if name not in names]
    tolerance = TOLERANCES[precision]
    elapsed_ms = 0.0
    for row in range(len(samples["image"])):
        started = time.perf_counter()
        results = _run(sessions, {name: samples[name][row : row + 1] for name in names}, outputs)
        elapsed_ms = (time.perf_counter() - started) * 1000
        for name in outputs:
            if not np.allclose(results[name][0], samples[name][row], rtol=tolerance, atol=tolerance):
                raise EngineError(
                    f"self-check: {name} of sample {row} is off by more than {tolerance:g}; "
                    f"{manifest.identity} does not compute here what it did when it was exported"
                )
    return elapsed_ms


def warm_up_gpu(manifest: Manifest, sessions: Sessions, samples: Mapping[str, Array]) -> dict[int, float]:
    """Run each batch size twice, because kernels are chosen by size; the second run's time begins the curve."""
    curve_ms = {}
    for size in GPU_WARM_UP_BATCHES:
        inputs = {border.name: np.repeat(samples[border.name][:1], size, axis=0) for border in sample_inputs(manifest)}
        for _ in range(2):
            started = time.perf_counter()
            _run(sessions, inputs, [_TOLD[manifest.task]])
            curve_ms[size] = (time.perf_counter() - started) * 1000
    return curve_ms


def _run(sessions: Sessions, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
    if "main" in sessions:
        return sessions["main"].run(inputs, outputs)
    seen = sessions["vision"].run({"image": inputs["image"]}, [FEATURES])
    words = {name: values for name, values in inputs.items() if name != "image"}
    return seen | sessions["fuse"].run(seen | words, [name for name in outputs if name != FEATURES])
