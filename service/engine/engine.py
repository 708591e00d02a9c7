"""The engine: stores of bundles in, answers out; what the worker, the command line and evaluation are built on.

Owns which bundles serve, which routes they complete and the catalog that describes them. Loading one bundle is
`bundle.py`'s part, finding them `store.py`'s, making answers the tasks'. It logs nothing: what was refused stands in
the catalog, and its caller decides how to say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.preprocess import prepare_decoders
from service.answers import ClassifyAnswer, Parameters, Part, SubjectsAnswer
from service.catalog import (
    AUTO,
    LOOK,
    SUBJECT,
    SUBJECTS,
    Catalog,
    DomainEntry,
    LabelEntry,
    RouteInfo,
    domain_route,
    model_route,
)
from service.engine.answering import Photo, Subject, answer_all
from service.engine.backends.base import StartError
from service.engine.bundle import Bundle
from service.engine.features import FeatureCache
from service.engine.loader import Loader
from service.engine.shelf import Shelf
from service.engine.tasks.answer import AnswerPlan
from service.engine.tasks.auto import AutoPlan
from service.engine.tasks.base import AnyPlan
from service.engine.tasks.classify import ClassifyPlan
from service.engine.tasks.ground import GroundPlan
from service.engine.tasks.locate import LocatePlan
from service.engine.tasks.look import LookPlan, PhotoPlan
from service.engine.tasks.subject import SubjectPlan
from service.engine.tasks.subjects import SubjectsPlan
from service.errors import FieldmarkError, InvalidParameter, NotFound
from service.machine import usable_cores
from service.replies import GroundAnswer, LookAnswer, QuestionAnswer
from service.settings import FEATURE_CACHE_BYTES, Arithmetic, Device
from service.stores import StoreMissing, resolve_stores
from service.words import read_expressions, read_question

Answer = ClassifyAnswer | FieldmarkError


class Engine:
    """All bundles of some stores, ready to answer."""

    def __init__(
        self,
        stores: Sequence[Path | str] | Path | str | None = None,
        *,
        device: Device = "cpu",
        arithmetic: Arithmetic = "exact",
        lanes: int = 0,
        testing_backends: bool = False,
        cache: Path | None = None,
        feature_cache_bytes: int = FEATURE_CACHE_BYTES,
    ) -> None:
        """Load, check and warm up every bundle of `stores` (None: the zoo of the checkout).

        With `arithmetic` int8 those bundles compute in 8 bits that have such a graph, on device cpu only.
        `lanes` is how many photos are worked on at once, 0 the usable cores; `testing_backends` admits bundles whose
        backend is a fake; `cache` is where TensorRT keeps what it built. Of photos that expressions were grounded in,
        features are kept up to `feature_cache_bytes`, for the next expressions.

        Raises:
            StartError: there is no store, the device cannot be used, or not one bundle can be served.
        """
        prepare_decoders()
        self._stores = _resolve(stores)
        threads = usable_cores() if device == "cpu" else 1  # a GPU compiles one graph at a time
        loader = Loader(device, arithmetic=arithmetic, testing_backends=testing_backends, cache=cache)
        self._shelf = Shelf(self._stores, loader, threads)
        if not self._shelf.bundles:
            raise StartError(f"No bundle can be served from {', '.join(map(str, self._stores))}: {self._refusals()}.")
        self._features = FeatureCache(feature_cache_bytes)
        plans = {plan.route: plan for plan in self._make_plans()}
        self._plans: dict[str, AnyPlan] = {**plans}
        if plans:
            self._plans[LOOK] = LookPlan(LOOK, plans)
        if self._shelf.domains and self._shelf.pointing.keys() & {"ground", "locate"}:
            self._plans[SUBJECT] = SubjectPlan(SUBJECT, plans, self._domains_of_routes())
        if self._shelf.domains and "locate" in self._shelf.pointing:
            self._plans[SUBJECTS] = SubjectsPlan(SUBJECTS, plans, self._domains_of_routes())
        self._lanes = lanes or usable_cores()

    @property
    def catalog(self) -> Catalog:
        """What is served, and what was refused and why."""
        return Catalog(self._shelf.entries, [self._domain_entry(domain) for domain in self._shelf.domains])

    @property
    def routes(self) -> list[RouteInfo]:
        """The routes that this engine can complete."""
        return [RouteInfo(plan.route, plan.model, plan.curve.predict_ms(1)) for plan in self._plans.values()]

    def plan(self, route: str) -> AnyPlan:
        """How the requests of a route are answered.

        Raises:
            NotFound: there is no such route; the detail names those that exist.
        """
        plan = self._plans.get(route)
        if plan is None:
            raise NotFound(f"Route {route[:100]!r} does not exist. Served: {', '.join(sorted(self._plans))}.")
        return plan

    def classify(
        self,
        subjects: Sequence[Subject],
        *,
        domain: str | None = None,
        model: str | None = None,
        parameters: Parameters | Sequence[Parameters] | None = None,
        expression: str | None = None,
        locate: bool = False,
    ) -> list[Answer]:
        """Classify encoded photos; one that cannot be answered has its error in its place.

        A subject is a photo, or a list of photos of it. `parameters` hold for all of them, or there are as many. With an
        `expression` what it means in each photo is found first, and classified alone; with `locate` a detector's surest
        subject of the domain.

        Raises:
            NotFound: the domain or the model does not exist.
            InvalidParameter: several domains are served and none was named, or the model is of another one.
        """
        route = self.find_route(domain, model)
        if parameters is None or isinstance(parameters, Parameters):
            parameters = [parameters or Parameters()] * len(subjects)
        if expression is not None or locate:
            find = self._find_part(expression)
            parameters = [Parameters(parts=(find, Part(route, asked))) for asked in parameters]
            route = SUBJECT
        plan = self.plan(route)
        return answer_all(plan, list(zip(subjects, parameters, strict=True)), self._lanes)

    def classify_subjects(
        self,
        photos: Sequence[Photo],
        *,
        domain: str | None = None,
        model: str | None = None,
        parameters: Parameters | None = None,
    ) -> list[SubjectsAnswer | FieldmarkError]:
        """Classify everything that a detector finds in each photo; who cannot be answered has its error in its place.

        Raises:
            NotFound: no bundle locates subjects, or the domain or the model does not exist.
            InvalidParameter: as `classify`.
        """
        parts = (self._find_part(None), Part(self.find_route(domain, model), parameters or Parameters()))
        asked = Parameters(parts=parts)
        return answer_all(self.plan(SUBJECTS), [(photo, asked) for photo in photos], self._lanes)

    def ground(
        self, photos: Sequence[Photo], expressions: Sequence[str], *, model: str | None = None, force: bool = False
    ) -> list[GroundAnswer | FieldmarkError]:
        """Find in each photo what the expressions mean; a photo that cannot be decoded has its error in its place.

        With `force` there is a box even for what seems not to be there.

        Raises:
            NotFound: no bundle grounds expressions, or the model does not exist.
            InvalidParameter: there is no expression, or one is none (`service/words.py`).
        """
        said = read_expressions(expressions)
        return self._ask("ground", photos, model, Parameters(expressions=said, force=force))

    def answer(
        self,
        photos: Sequence[Photo],
        question: str,
        *,
        model: str | None = None,
        top_k: int = 5,
        explain: bool = False,
    ) -> list[QuestionAnswer | FieldmarkError]:
        """Answer a question about each photo; a photo that cannot be decoded has its error in its place.

        Raises:
            NotFound: no bundle answers questions, or the model does not exist.
            InvalidParameter: the question is none (`service/words.py`).
        """
        asked = Parameters(question=read_question(question), top_k=top_k, explain=explain)
        return self._ask("answer", photos, model, asked)

    def look(self, photo: Photo, parts: Mapping[str, Parameters]) -> LookAnswer:
        """Do several tasks on one photo, which is decoded once; `parts` maps a task to what is asked of it.

        Raises:
            NotFound: a task has no model.
            FieldmarkError: no part has an answer; the first one's reason.
        """
        steps = tuple(Part(self._default_route(task), parameters) for task, parameters in parts.items())
        (answer,) = answer_all(self.plan(LOOK), [(photo, Parameters(parts=steps))], 1)
        if isinstance(answer, FieldmarkError):
            raise answer
        looked: LookAnswer = answer
        return looked

    def _ask(self, task: str, photos: Sequence[Photo], model: str | None, parameters: Parameters) -> list[Any]:
        plan = self.plan(self._pointing_route(task, model))
        return answer_all(plan, [(photo, parameters) for photo in photos], self._lanes)

    def _find_part(self, expression: str | None) -> Part:
        if expression is None:
            return Part(self._pointing_route("locate", None), Parameters())
        return Part(
            self._pointing_route("ground", None), Parameters(expressions=read_expressions([expression], "expression"))
        )

    def _pointing_route(self, task: str, model: str | None) -> str:
        if model is not None:
            return self._named_route(model, None, task)
        if task not in self._shelf.pointing:
            raise NotFound(f"No model is served that can {task}. Served: {', '.join(self._shelf.bundles)}.")
        return domain_route(task, AUTO)

    def _default_route(self, task: str) -> str:
        return self.find_route(None, None) if task == "classify" else self._pointing_route(task, None)

    def find_route(self, domain: str | None, model: str | None) -> str:
        """The route of a classify request that names a domain (None or `auto`: the photo's own), or a model."""
        if model is not None:
            return self._named_route(model, domain)
        if domain not in (None, AUTO):
            route = domain_route("classify", str(domain))
            if route not in self._plans:
                raise NotFound(f"Domain {domain!r} does not exist. Served: {', '.join(self._shelf.domains)}.")
            return route
        route = domain_route("classify", AUTO)
        if route not in self._plans:
            raise InvalidParameter(
                f"Several domains are served: name one as domain=, of {', '.join(self._shelf.domains)}."
            )
        return route

    def _named_route(self, model: str, domain: str | None, task: str = "classify") -> str:
        name, _, version = model.partition("@")
        identity = model if version else self._shelf.answering.get(name, model)
        bundle = self._shelf.bundles.get(identity)
        if bundle is None or bundle.manifest.task != task:
            why = "does not exist" if bundle is None else f"is of task {bundle.manifest.task!r}, not {task!r}"
            served = [name for name, other in self._shelf.bundles.items() if other.manifest.task == task]
            raise NotFound(f"Model {model!r} {why}. Served: {', '.join(served) or 'nothing'}.")
        if domain not in (None, AUTO, bundle.manifest.domain):
            raise InvalidParameter(f"Model {model!r} is of domain {bundle.manifest.domain!r}, not {domain!r}.")
        return model_route(task, identity)

    def _make_plans(self) -> Iterator[PhotoPlan]:
        """A route for each domain, one for each bundle, and `auto` by a router or where there is nothing to choose."""
        domains = {domain: self._domain_plan(domain, domain) for domain in self._shelf.domains}
        yield from domains.values()
        if self._shelf.router is not None and domains:
            yield AutoPlan(domain_route("classify", AUTO), self._shelf.bundles[self._shelf.router], domains)
        elif len(domains) == 1:
            (domain,) = domains
            yield self._domain_plan(domain, AUTO)
        for identity, bundle in self._shelf.bundles.items():
            if bundle.manifest.task == "classify":
                yield ClassifyPlan(model_route("classify", identity), bundle)
            elif bundle.manifest.task != "route":
                yield self._pointing_plan(model_route(bundle.manifest.task, identity), bundle)
        for task, identity in self._shelf.pointing.items():
            yield self._pointing_plan(domain_route(task, AUTO), self._shelf.bundles[identity])

    def _pointing_plan(self, route: str, bundle: Bundle) -> PhotoPlan:
        match bundle.manifest.task:
            case "ground":
                return GroundPlan(route, bundle, self._features)
            case "locate":
                return LocatePlan(route, bundle)
            case _:
                return AnswerPlan(route, bundle)

    def _domains_of_routes(self) -> dict[str, str]:
        named = {domain_route("classify", domain): domain for domain in self._shelf.domains}
        if self._shelf.router is None and len(self._shelf.domains) == 1:
            (only,) = self._shelf.domains
            if only in self._proposed_domains():  # else what is proposed may be of it under another name
                named[domain_route("classify", AUTO)] = only
        bundles = self._shelf.bundles.items()
        return named | {
            model_route("classify", identity): bundle.manifest.domain
            for identity, bundle in bundles
            if bundle.manifest.task == "classify" and bundle.manifest.domain is not None
        }

    def _proposed_domains(self) -> set[str]:
        """The domains whose subjects the detector proposes."""
        identity = self._shelf.pointing.get("locate")
        return {label.levels["domain"] for label in self._shelf.bundles[identity].labels} if identity else set()

    def _domain_plan(self, domain: str, name: str) -> ClassifyPlan:
        reader = self._shelf.readers.get(domain)
        default = self._shelf.bundles[self._shelf.domains[domain]]
        return ClassifyPlan(
            domain_route("classify", name), default, self._shelf.bundles[reader] if reader is not None else None
        )

    def _domain_entry(self, domain: str) -> DomainEntry:
        bundle = self._shelf.bundles[self._shelf.domains[domain]]
        labels = [LabelEntry(label.class_id, label.label, label.levels) for label in bundle.labels]
        return DomainEntry(domain, bundle.manifest.identity, list(bundle.manifest.levels), labels)

    def _refusals(self) -> str:
        refused = [f"{entry.identity}: {'; '.join(entry.faults)}" for entry in self._shelf.entries if entry.faults]
        return " | ".join(refused) or "it holds none"


def _resolve(stores: Sequence[Path | str] | Path | str | None) -> tuple[Path, ...]:
    named = [stores] if isinstance(stores, Path | str) else stores or []
    try:
        return resolve_stores([Path(store) for store in named])
    except StoreMissing as error:
        raise StartError(str(error)) from error
