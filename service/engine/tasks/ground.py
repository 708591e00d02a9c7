"""Ground: where a photo shows what expressions mean, or that it does not.

The photo is looked at once, and its features serve all expressions of the request and, as long as they are kept, those of
later ones. The box is an output of the graph: nothing here reads the words beyond their ids, and no rule chooses. Sources:
the model's page (`models/referring.py`) for presence and quality, `models/canvas.py` for the place of a box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UNSET

from models.canvas import from_canvas, visible_cells
from models.preprocess import Photo, Pixels, fit_pixels
from models.text.expressions import EncodedExpression, PieceVocabulary
from service.answers import Box, ImageSize, ModelRef, Parameters
from service.engine.backends.base import Array, EngineError, Session
from service.engine.backends.providers import RUN_LIMIT
from service.engine.bundle import Bundle
from service.engine.features import FeatureCache, Seen
from service.engine.tasks.base import Finished
from service.engine.tasks.photos import BOX_DIGITS, Encoded, decode_photos
from service.engine.tasks.reading import PROBABILITY_DIGITS
from service.replies import GroundAnswer, Located

#: What presence must reach where a bundle was not calibrated.
ABSENT_BELOW = 0.5

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pointed:
    """One request, ready for the graphs: the photo's key, and its features or its pixels uint8 [S, S, 3]."""

    key: bytes
    size: ImageSize
    seen: Seen | None
    pixels: Pixels | None
    expressions: list[EncodedExpression]
    parameters: Parameters
    encoded: Encoded


@dataclass(frozen=True, slots=True)
class Found:
    """What the graph says to each expression: boxes f32 [E, 4] and logits of presence and quality f32 [E, 2]."""

    box: Floats
    conf: Floats


