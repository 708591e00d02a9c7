"""Auto: the photo itself decides which domain answers, by a router bundle.

One lane and one decode: the router runs first, then the bundle of the domain that it chose. A photo of nothing that is
served is refused, unless the caller wants an answer all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from models.calibration import Floats
from models.preprocess import Photo
from service.answers import ClassifyAnswer, DomainGuess, Parameters
from service.catalog import AUTO
from service.engine.backends.providers import RUN_LIMIT
from service.engine.bundle import Bundle
from service.engine.curve import LatencyCurve
from service.engine.samples import GPU_WARM_UP_BATCHES
from service.engine.tasks.base import Finished
from service.engine.tasks.classifier import Case, Classifier
from service.engine.tasks.classify import Asked, ClassifyPlan
from service.engine.tasks.photos import Encoded, decode_photos
from service.engine.tasks.reading import PROBABILITY_DIGITS, Scores
from service.errors import FieldmarkError, NoKnownSubject


class Undecided(msgspec.Struct, frozen=True):
    """A request whose domain is not known yet: decoded photos, and as the router takes them."""

    photos: Sequence[Photo]
    encoded: Sequence[Encoded]
    case: Case
    parameters: Parameters


class Decided(msgspec.Struct, frozen=True):
    """The domain that was chosen, and the request with its scores there."""

    guess: DomainGuess
    plan: ClassifyPlan
    asked: Asked
    scores: tuple[Scores, ...]


class AutoPlan:
    """Answers by the plan of the domain that the router sees in a photo; `plans` maps domains to theirs."""

    def __init__(self, route: str, router: Bundle, plans: Mapping[str, ClassifyPlan]) -> None:
        self.route = route
        self.model = AUTO
        self.curve = _curve(router, plans)
        self.batch_wait_ms = router.manifest.batch_wait_ms
        self._router = Classifier(router)
        self._labels = [label.class_id for label in router.labels]
        self._plans = plans
        self.need_px = max(self._router.size_px, *(plan.need_px for plan in plans.values()))

    def prepare(self, photos: Sequence[Encoded], parameters: Parameters) -> Undecided:
        """Decode the photos once, for the router and whatever comes after it.

        Raises:
            UnsupportedMedia, UnprocessableImage: a photo cannot be decoded.
        """
        return self.prepare_decoded(decode_photos(photos, self.need_px), photos, parameters)

    def prepare_decoded(self, photos: Sequence[Photo], encoded: Sequence[Encoded], parameters: Parameters) -> Undecided:
        """Take photos that are decoded to at least `need_px`; of a subject in a scene the router sees the subject alone."""
        kept = encoded if parameters.draw else ()
        alone = [photo if photo.scene is None else replace(photo, scene=None) for photo in photos]
        return Undecided(photos, kept, self._router.case(alone, Parameters()), parameters)

    def infer(self, batch: Sequence[Undecided]) -> list[Decided | FieldmarkError]:
        """Route all of them at once, then run each domain's own; who cannot be answered has its error in its place."""
        routed = self._router.score([undecided.case for undecided in batch])
        chosen = [
            self._choose(undecided, self._router.probabilities(scores))
            for undecided, scores in zip(batch, routed, strict=True)
        ]
        for plan in self._plans.values():
            places = [
                place for place, one in enumerate(chosen) if not isinstance(one, FieldmarkError) and one.plan is plan
            ]
            if places:
                scored = plan.infer([_decided(chosen[place]).asked for place in places])
                for place, scores in zip(places, scored, strict=True):
                    chosen[place] = msgspec.structs.replace(_decided(chosen[place]), scores=scores)
        return chosen

    def finish(self, prepared: Undecided, inferred: Decided | FieldmarkError) -> Finished[ClassifyAnswer]:
        """Make the answer to one request.

        Raises:
            NoKnownSubject: the photo shows nothing that is served.
            InvalidParameter: none of the candidates is known in its domain.
        """
        if isinstance(inferred, FieldmarkError):
            raise inferred
        finished = inferred.plan.finish(inferred.asked, inferred.scores)
        answer = msgspec.structs.replace(finished.answer, domain=inferred.guess)
        return msgspec.structs.replace(finished, answer=answer)

    def _choose(self, undecided: Undecided, probabilities: Floats) -> Decided | FieldmarkError:
        best = int(probabilities.argmax())
        if self._labels[best] not in self._plans:
            if not undecided.parameters.force:
                return self._refuse(self._labels[best], float(probabilities[best]))
            best = max(
                (index for index, label in enumerate(self._labels) if label in self._plans),
                key=lambda index: float(probabilities[index]),
            )
        name = self._labels[best]
        plan = self._plans[name]
        try:
            asked = plan.prepare_decoded(undecided.photos, undecided.encoded, undecided.parameters)
        except FieldmarkError as error:
            return error
        return Decided(DomainGuess(name, round(float(probabilities[best]), PROBABILITY_DIGITS)), plan, asked, ())

    def _refuse(self, label: str, probability: float) -> NoKnownSubject:
        served = ", ".join(self._plans)
        return NoKnownSubject(
            f"The photo seems to show {label} (probability {probability:.2f}); known here: {served}. Name a domain, or "
            "send force=true for the likeliest."
        )


def _curve(router: Bundle, plans: Mapping[str, ClassifyPlan]) -> LatencyCurve:
    """The router's time and that of the slowest domain, until requests were seen here."""
    sizes = GPU_WARM_UP_BATCHES
    slowest = {size: max(plan.curve.predict_ms(size) for plan in plans.values()) for size in sizes}
    return LatencyCurve({size: router.curve.predict_ms(size) + slowest[size] for size in sizes}, RUN_LIMIT)


def _decided(one: Decided | FieldmarkError) -> Decided:
    if isinstance(one, FieldmarkError):
        raise TypeError("a request that was refused has no plan")
    return one
