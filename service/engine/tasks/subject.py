"""Subject: classify what was found in a larger scene first, such as the bird on the left.

A grounding model finds what an expression means, or a detector the surest subject of the domain; the box is cut out of the
photo, and the classifier that the request names answers for it as for any photo. Boxes of its explanation are placed back on
the whole photo. Where the photo does not show what words mean there is no subject to classify; where a detector proposes
nothing the whole photo is classified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from models.cutting import FINER, cut, widen
from models.preprocess import Photo
from service.answers import Box, ClassifyAnswer, EvidenceMap, Explanation, ImageSize, Parameters
from service.catalog import AUTO
from service.engine.backends.providers import RUN_LIMIT
from service.engine.curve import LatencyCurve
from service.engine.tasks.base import Finished
from service.engine.tasks.look import PhotoPlan
from service.engine.tasks.photos import BOX_DIGITS, Encoded, decode_photos
from service.errors import FieldmarkError, NoKnownSubject, NotFound
from service.replies import GroundAnswer, Proposals

Cut = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Sought:
    """One request: what the plan that finds made of it, and how what is found is to be classified; `domain` if known.

    `photo` is decoded finely enough to cut subjects out of it.
    """

    encoded: Encoded
    photo: Photo
    find: PhotoPlan
    pointed: Any
    classify: PhotoPlan
    parameters: Parameters
    domain: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """Where the subject is, and how surely; `is_alone` where a detector saw no other, so that the scene tells of it, too."""

    box: Box
    score: float
    is_alone: bool = False


@dataclass(frozen=True, slots=True)
class Recognised:
    """A photo with what the classifier says; `found` and `cut` tell which part of it that is about, None: all of it."""

    found: Found | None
    size: ImageSize
    cut: Cut | None
    asked: Any
    inferred: Any


class SubjectPlan:
    """Classifies what was found, by `plans`, which maps routes to theirs; the parts of a request name its two.

    `domains` maps classify routes to their domain, where they have one.
    """

    def __init__(self, route: str, plans: Mapping[str, PhotoPlan], domains: Mapping[str, str]) -> None:
        self.route = route
        self.model = AUTO
        self.batch_wait_ms = 0.0
        self.curve = LatencyCurve({1: 2 * max(plan.curve.predict_ms(1) for plan in plans.values())}, RUN_LIMIT)
        self._plans = plans
        self._domains = domains

    def prepare(self, photos: Sequence[Encoded], parameters: Parameters) -> Sought:
        """Prepare the finding.

        Raises:
            NotFound: a part has no route here.
            UnsupportedMedia, UnprocessableImage: the photo cannot be decoded.
        """
        return seek(self._plans, self._domains, photos, parameters)

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
        finished = answer_of(prepared, inferred)
        return msgspec.structs.replace(
            finished, picture=_draw(prepared.encoded, finished.answer) if prepared.parameters.draw else None
        )


def seek(
    plans: Mapping[str, PhotoPlan], domains: Mapping[str, str], photos: Sequence[Encoded], parameters: Parameters
) -> Sought:
    """Decode the photo once, for the finding and for what is cut out, and prepare the finding.

    Raises:
        NotFound: a part has no route here.
        UnsupportedMedia, UnprocessableImage: the photo cannot be decoded.
    """
    first, second = parameters.parts
    find, classify = plans.get(first.route), plans.get(second.route)
    if find is None or classify is None:
        raise NotFound("A part of the request has no route here.")
    decoded = decode_photos(photos[:1], max(find.need_px, FINER * classify.need_px))
    pointed = find.prepare_decoded(decoded, photos[:1], first.parameters)
    return Sought(photos[0], decoded[0], find, pointed, classify, second.parameters, domains.get(second.route))


def look_for(sought: Sought) -> Any:
    """What the plan that finds says: a `GroundAnswer` or `Proposals`."""
    (inferred,) = sought.find.infer([sought.pointed])
    return sought.find.finish(sought.pointed, inferred).answer


def recognise(sought: Sought, found: Found | None) -> Recognised | FieldmarkError:
    """Classify what was found, or the whole photo."""
    photo = sought.photo
    part = None if found is None else widen(_corners(found.box), photo.width, photo.height)
    try:
        asked = _ask(sought, part, found is not None and found.is_alone)
    except FieldmarkError as error:
        return error
    (inferred,) = sought.classify.infer([asked])
    return Recognised(found, ImageSize(photo.width, photo.height), part, asked, inferred)


def answer_of(sought: Sought, recognised: Recognised) -> Finished[ClassifyAnswer]:
    """The classifier's answer, with what it says of a part put in terms of the whole photo.

    Raises:
        FieldmarkError: what was inferred allows none.
    """
    finished = sought.classify.finish(recognised.asked, recognised.inferred)
    return msgspec.structs.replace(finished, answer=_place(finished.answer, recognised))


def _recognise(sought: Sought) -> Recognised | FieldmarkError:
    found = _choose(look_for(sought), sought.domain)
    return found if isinstance(found, FieldmarkError) else recognise(sought, found)


def _choose(told: GroundAnswer | Proposals, domain: str | None) -> Found | FieldmarkError | None:
    """What is to be classified; None is the whole photo."""
    if isinstance(told, Proposals):
        fitting = [proposal for proposal in told.subjects if domain in (None, proposal.domain)]
        return Found(fitting[0].box, fitting[0].score, len(fitting) == 1) if fitting else None
    (located,) = told.results
    if located.found and isinstance(located.box, Box):
        return Found(located.box, located.score)
    return NoKnownSubject(f"{located.expression[:100]!r} was not found. {located.reason}")


def _ask(sought: Sought, part: Cut | None, is_alone: bool) -> Any:
    parameters = msgspec.structs.replace(sought.parameters, draw=False)
    if part is None:  # as any other photo, bit for bit
        return sought.classify.prepare([sought.encoded], parameters)
    photo = cut(sought.photo, part, sought.classify.need_px)
    if is_alone:
        photo = replace(photo, scene=sought.photo)
    return sought.classify.prepare_decoded([photo], [], parameters)


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.x + box.width, box.y + box.height


def _place(answer: ClassifyAnswer, found: Recognised) -> ClassifyAnswer:
    """Put what was said of the part in terms of the whole photo."""
    if found.found is None or found.cut is None:
        return answer
    explanation = answer.explanation
    if isinstance(explanation, Explanation):
        explanation = _place_explanation(explanation, found.cut)
    return msgspec.structs.replace(
        answer, image=found.size, explanation=explanation, box=found.found.box, score=found.found.score
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