class GroundPlan:
    """Grounds expressions with one bundle; plans of the same engine share the cache of features."""

    def __init__(self, route: str, bundle: Bundle, cache: FeatureCache) -> None:
        manifest = bundle.manifest
        if bundle.fuse is None or not isinstance(bundle.words, PieceVocabulary):
            raise ValueError(f"{manifest.identity} grounds no expressions")
        self.route = route
        self.model = manifest.identity
        self.curve = bundle.curve
        self.batch_wait_ms = manifest.batch_wait_ms
        self.need_px = manifest.image.size_px
        self._vision: Session = bundle.session
        self._fuse: Session = bundle.fuse
        self._words = bundle.words
        self._fit = manifest.image.fit
        cells = next(output.shape[0] for output in manifest.outputs if output.name == "features")
        self._cell_px = self.need_px // math.isqrt(cells)
        self._cache = cache
        fitted = manifest.calibration
        self._temperatures = np.array([fitted.temperature, fitted.quality_temperature or 1.0])
        self._absent_below = ABSENT_BELOW if fitted.absent_below is None else fitted.absent_below
        self._ref = ModelRef(manifest.name, manifest.version, manifest.system)

    def prepare(self, photos: Sequence[Encoded], parameters: Parameters) -> Pointed:
        """Find the photo's features, or decode it to be looked at.

        Raises:
            UnsupportedMedia, UnprocessableImage: the photo cannot be decoded.
        """
        key = self._cache.key(self.model, photos[0])
        seen = self._cache.get(key)
        if seen is not None:
            return self._point(key, seen.size, seen, None, photos[0], parameters)
        return self._look(key, decode_photos(photos[:1], self.need_px)[0], photos[0], parameters)

    def prepare_decoded(self, photos: Sequence[Photo], encoded: Sequence[Encoded], parameters: Parameters) -> Pointed:
        """Take a photo that is decoded to at least `need_px`."""
        rows, columns = photos[0].pixels.shape[:2]
        is_finer = min(rows, columns) >= 2 * self.need_px  # than `prepare` decodes: its features differ a little
        key = self._cache.key(f"{self.model} {columns}x{rows}" if is_finer else self.model, encoded[0])
        seen = self._cache.get(key)
        if seen is not None:
            return self._point(key, seen.size, seen, None, encoded[0], parameters)
        return self._look(key, photos[0], encoded[0], parameters)

    def infer(self, batch: Sequence[Pointed]) -> list[Found]:
        """Look at the photos that are new, then read all expressions of the batch."""
        features = self._features(batch)
        rows = [(pointed, expression) for pointed in batch for expression in pointed.expressions]
        runs = [self._read(rows[start : start + RUN_LIMIT], features) for start in range(0, len(rows), RUN_LIMIT)]
        box, conf = (np.concatenate([run[name] for run in runs]) for name in ("box", "conf"))
        if not (np.isfinite(box).all() and np.isfinite(conf).all()):
            raise EngineError(f"{self.model} answered with NaN or infinity")
        found, start = [], 0
        for pointed in batch:
            end = start + len(pointed.expressions)
            found.append(Found(box[start:end].astype(np.float32), conf[start:end].astype(np.float32)))
            start = end
        return found

    def finish(self, prepared: Pointed, inferred: Found) -> Finished[GroundAnswer]:
        """Make the answer to one request."""
        results = [
            self._locate(prepared, number, expression, inferred)
            for number, expression in enumerate(prepared.expressions)
        ]
        answer = GroundAnswer(self._ref, results, prepared.size)
        picture = _draw(prepared.encoded, answer) if prepared.parameters.draw else None
        best = max(result.score for result in results)
        is_cached = prepared.seen is not None if self._cache.is_on else None
        return Finished(answer, self.model, best, picture=picture, is_cached=is_cached)

    def _look(self, key: bytes, photo: Photo, encoded: Encoded, parameters: Parameters) -> Pointed:
        size = ImageSize(photo.width, photo.height)
        pixels = fit_pixels(photo.pixels, self.need_px, self._fit, (photo.width, photo.height))
        return self._point(key, size, None, pixels, encoded, parameters)

    def _point(
        self,
        key: bytes,
        size: ImageSize,
        seen: Seen | None,
        pixels: Pixels | None,
        encoded: Encoded,
        parameters: Parameters,
    ) -> Pointed:
        expressions = [self._words.encode(expression) for expression in parameters.expressions]
        return Pointed(key, size, seen, pixels, expressions, parameters, encoded if parameters.draw else b"")

    def _features(self, batch: Sequence[Pointed]) -> dict[bytes, Array]:
        """The features of every photo of the batch; the same photo is looked at once."""
        features = {pointed.key: pointed.seen.features for pointed in batch if pointed.seen is not None}
        fresh = {p.key: p for p in batch if p.pixels is not None and p.key not in features}
        new = list(fresh.values())
        for start in range(0, len(new), RUN_LIMIT):
            part = new[start : start + RUN_LIMIT]
            images = np.stack([pointed.pixels for pointed in part if pointed.pixels is not None])
            seen = self._vision.run({"image": images}, ["features"])["features"]
            for pointed, row in zip(part, seen, strict=True):
                features[pointed.key] = row
                if self._cache.is_on:
                    self._cache.put(pointed.key, Seen(pointed.size, np.array(row)))
        return features

    def _read(
        self, rows: Sequence[tuple[Pointed, EncodedExpression]], features: dict[bytes, Array]
    ) -> dict[str, Array]:
        side, cell = self.need_px, self._cell_px
        masks = [visible_cells(pointed.size.width, pointed.size.height, side, cell) for pointed, _ in rows]
        inputs = {
            "features": np.stack([features[pointed.key] for pointed, _ in rows]),
            "tokens": np.stack([expression.tokens for _, expression in rows]),
            "token_mask": np.stack([expression.mask for _, expression in rows]),
            "cell_mask": np.stack(masks),
        }
        return self._fuse.run(inputs, ["box", "conf"])

    def _locate(self, pointed: Pointed, number: int, expression: EncodedExpression, found: Found) -> Located:
        presence, quality = _sigmoid(found.conf[number] / self._temperatures)
        reason = self._absence(presence, expression)
        is_found = reason is None
        shows_box = is_found or pointed.parameters.force
        located = Located(
            expression=pointed.parameters.expressions[number],
            found=is_found,
            score=_rounded(presence * quality),
            presence=_rounded(presence),
            quality=_rounded(quality),
            box=self._place(found.box[number], pointed.size) if shows_box else UNSET,
            reason=UNSET if reason is None else reason,
        )
        return msgspec.structs.replace(
            located,
            read=UNSET if expression.read is None else expression.read,
            unknown_words=list(dict.fromkeys(expression.unknown)) or UNSET,
        )

    def _absence(self, presence: float, expression: EncodedExpression) -> str | None:
        if not expression.is_known:
            return f"{self.model} knows none of the words."
        if presence < self._absent_below:
            return f"The photo seems not to show it: presence {presence:.3f}; {self._absent_below:.3f} is enough."
        return None

    def _place(self, box: Floats, size: ImageSize) -> Box:
        """From centre and sides in the square to the part of the photo."""
        x, y, width, height = np.asarray(box, np.float64).tolist()
        square = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        left, top, right, bottom = from_canvas(square, size.width, size.height, self.need_px)
        return Box(*(round(value, BOX_DIGITS) for value in (left, top, right - left, bottom - top)))


def _sigmoid(logits: npt.NDArray[np.float64]) -> tuple[float, float]:
    presence, quality = (1 / (1 + np.exp(-np.clip(logits, -60, 60)))).tolist()
    return presence, quality


def _rounded(probability: float) -> float:
    return round(probability, PROBABILITY_DIGITS)


def _draw(photo: Encoded, answer: GroundAnswer) -> bytes:
    from service.drawing import draw_grounding  # only where somebody looks

    return draw_grounding(photo, answer)
