"""Classify: which classes a photo shows, by the bundle that the request's text and parameters choose.

A domain's route has its default bundle and perhaps one that reads texts: a text with a phrase that the latter knows is
answered by it, any other request by the default, bit for bit as without a text (ARCHITECTURE.md, "HTTP": which model
answers). A named bundle's route has that bundle alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from models.preprocess import Photo
from service.answers import ClassifyAnswer, Parameters
from service.engine.bundle import Bundle
from service.engine.tasks.base import Finished
from service.engine.tasks.classifier import Case, Classifier, score_all
from service.engine.tasks.hearing import Heard, Hearing
from service.engine.tasks.photos import Encoded, decode_photos
from service.engine.tasks.reading import Scores
from service.errors import InvalidParameter


class Asked(msgspec.Struct, frozen=True):
    """One request, ready for the graphs.

    `checked` is the same photo for the default bundle, where the text is held against what it sees. `reason` says why a
    text is not used. `encoded` are the photos as they came, kept to be drawn on.
    """

    case: Case
    checked: Case | None = None
    heard: Heard | None = None
    reason: str | None = None
    encoded: Sequence[Encoded] = ()

    @property
    def cases(self) -> tuple[Case, ...]:
        """Everything to run."""
        return (self.case,) if self.checked is None else (self.case, self.checked)


class ClassifyPlan:
    """Classifies with a default bundle, or with `reader`, the one that reads texts."""

    def __init__(self, route: str, default: Bundle, reader: Bundle | None = None) -> None:
        self.route = route
        self.model = default.manifest.identity
        self.curve = default.curve
        self.batch_wait_ms = default.manifest.batch_wait_ms
        self._default = Classifier(default)
        self._named_reader = self._default if default.vocabulary is not None else None
        self._reader = self._named_reader or (Classifier(reader) if reader is not None else None)
        self._hearing = Hearing(self._reader.bundle) if self._reader is not None else None
        self._is_checked = (
            self._hearing is not None and self._reader is not self._default and self._hearing.is_checked(default)
        )
        self.need_px = max(classifier.size_px for classifier in (self._default, self._reader or self._default))

    def prepare(self, photos: Sequence[Encoded], parameters: Parameters) -> Asked:
        """Choose the bundle and decode the photos of one request for it.

        Raises:
            UnsupportedMedia, UnprocessableImage: a photo cannot be decoded.
            InvalidParameter: none of the candidates is known, or a bundle that reads texts was named without one.
        """
        if parameters.text is None and self._named_reader is None and not parameters.draw:
            return Asked(self._default.case(decode_photos(photos, self._default.size_px), parameters))
        heard = self._hear(parameters.text)
        is_read = heard is not None and heard.is_known
        need_px = self._default.size_px
        if is_read and self._reader is not None:
            need_px = self.need_px if self._is_checked else self._reader.size_px
        return self._ask(decode_photos(photos, need_px), photos, parameters, heard)

    def prepare_decoded(self, photos: Sequence[Photo], encoded: Sequence[Encoded], parameters: Parameters) -> Asked:
        """Choose the bundle for photos that are decoded to at least `need_px`.

        Raises:
            InvalidParameter: as `prepare`.
        """
        return self._ask(photos, encoded, parameters, self._hear(parameters.text))

    def infer(self, batch: Sequence[Asked]) -> list[tuple[Scores, ...]]:
        """Run the graphs that these requests need."""
        scores = score_all([case for asked in batch for case in asked.cases])
        if len(scores) == len(batch):
            return [(one,) for one in scores]
        of_cases = iter(scores)
        return [tuple(next(of_cases) for _ in asked.cases) for asked in batch]

    def finish(self, prepared: Asked, inferred: tuple[Scores, ...]) -> Finished[ClassifyAnswer]:
        """Make the answer to one request."""
        case = prepared.case
        answer = case.classifier.answer(case, inferred[0])
        confidence, is_uncertain = answer.predictions[0].probability, answer.uncertain is True
        if case.parameters.text is not None:
            answer = self._tell_of_text(answer, prepared, inferred)
        picture = _draw(prepared.encoded, answer) if case.parameters.draw else None
        return Finished(answer, case.classifier.identity, confidence, is_uncertain, picture)

    def _hear(self, text: str | None) -> Heard | None:
        heard = self._hearing.hear(text) if self._hearing is not None and text is not None else None
        if self._named_reader is None or (heard is not None and heard.is_known):
            return heard
        if heard is None or self._hearing is None:
            raise InvalidParameter(f"Model {self.model} reads a text with the photo: send one as text=.")
        raise InvalidParameter(f"Model {self.model} needs a text that it knows. {self._hearing.reason(heard)}")

    def _ask(
        self, photos: Sequence[Photo], encoded: Sequence[Encoded], parameters: Parameters, heard: Heard | None
    ) -> Asked:
        kept = encoded if parameters.draw else ()
        if heard is None or self._hearing is None or self._reader is None:
            reason = f"{self.model} reads no text; it answered by the photo alone."
            return Asked(self._default.case(photos, parameters), reason=reason, encoded=kept)
        if not heard.is_known:
            reason = self._hearing.reason(heard)
            return Asked(self._default.case(photos, parameters), None, heard, reason, kept)
        seen = Parameters()  # what is held against the text needs no more than probabilities
        checked = self._default.case(photos, seen) if self._is_checked else None
        return Asked(self._reader.case(photos, parameters, heard), checked, heard, None, kept)

    def _tell_of_text(self, answer: ClassifyAnswer, prepared: Asked, inferred: tuple[Scores, ...]) -> ClassifyAnswer:
        conflict: bool | UnsetType = UNSET
        if prepared.checked is not None and prepared.heard is not None and self._hearing is not None:
            seen = self._default.probabilities(inferred[1])
            conflict = self._hearing.is_conflict(prepared.heard, seen)
        return msgspec.structs.replace(
            answer,
            text_used=prepared.reason is None,
            text_reason=UNSET if prepared.reason is None else prepared.reason,
            text_conflict=conflict,
            phrases=UNSET if prepared.heard is None else prepared.heard.phrases,
        )


def _draw(photos: Sequence[Encoded], answer: ClassifyAnswer) -> bytes:
    from service.drawing import draw_answer  # only where somebody looks

    return draw_answer(photos, answer)
