"""What every peer that is given Fieldmark's ways runs for one photo: its decoder, its graph, its session options.

So that servers are compared and not decoders. Owns nothing that Fieldmark has: the pixels come from
models.preprocess, the session's options from the engine. The answer is the part that all servers can give: the five
best classes with their calibrated probabilities.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from models.labels import read_labels
from models.manifest import read_manifest
from models.preprocess import Pixels, preprocess
from service.engine.backends.ort import session_options

BUNDLE_VARIABLE = "FIELDMARK_BENCH_BUNDLE"
TOP_K = 5


class Recogniser:
    """A bundle, loaded; safe to use from several threads."""

    def __init__(self, bundle: Path) -> None:
        cv2.setNumThreads(1)
        manifest = read_manifest(bundle)
        self._image = manifest.image
        self._temperature = manifest.calibration.temperature
        self._labels = read_labels(bundle / "labels.csv", manifest.levels)
        self._session = onnxruntime.InferenceSession(
            bundle / manifest.graphs["main"], session_options(), providers=["CPUExecutionProvider"]
        )

    @classmethod
    def from_environment(cls) -> Recogniser:
        """Load the bundle that the benchmark names to the servers it starts."""
        return cls(Path(os.environ[BUNDLE_VARIABLE]))

    def decode(self, data: bytes) -> Pixels:
        """Turn an encoded photo into the graph's pixels, uint8 [size, size, 3]."""
        return preprocess(data, self._image.size_px, self._image.fit)[0]

    def infer(self, pixels: Pixels) -> np.ndarray:
        """Run the graph on one image; logits f32 [C]."""
        logits: np.ndarray = self._session.run(["logits"], {"image": pixels[np.newaxis]})[0][0]
        return logits

    def answer(self, data: bytes) -> bytes:
        """Answer one photo with JSON."""
        logits = self.infer(self.decode(data)) / self._temperature
        exponents = np.exp(logits - logits.max())
        probabilities = exponents / exponents.sum()
        best = np.argsort(-probabilities)[:TOP_K]
        predictions = [
            {
                "class_id": self._labels[index].class_id,
                "label": self._labels[index].label,
                "probability": float(probabilities[index]),
            }
            for index in best
        ]
        return json.dumps({"predictions": predictions}).encode()
