"""The stored graphs of a grounding model at work: as a grounder of the evaluation, against torch, and by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from export.grounding.storage import FILES
from export.parity import BATCHES, ParityError
from export.runtime import Graph, Outputs, measure
from models.canvas import visible_cells
from models.evaluation.grounding.answers import Located, in_photo
from models.layers.grains import CELL_PX
from models.preprocess import Pixels, decode, fit_pixels
from models.referring import Referring
from models.sections import LatencyRow
from models.text.expressions import PieceVocabulary

#: Largest difference from torch that rounding explains.
TOLERANCES = {"features": 1e-4, "box": 1e-5, "conf": 1e-4}

Arrays = dict[str, npt.NDArray[np.generic]]


class Fed:
    """Arrays by the names of a graph's inputs, with as many rows each."""

    def __init__(self, **arrays: npt.NDArray[np.generic]) -> None:
        self._arrays = arrays

    def __getitem__(self, rows: slice) -> Fed:
        return Fed(**{name: values[rows] for name, values in self._arrays.items()})

    def feed(self) -> Arrays:
        """As `export.runtime.Feed`."""
        return self._arrays


@dataclass(frozen=True, slots=True)
class Asked:
    """Photos uint8 [n, S, S, 3] with an expression each, as both graphs take them."""

    image: Pixels
    tokens: npt.NDArray[np.int64]
    token_mask: npt.NDArray[np.float32]
    cell_mask: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, rows: slice) -> Asked:
        return Asked(self.image[rows], self.tokens[rows], self.token_mask[rows], self.cell_mask[rows])

    @property
    def words(self) -> Arrays:
        """What `fuse` takes besides the features."""
        return {"tokens": self.tokens, "token_mask": self.token_mask, "cell_mask": self.cell_mask}


class Graphs:
    """Both graphs of a folder; a grounder."""

    def __init__(self, folder: Path, words: PieceVocabulary, size_px: int) -> None:
        self.vision = Graph(folder / FILES["vision"])
        self.fuse = Graph(folder / FILES["fuse"])
        self.words = words
        self.size_px = size_px

    def __call__(self, photo: Path, texts: Sequence[str]) -> Located:
        """As `models.evaluation.grounding.answers.Grounder`."""
        seen = decode(photo.read_bytes(), self.size_px)
        asked = prepare([photo] * len(texts), texts, self.words, self.size_px)
        features = self.vision(Fed(image=asked.image[:1]))["features"]
        found = self.fuse(Fed(features=np.repeat(features, len(texts), 0), **asked.words))
        box = np.asarray(found["box"], np.float64)
        sides = np.concatenate([box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2], 1)
        return Located(in_photo(sides, seen.width, seen.height, self.size_px), np.asarray(found["conf"], np.float64))

    def run(self, asked: Asked) -> Outputs:
        """Every output for photos with an expression each."""
        seen = self.vision(Fed(image=asked.image))
        return seen | self.fuse(Fed(**seen, **asked.words))


def prepare(photos: Sequence[Path], texts: Sequence[str], words: PieceVocabulary, size_px: int) -> Asked:
    """Photos and expressions as serving prepares them."""
    images: list[Pixels] = []
    masks: list[npt.NDArray[np.float32]] = []
    for path in photos:
        seen = decode(path.read_bytes(), size_px)
        images.append(fit_pixels(seen.pixels, size_px, "letterbox", (seen.width, seen.height)))
        masks.append(visible_cells(seen.width, seen.height, size_px, CELL_PX))
    encoded = [words.encode(text) for text in texts]
    tokens, mask = np.stack([one.tokens for one in encoded]), np.stack([one.mask for one in encoded])
    return Asked(np.stack(images), tokens, mask, np.stack(masks))


@torch.inference_mode()
def check_parity(model: Referring, graphs: Graphs, asked: Asked) -> dict[str, float]:
    """The largest difference from torch by output, at several batch sizes; the model has the weights that are stored.

    Raises:
        ParityError: one is above its tolerance, or a row depends on its neighbours by half of that.
    """
    image = torch.from_numpy(asked.image).permute(0, 3, 1, 2).float()
    features = model.vision(image)
    words = (torch.from_numpy(values) for values in (asked.tokens, asked.token_mask, asked.cell_mask))
    found = model.fuse(features, *words)
    expected = {"features": features.numpy(), "box": found.box.numpy(), "conf": found.conf.numpy()}
    largest = dict.fromkeys(expected, 0.0)
    alone = [graphs.run(asked[row : row + 1]) for row in range(len(asked))]
    for batch in BATCHES:
        for start in range(0, len(asked) - batch + 1, batch):
            got = graphs.run(asked[start : start + batch])
            for name, values in expected.items():
                difference = float(np.abs(got[name] - values[start : start + batch]).max())
                largest[name] = max(largest[name], difference)
                single = np.concatenate([alone[row][name] for row in range(start, start + batch)])
                if not np.abs(got[name] - single).max() <= TOLERANCES[name] / 2:
                    raise ParityError(f"a photo's {name} changes with the others in its batch")
    for name, difference in largest.items():
        if not difference <= TOLERANCES[name]:
            raise ParityError(
                f"{name} differs from torch by {difference:.2e}; at most {TOLERANCES[name]:.0e} is rounding"
            )
    return largest


def time_graphs(graphs: Graphs, asked: Asked) -> dict[str, LatencyRow]:
    """Median time of one photo through `vision` and one expression through `fuse`, one thread."""
    seen = graphs.vision(Fed(image=asked.image[:1]))
    (vision,) = measure(graphs.vision, (1,), Fed(image=asked.image[:1]))
    (fuse,) = measure(graphs.fuse, (1,), Fed(**seen, **asked[0:1].words))
    return {"vision": vision, "fuse": fuse}
