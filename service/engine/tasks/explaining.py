"""What a model looked at: the explanation parts of its graph's outputs, placed on the photo.

Each system has its own outputs (ARCHITECTURE.md, "Graphs"); which of them a bundle brings says its manifest. Owns their
shapes in the answer. Whether they tell the truth about the model is measured by the evaluation, and stands in the card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from msgspec import UNSET, UnsetType

from models.manifest import Manifest
from service.answers import EvidenceMap, Explanation, PhraseWeight, Region
from service.engine.backends.base import Array
from service.engine.tasks.photos import Frame

#: The outputs that explain, of all systems.
PARTS = ("activation", "stage_block", "stage_weight", "phrase_weight", "region", "peaks", "attention")
#: Side of a PMA block: 2 x 2 cells of a feature map at stride 16 (Song et al., IEEE TIP 2020, at the reduced grid).
BLOCK_PX = 32
WEIGHT_DIGITS = 3
#: A peak's region is where its attention is above half of its height.
HALF = 0.5

Floats = npt.NDArray[np.float64]


class Explaining:
    """Reads the explanation of one bundle's outputs."""

    def __init__(self, manifest: Manifest) -> None:
        self.outputs = tuple(output.name for output in manifest.outputs if output.name in PARTS)
        self._system = manifest.system
        self._size_px = manifest.image.size_px
        self._faithful: bool | UnsetType = manifest.explanation.faithful if manifest.explanation else UNSET

    def explain(self, parts: Mapping[str, Array], frame: Frame, phrases: Sequence[str]) -> Explanation:
        """Explain one photo by its row of each output; `phrases` are those that the graph was told, in order."""
        regions = [
            *self._stages(parts, frame, phrases),
            *_zoom(parts, frame),
            *_peaks(parts, frame),
        ]
        return Explanation(self._system, self._faithful, regions or UNSET, _evidence(parts, frame))

    def _stages(self, parts: Mapping[str, Array], frame: Frame, phrases: Sequence[str]) -> list[Region]:
        """PMA: the block that each stage located, and the phrases that it tied to the block."""
        if "stage_block" not in parts:
            return []
        across = self._size_px // BLOCK_PX
        side = BLOCK_PX / self._size_px
        blocks: list[int] = parts["stage_block"].tolist()
        weights = np.asarray(parts.get("stage_weight", np.ones(len(blocks))), np.float64)
        tied = np.asarray(parts["phrase_weight"], np.float64) if "phrase_weight" in parts and phrases else None
        return [
            Region(
                "stage",
                frame.place(block % across * side, block // across * side, side, side),
                stage=stage + 1,
                weight=_weight(weights[stage]),
                phrases=UNSET if tied is None else _weigh(phrases, tied[stage]),
            )
            for stage, block in enumerate(blocks)
        ]


def _weigh(phrases: Sequence[str], weights: Floats) -> list[PhraseWeight]:
    """Phrases with their weights, the strongest first; those that a stage left out are left out."""
    order = np.argsort(-weights[: len(phrases)], kind="stable").tolist()
    told = [PhraseWeight(phrases[index], _weight(weights[index])) for index in order]
    return [phrase for phrase in told if phrase.weight > 0]


def _zoom(parts: Mapping[str, Array], frame: Frame) -> list[Region]:
    """RAMS-Trans: the region that it enlarges."""
    if "region" not in parts:
        return []
    x, y, width, height = np.asarray(parts["region"], np.float64).tolist()
    return [Region("zoom", frame.place(x, y, width, height))]


def _peaks(parts: Mapping[str, Array], frame: Frame) -> list[Region]:
    """S3N: where the attention of the strongest and of the weakest peak is high."""
    if "peaks" not in parts or "attention" not in parts:
        return []
    regions = []
    maps = np.asarray(parts["attention"], np.float64)
    peaks = np.asarray(parts["peaks"], np.float64)
    for kind, (x, y, value, is_valid), attention in zip(("discriminative", "complementary"), peaks, maps, strict=True):
        if is_valid > HALF:
            box = frame.place(*_high_part(attention, x, y))
            regions.append(Region(kind, box, weight=_weight(value)))  # type: ignore[arg-type]
    return regions


def _high_part(attention: Floats, x: float, y: float) -> tuple[float, float, float, float]:
    """The box around a peak at x, y in 0..1 where the map [G, G] is above half of its height over its base.

    The first and last cells lie on the edges of the image, so cell k stands at k / (G - 1).
    """
    last = len(attention) - 1
    row, column = round(y * last), round(x * last)
    base = attention.min()
    least = base + HALF * (attention[row, column] - base)
    left, right = _reach(attention[row] >= least, column)
    top, bottom = _reach(attention[:, column] >= least, row)
    begin_x, begin_y = max(0.0, (left - HALF) / last), max(0.0, (top - HALF) / last)
    end_x, end_y = min(1.0, (right + HALF) / last), min(1.0, (bottom + HALF) / last)
    return begin_x, begin_y, end_x - begin_x, end_y - begin_y


def _reach(is_high: npt.NDArray[np.bool_], start: int) -> tuple[int, int]:
    """First and last index of the run of true values around `start`."""
    first = last = start
    while first > 0 and is_high[first - 1]:
        first -= 1
    while last + 1 < len(is_high) and is_high[last + 1]:
        last += 1
    return first, last


def _evidence(parts: Mapping[str, Array], frame: Frame) -> EvidenceMap | UnsetType:
    """The map of a plain model or a student, or the attention of S3N's strongest peak; each as shares of its maximum."""
    if "activation" in parts:
        evidence = np.maximum(parts["activation"].astype(np.float64), 0)
    elif "attention" in parts:
        evidence = parts["attention"][0].astype(np.float64)
        evidence = evidence - evidence.min()
    else:
        return UNSET
    top = float(evidence.max())
    shares = evidence / top if top > 0 else evidence
    rows, columns = evidence.shape
    values = [round(value, WEIGHT_DIGITS) for value in shares.ravel().tolist()]
    whole = frame.whole()
    return EvidenceMap(rows, columns, values, UNSET if whole is None else whole)


def _weight(value: float) -> float:
    return round(float(value), WEIGHT_DIGITS)
