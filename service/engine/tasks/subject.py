"""Subject: classify what an expression means in a larger scene, such as the bird on the left.

The grounding model finds the box, the box is cut out of the photo, and the classifier that the request names answers for it
as for any photo. Boxes of its explanation are placed back on the whole photo. Where the photo does not show what the words
mean there is no subject to classify.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from models.cutting import cut_photo, widen
from models.preprocess import ImageError
from service.answers import Box, ClassifyAnswer, EvidenceMap, Explanation, ImageSize, Parameters
from service.catalog import AUTO
from service.engine.curve import LatencyCurve
from service.engine.tasks.base import Finished
from service.engine.tasks.classifier import RUN_LIMIT
from service.engine.tasks.look import PhotoPlan
from service.engine.tasks.photos import BOX_DIGITS, Encoded
from service.errors import FieldmarkError, NoKnownSubject, NotFound, UnprocessableImage
from service.replies import GroundAnswer, Located

Cut = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Sought:
    """One request: what the grounding's plan made of it, and how the subject is to be classified."""

    encoded: Encoded
    ground: PhotoPlan
    pointed: Any
    classify: PhotoPlan
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Recognised:
    """A subject that was found: its box, what was cut out for it, and what the classifier says of that."""

    located: Located
    size: ImageSize
    cut: Cut
    asked: Any
    inferred: Any


class SubjectPlan:
    """Classifies named subjects by `plans`, which maps routes to theirs; the parts of a request name its two."""

    def __init__(self, route: str, plans: Mapping[str, PhotoPlan]) -> None:
        self.route = route
        self.model = AUTO
        self.batch_wait_ms = 0.0
        self.curve = LatencyCurve({1: 2 * max(plan.curve.predict_ms(1) for plan in plans.values())}, RUN_LIMIT)
        self._plans = plans

    def prepare(self, photos: Sequence[Encoded], parameters: Parameters) -> Sought:
        """Prepare the grounding.

        Raises:
            NotFound: a part has no route here.
            UnsupportedMedia, UnprocessableImage: the photo cannot be decoded.
        """
        ground, classify = (self._plans.get(part.route) for part in parameters.parts)
        if ground is None or classify is None:
            raise NotFound("A part of the request has no route here.")
        find, name = (part.parameters for part in parameters.parts)
        return Sought(photos[0], ground, ground.prepare(photos[:1], find), classify, name)

    def infer(self, batch: Sequence[Sought]) -> list[Recognised | FieldmarkError]:
        """Find each subject and classify it; who cannot be answered has its error in its place."""
        return [_recognise(sought) for sought in batch]

    def finish(self, prepared: Sought, inferred: Recognised | FieldmarkError) -> Finished[ClassifyAnswer]:
        """Make the answer to one request.

        Raises:
            NoKnownSubject: the photo does not show what the words mean, or its subject is nothing that is served.
            InvalidParameter: none of the candidates is known.
        """
        if isinstance(inferred, FieldmarkError):
            raise inferred
        finished = prepared.classify.finish(inferred.asked, inferred.inferred)
        answer = _place(finished.answer, inferred)
        picture = _draw(prepared.encoded, answer) if prepared.parameters.draw else None
        return Finished(answer, finished.model, finished.confidence, finished.is_uncertain, picture)


def _recognise(sought: Sought) -> Recognised | FieldmarkError:
    (found,) = sought.ground.infer([sought.pointed])
    grounding: GroundAnswer = sought.ground.finish(sought.pointed, found).answer
    located, size = grounding.results[0], grounding.image
    if not isinstance(located.box, Box) or not located.found:
        return NoKnownSubject(f"{located.expression[:100]!r} was not found. {located.reason}")
    box = located.box
    cut = widen((box.x, box.y, box.x + box.width, box.y + box.height), size.width, size.height)
    try:
        photo = cut_photo(sought.encoded, cut, sought.classify.need_px)
        asked = sought.classify.prepare_decoded([photo], [], msgspec.structs.replace(sought.parameters, draw=False))
    except ImageError as error:
        return UnprocessableImage(str(error))
    except FieldmarkError as error:
        return error
    (inferred,) = sought.classify.infer([asked])
    return Recognised(located, size, cut, asked, inferred)


def _place(answer: ClassifyAnswer, found: Recognised) -> ClassifyAnswer:
    """Put what was said of the part in terms of the whole photo."""
    explanation = answer.explanation
    if isinstance(explanation, Explanation):
        explanation = _place_explanation(explanation, found.cut)
    return msgspec.structs.replace(
        answer, image=found.size, explanation=explanation, box=found.located.box, score=found.located.score
    )


def _place_explanation(explanation: Explanation, cut: Cut) -> Explanation:
    regions, evidence = explanation.regions, explanation.map
    if isinstance(regions, list):
        regions = [msgspec.structs.replace(region, box=_shifted(region.box, cut)) for region in regions]
    if isinstance(evidence, EvidenceMap):
        whole = Box(0, 0, cut[2] - cut[0], cut[3] - cut[1])
        seen = evidence.box if isinstance(evidence.box, Box) else whole
        evidence = msgspec.structs.replace(evidence, box=_shifted(seen, cut))
    return msgspec.structs.replace(explanation, regions=regions, map=evidence)


def _shifted(box: Box, cut: Cut) -> Box:
    x, y = round(box.x + cut[0], BOX_DIGITS), round(box.y + cut[1], BOX_DIGITS)
    return msgspec.structs.replace(box, x=x, y=y)


def _draw(photo: Encoded, answer: ClassifyAnswer) -> bytes:
    from service.drawing import draw_answer  # only where somebody looks

    return draw_answer([photo], answer)
