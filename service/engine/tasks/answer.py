"""Answer: what a photo says to a question, by a bundle that reads only the cells that matter to it.

The kept cells leave with every answer: the graph chose them and read nothing else (`models/hard_attention.py`). Below the
bundle's threshold the answer is `uncertain`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UNSET, UnsetType

from models import calibration
from models.preprocess import Photo, Pixels, fit_pixels
from models.text.questions import EncodedQuestion, QuestionVocabulary, question_words
from service.answers import EvidenceMap, ImageSize, ModelRef, Parameters
from service.engine.backends.base import Array, EngineError
from service.engine.backends.providers import RUN_LIMIT
from service.engine.bundle import Bundle
from service.engine.tasks.base import Finished
from service.engine.tasks.photos import Encoded, decode_photos, frame_of
from service.engine.tasks.reading import PROBABILITY_DIGITS
from service.errors import InvalidParameter
from service.replies import Choice, QuestionAnswer

#: The outputs that explain.
CELLS = ("kept", "relevance")
OUTPUTS = ("logits", *CELLS)
EVIDENCE_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Questioned:
    """One request, ready for the graph: the photo as uint8 [S, S, 3], and the question's words."""

    pixels: Pixels
    size: ImageSize
    words: EncodedQuestion
    parameters: Parameters
    encoded: Encoded


class AnswerPlan:
    """Answers questions with one bundle."""

    def __init__(self, route: str, bundle: Bundle) -> None:
        manifest = bundle.manifest
        if not isinstance(bundle.words, QuestionVocabulary):
            raise TypeError(f"{manifest.identity} answers no questions")
        self.route = route
        self.model = manifest.identity
        self.curve = bundle.curve
        self.batch_wait_ms = manifest.batch_wait_ms
        self.need_px = manifest.image.size_px
        self._session = bundle.session
        self._words = bundle.words
        self._known = frozenset(bundle.words.words)
        self._image = manifest.image
        self._answers = [label.label for label in bundle.labels]
        self._fitted = manifest.calibration
        self._ref = ModelRef(manifest.name, manifest.version, manifest.system)

    def prepare(self, photos: Sequence[Encoded], parameters: Parameters) -> Questioned:
        """Read the question and decode the photo.

        Raises:
            InvalidParameter: no word of the question is known.
            UnsupportedMedia, UnprocessableImage: the photo cannot be decoded.
        """
        words = self._hear(parameters)
        return self._ask(decode_photos(photos[:1], self.need_px)[0], photos[0], words, parameters)

    def prepare_decoded(
        self, photos: Sequence[Photo], encoded: Sequence[Encoded], parameters: Parameters
    ) -> Questioned:
        """Take a photo that is decoded to at least `need_px`.

        Raises:
            InvalidParameter: as `prepare`.
        """
        return self._ask(photos[0], encoded[0], self._hear(parameters), parameters)

    def infer(self, batch: Sequence[Questioned]) -> list[dict[str, Array]]:
        """Run the graph on all questions, each with its photo."""
        rows = []
        for start in range(0, len(batch), RUN_LIMIT):
            part = batch[start : start + RUN_LIMIT]
            inputs: dict[str, Array] = {
                "image": np.stack([asked.pixels for asked in part]),
                "tokens": np.stack([asked.words.tokens for asked in part]),
                "token_mask": np.stack([asked.words.mask for asked in part]),
            }
            results = self._session.run(inputs, OUTPUTS)
            if not np.isfinite(np.asarray(results["logits"], np.float64)).all():
                raise EngineError(f"{self.model} answered with NaN or infinity")
            rows += [{name: results[name][row] for name in OUTPUTS} for row in range(len(part))]
        return rows

    def finish(self, prepared: Questioned, inferred: dict[str, Array]) -> Finished[QuestionAnswer]:
        """Make the answer to one request."""
        probabilities = calibration.softmax(inferred["logits"], self._fitted.temperature)
        order = calibration.ranked(probabilities)[: prepared.parameters.top_k].tolist()
        best = float(probabilities[order[0]])
        uncertain, reason = self._judge(best)
        answer = QuestionAnswer(
            self._ref,
            prepared.parameters.question or "",
            [Choice(self._answers[index], round(float(probabilities[index]), PROBABILITY_DIGITS)) for index in order],
            self._map(inferred["kept"], prepared.size),
            prepared.size,
            relevance=self._map(inferred["relevance"], prepared.size) if prepared.parameters.explain else UNSET,
            uncertain=uncertain,
            reason=reason,
        )
        answer = self._tell_of_words(answer, prepared.words)
        picture = _draw(prepared.encoded, answer) if prepared.parameters.draw else None
        return Finished(answer, self.model, best, uncertain is True, picture)

    def _hear(self, parameters: Parameters) -> EncodedQuestion:
        words = self._words.encode(parameters.question or "")
        if not words.known:
            raise InvalidParameter(f"question has no word that {self.model} knows; ask in English.")
        return words

    def _ask(self, photo: Photo, encoded: Encoded, words: EncodedQuestion, parameters: Parameters) -> Questioned:
        size = (photo.width, photo.height)
        pixels = fit_pixels(photo.pixels, self.need_px, self._image.fit, size)
        return Questioned(pixels, ImageSize(*size), words, parameters, encoded if parameters.draw else b"")

    def _tell_of_words(self, answer: QuestionAnswer, words: EncodedQuestion) -> QuestionAnswer:
        read = question_words(answer.question)[: self._words.length]
        unknown = [word for word in dict.fromkeys(read) if word not in self._known]
        return msgspec.structs.replace(
            answer, read=" ".join(read) if words.is_cut else UNSET, unknown_words=unknown or UNSET
        )

    def _judge(self, best: float) -> tuple[bool | UnsetType, str | UnsetType | None]:
        least = self._fitted.uncertain_below
        if least is None:
            return UNSET, UNSET
        if best >= least:
            return False, None
        return True, f"the best answer has probability {best:.3f}; {least:.3f} is certain enough"

    def _map(self, cells: Array, size: ImageSize) -> EvidenceMap:
        """Cells [N] on the photo, in 0..1 of the largest."""
        side = math.isqrt(len(cells))
        values: npt.NDArray[np.float64] = np.asarray(cells, np.float64)
        shares = (values / max(float(values.max()), np.finfo(np.float64).tiny)).round(EVIDENCE_DIGITS)
        box = frame_of(size.width, size.height, self._image).whole()
        return EvidenceMap(side, side, shares.tolist(), UNSET if box is None else box)


def _draw(photo: Encoded, answer: QuestionAnswer) -> bytes:
    from service.drawing import draw_kept  # only where somebody looks

    return draw_kept(photo, answer)
