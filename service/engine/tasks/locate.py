"""Locate: where a photo shows subjects of the served domains, by a detector.

The graph gives a box and the scores of its classes for each place of its grids; here the weak ones are dropped, and of boxes
that overlap the strongest is kept. The label table says to which domain a class belongs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.canvas import from_canvas
from models.preprocess import Photo, Pixels, fit_pixels
from service.answers import Box, ImageSize, ModelRef, Parameters
from service.engine.backends.base import Array
from service.engine.backends.providers import RUN_LIMIT
from service.engine.bundle import Bundle
from service.engine.tasks.base import Finished
from service.engine.tasks.photos import BOX_DIGITS, Encoded, decode_photos
from service.engine.tasks.reading import PROBABILITY_DIGITS
from service.replies import Proposal, Proposals

OUTPUTS = ("boxes", "scores")
#: What a proposal must score where a bundle does not say.
LEAST_SCORE = 0.3
#: Two boxes that share more of their union are of one subject.
OVERLAP_LIMIT = 0.5
CANDIDATES_LIMIT = 200
PROPOSALS_LIMIT = 20

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Framed:
    """One request: the photo as the graph takes it, uint8 [S, S, 3], and its size."""

    pixels: Pixels
    size: ImageSize


class LocatePlan:
    """Proposes boxes with one bundle."""

    def __init__(self, route: str, bundle: Bundle) -> None:
        manifest = bundle.manifest
        self.route = route
        self.model = manifest.identity
        self.curve = bundle.curve
        self.batch_wait_ms = manifest.batch_wait_ms
        self.need_px = manifest.image.size_px
        self._session = bundle.session
        self._fit = manifest.image.fit
        self._labels = bundle.labels
        least = manifest.calibration.absent_below
        self._least = LEAST_SCORE if least is None else least
        self._ref = ModelRef(manifest.name, manifest.version, manifest.system)

    def prepare(self, photos: Sequence[Encoded], parameters: Parameters) -> Framed:
        """Decode the photo.

        Raises:
            UnsupportedMedia, UnprocessableImage: it cannot be decoded.
        """
        return self.prepare_decoded(decode_photos(photos[:1], self.need_px), photos, parameters)

    def prepare_decoded(self, photos: Sequence[Photo], encoded: Sequence[Encoded], parameters: Parameters) -> Framed:
        """Take a photo that is decoded to at least `need_px`."""
        photo = photos[0]
        size = (photo.width, photo.height)
        return Framed(fit_pixels(photo.pixels, self.need_px, self._fit, size), ImageSize(*size))

    def infer(self, batch: Sequence[Framed]) -> list[dict[str, Array]]:
        """Run the graph on the photos."""
        rows = []
        for start in range(0, len(batch), RUN_LIMIT):
            part = batch[start : start + RUN_LIMIT]
            found = self._session.run({"image": np.stack([framed.pixels for framed in part])}, OUTPUTS)
            rows += [{name: found[name][row] for name in OUTPUTS} for row in range(len(part))]
        return rows

    def finish(self, prepared: Framed, inferred: dict[str, Array]) -> Finished[Proposals]:
        """Choose the proposals, the surest first."""
        scores: Floats = np.nan_to_num(np.asarray(inferred["scores"], np.float64))
        best, classes = scores.max(1), scores.argmax(1)
        order = np.argsort(-best, kind="stable")[:CANDIDATES_LIMIT]
        strong = order[best[order] >= self._least]
        corners = _corners(np.asarray(inferred["boxes"], np.float64)[strong])
        proposals = [
            self._propose(corners[place], best[strong[place]], int(classes[strong[place]]), prepared.size)
            for place in keep_apart(corners)
        ]
        sure = [proposal for proposal in proposals if proposal.box.width >= 1 and proposal.box.height >= 1]
        return Finished(Proposals(self._ref, sure, prepared.size), self.model)

    def _propose(self, square: Floats, score: float, label: int, size: ImageSize) -> Proposal:
        edges = tuple(square.tolist())
        left, top, right, bottom = from_canvas(edges, size.width, size.height, self.need_px)
        box = Box(*(round(value, BOX_DIGITS) for value in (left, top, right - left, bottom - top)))
        named = self._labels[label]
        return Proposal(named.label, named.levels["domain"], round(float(score), PROBABILITY_DIGITS), box)


def keep_apart(corners: Floats) -> list[int]:
    """Of boxes [N, 4] in falling order of score, the places of those that no stronger one overlaps too much."""
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    kept: list[int] = []
    for place in range(len(corners)):
        low = np.maximum(corners[place, :2], corners[kept, :2])
        high = np.minimum(corners[place, 2:], corners[kept, 2:])
        shared = np.maximum(high - low, 0).prod(1)
        union = np.maximum(areas[place] + areas[kept] - shared, np.finfo(np.float64).tiny)
        if not (shared / union > OVERLAP_LIMIT).any():
            kept.append(place)
        if len(kept) == PROPOSALS_LIMIT:
            break
    return kept


def _corners(boxes: Floats) -> Floats:
    """Centres and sides [N, 4] as left, top, right, bottom."""
    halves = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - halves, boxes[:, :2] + halves], axis=1)
