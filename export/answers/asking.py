"""Questions with their photos as an answer graph takes them, and whether the file replies as the model does.

Owns the inputs, the samples of the self-check, and the comparison with torch. Where two cells are nearly as relevant
and one of them is kept, rounding decides which: such questions are left out of the comparison, as samples too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from export.answering import AnswerGraph
from export.parity import BATCHES, TOLERANCE, ParityError
from export.runtime import Graph, Ids, Outputs
from export.scores import sample_images
from models.hard_attention import AnswerOutput, HardAttention
from models.preprocess import Pixels, preprocess
from models.text.questions import QuestionVocabulary
from models.training.answering.lessons import Lessons
from models.training.answering.sights import FIT, Places
from models.training.answering.sources import Asked

PARITY_QUESTIONS = 16
#: How far the border of the choice must be from the nearest cell, as a share of its relevance.
_MARGIN = 1e-3
_SAMPLE_QUESTIONS = 40

Floats32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Questions:
    """Photos uint8 [n, S, S, 3], word ids int64 [n, T] and their mask f32 [n, T]."""

    images: Pixels
    tokens: Ids
    mask: Floats32

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice) -> Questions:
        return Questions(self.images[rows], self.tokens[rows], self.mask[rows])

    def feed(self) -> dict[str, npt.NDArray[np.generic]]:
        """The arrays by the names of the graph's inputs."""
        return {"image": self.images, "tokens": self.tokens, "token_mask": self.mask}

    def pick(self, rows: Places) -> Questions:
        """Some of the rows, in this order."""
        return Questions(self.images[rows], self.tokens[rows], self.mask[rows])


def read_questions(lessons: Lessons, rows: Places, material: Sequence[Asked], size_px: int) -> Questions:
    """Questions as serving would ask them: each photo decoded and fitted, or its drawn picture."""
    drawn = material[0].drawn
    if drawn is None:
        images = [preprocess(lessons.questions[row].path.read_bytes(), size_px, FIT)[0] for row in rows]
    else:
        photos = {photo: place for place, photo in enumerate(dict.fromkeys(one.photo for one in lessons.questions))}
        images = [drawn[photos[lessons.questions[row].photo]] for row in rows]
    return _ask(np.stack(images), [lessons.questions[row].text for row in rows], lessons.vocabulary)


def _ask(images: Pixels, texts: Sequence[str], vocabulary: QuestionVocabulary) -> Questions:
    encoded = [vocabulary.encode(text) for text in texts]
    return Questions(images, np.stack([one.tokens for one in encoded]), np.stack([one.mask for one in encoded]))


def sample_questions(model: HardAttention, lessons: Lessons, size_px: int) -> Questions:
    """Images made by code for a bundle's self-check, each with that question for which the kept cells are plainest."""
    texts = list(dict.fromkeys(one.text for one in lessons.questions))[:_SAMPLE_QUESTIONS]
    images = sample_images(size_px)
    chosen = []
    for image in images:
        asked = _ask(np.repeat(image[None], len(texts), 0), texts, lessons.vocabulary)
        chosen.append(texts[int(margins(model, _torch_answers(model, asked).relevance.numpy()).argmax())])
    return _ask(images, chosen, lessons.vocabulary)


def margins(model: HardAttention, relevance: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """How far the border of the choice is from the nearest cell for each question, as a share."""
    values = np.asarray(relevance, np.float64)
    shape = model.shape
    if shape.selection == "adahan":
        shares = np.exp(values - values.max(1, keepdims=True))
        return np.asarray(np.abs(shares / shares.mean(1, keepdims=True) - 1).min(1), np.float64)
    if shape.keep == shape.cells or not shape.has_fixed_count:
        return np.ones(len(values))
    ranked = -np.sort(-values, axis=1)
    return np.asarray(1 - ranked[:, shape.keep] / ranked[:, shape.keep - 1], np.float64)


@torch.inference_mode()
def _torch_answers(model: HardAttention, asked: Questions) -> AnswerOutput:
    return AnswerOutput(*AnswerGraph(model).eval()(*(torch.from_numpy(value) for value in asked.feed().values())))


def check_answers(model: HardAttention, graph: Graph, asked: Questions) -> dict[str, float]:
    """The largest difference from torch by output, at several batch sizes, as a share of the largest value above 1.

    Raises:
        ParityError: a difference is more than rounding explains, or there is no question whose cells are settled.
    """
    expected = {name: value.numpy() for name, value in _torch_answers(model, asked)._asdict().items()}
    settled = margins(model, expected["relevance"]) > _MARGIN
    if not settled.any():
        raise ParityError(f"of {len(asked)} questions there is none whose kept cells are settled")
    largest: dict[str, float] = {}
    for batch in BATCHES:
        for start in range(0, len(asked) - batch + 1, batch):
            rows = slice(start, start + batch)
            found = graph(asked[rows])
            for name, difference in _differences(expected, found, rows, settled).items():
                largest[name] = max(largest.get(name, 0.0), difference)
    for name, difference in largest.items():
        if not difference <= TOLERANCE:
            raise ParityError(f"{name} differs from torch by {difference:.2e}; at most {TOLERANCE:.0e} is rounding")
    return largest


def _differences(expected: Outputs, found: Outputs, rows: slice, settled: npt.NDArray[np.bool_]) -> dict[str, float]:
    kept = settled[rows]
    return {
        name: float(np.abs(found[name] - values[rows])[kept].max(initial=0.0)) / max(1.0, float(np.abs(values).max()))
        for name, values in expected.items()
    }
