"""Subjects: classify everything that a detector finds in a photo, each by itself.

The photo is decoded once. Each proposal of the asked domain is cut out and classified as `subject.py` does with the surest
one; what is too small to be told, or too much for one answer, is named with its reason. A photo without subjects has an
empty answer, since what was asked is what there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.answers import ClassifyAnswer, ImageSize, Omitted, Parameters, SubjectsAnswer
from service.catalog import AUTO
from service.engine.backends.providers import RUN_LIMIT
from service.engine.curve import LatencyCurve
from service.engine.tasks.base import Finished
from service.engine.tasks.look import PhotoPlan
from service.engine.tasks.photos import Encoded
from service.engine.tasks.subject import Found, Recognised, Sought, answer_of, look_for, recognise, seek
from service.errors import FieldmarkError, InvalidParameter, NoKnownSubject
from service.replies import Proposal, Proposals

#: A subject whose box is narrower has too few pixels to tell what it is.
SIDE_LEAST_PX = 32
#: Each is a run of the classifier, and a request is answered within its deadline.
SUBJECTS_LIMIT = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """The proposals of one photo: those that were classified or could not be, and those that were left out."""

    recognised: Sequence[tuple[Proposal, Recognised | FieldmarkError]]
    omitted: Sequence[Omitted]


class SubjectsPlan:
    """Classifies all that is found, by `plans`, which maps routes to theirs; the parts of a request name its two.

    `domains` maps classify routes to their domain, where they have one.
    """

    def __init__(self, route: str, plans: Mapping[str, PhotoPlan], domains: Mapping[str, str]) -> None:
        self.route = route
        self.model = AUTO
        self.batch_wait_ms = 0.0
        slowest = max(plan.curve.predict_ms(1) for plan in plans.values())
        self.curve = LatencyCurve({1: (1 + SUBJECTS_LIMIT) * slowest}, RUN_LIMIT)
        self._plans = plans
        self._domains = domains

    def prepare(self, photos: Sequence[Encoded], parameters: Parameters) -> Sought:
        """Prepare the finding; raises as `seek`."""
        return seek(self._plans, self._domains, photos, parameters)

    def infer(self, batch: Sequence[Sought]) -> list[Seen]:
        """Find the subjects of each photo and classify them."""
        return [_see(sought) for sought in batch]

    def finish(self, prepared: Sought, inferred: Seen) -> Finished[SubjectsAnswer]:
        """Make the answer to one request; the surest subject comes first.

        Raises:
            InvalidParameter: no candidate fits any of the subjects.
        """
        subjects: list[ClassifyAnswer] = []
        omitted = [*inferred.omitted]
        misfit: InvalidParameter | None = None
        for proposal, one in inferred.recognised:
            try:
                if isinstance(one, FieldmarkError):
                    raise one
                subjects.append(answer_of(prepared, one).answer)
            except NoKnownSubject as error:
                omitted.append(Omitted(proposal.box, error.detail))
            except InvalidParameter as error:  # candidates of one domain fit no subject of another
                omitted.append(Omitted(proposal.box, error.detail))
                misfit = error
        if misfit is not None and not subjects:
            raise misfit
        answer = SubjectsAnswer(subjects, omitted, ImageSize(prepared.photo.width, prepared.photo.height))
        is_uncertain = any(subject.uncertain is True for subject in subjects)
        picture = _draw(prepared.encoded, answer) if prepared.parameters.draw else None
        return Finished(answer, self.model, is_uncertain=is_uncertain, picture=picture)


def _see(sought: Sought) -> Seen:
    told: Proposals = look_for(sought)
    fitting = [proposal for proposal in told.subjects if sought.domain in (None, proposal.domain)]
    large = [proposal for proposal in fitting if _side(proposal) >= SIDE_LEAST_PX]
    omitted = [
        Omitted(proposal.box, f"Its shorter side has {_side(proposal):.0f} px; at least {SIDE_LEAST_PX} are needed.")
        for proposal in fitting
        if _side(proposal) < SIDE_LEAST_PX
    ]
    more = f"There are {len(large)} subjects; the {SUBJECTS_LIMIT} surest are answered."
    omitted += [Omitted(proposal.box, more) for proposal in large[SUBJECTS_LIMIT:]]
    chosen, is_alone = large[:SUBJECTS_LIMIT], len(fitting) == 1
    return Seen([(one, recognise(sought, Found(one.box, one.score, is_alone))) for one in chosen], omitted)


def _side(proposal: Proposal) -> float:
    return min(proposal.box.width, proposal.box.height)


def _draw(photo: Encoded, answer: SubjectsAnswer) -> bytes:
    from service.drawing import draw_subjects  # only where somebody looks

    return draw_subjects(photo, answer)
