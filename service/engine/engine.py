"""The engine: stores of bundles in, answers out; what the worker, the command line and evaluation are built on.

Owns which bundles serve, which routes they complete and the catalog that describes them. Loading one bundle is
`bundle.py`'s part, finding them `store.py`'s, making answers the tasks'. It logs nothing: what was refused stands in
the catalog, and its caller decides how to say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from models.preprocess import prepare_decoders
from service.answers import ClassifyAnswer, Parameters
from service.catalog import AUTO, Catalog, DomainEntry, LabelEntry, RouteInfo, domain_route, model_route
from service.engine.backends.base import EngineError, StartError
from service.engine.loader import Loader
from service.engine.shelf import Shelf
from service.engine.tasks.auto import AutoPlan
from service.engine.tasks.base import AnyPlan, infer_each
from service.engine.tasks.classify import ClassifyPlan
from service.errors import FieldmarkError, Internal, InvalidParameter, NotFound
from service.machine import usable_cores
from service.settings import Device
from service.stores import StoreMissing, resolve_stores

Photo = bytes | memoryview
#: One photo, or several of one subject that are answered together.
Subject = Photo | Sequence[Photo]
Answer = ClassifyAnswer | FieldmarkError


class Engine:
    """All bundles of some stores, ready to answer."""

    def __init__(
        self,
        stores: Sequence[Path | str] | Path | str | None = None,
        *,
        device: Device = "cpu",
        lanes: int = 0,
        testing_backends: bool = False,
        cache: Path | None = None,
    ) -> None:
        """Load, check and warm up every bundle of `stores` (None: the zoo of the checkout).

        `lanes` is how many photos `classify` works on at once, 0 the usable cores; `testing_backends` admits bundles
        whose backend is a fake; `cache` is where TensorRT keeps what it built.

        Raises:
            StartError: there is no store, the device cannot be used, or not one bundle can be served.
        """
        prepare_decoders()
        self._stores = _resolve(stores)
        self._shelf = Shelf(self._stores, Loader(device, testing_backends=testing_backends, cache=cache))
        if not self._shelf.bundles:
            raise StartError(f"No bundle can be served from {', '.join(map(str, self._stores))}: {self._refusals()}.")
        self._plans = {plan.route: plan for plan in self._make_plans()}
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
    ) -> list[Answer]:
        """Classify encoded photos; one that cannot be answered has its error in its place.

        A subject is a photo, or a list of photos of it. `parameters` hold for all of them, or there are as many.

        Raises:
            NotFound: the domain or the model does not exist.
            InvalidParameter: several domains are served and none was named, or the model is of another one.
        """
        plan = self.plan(self.find_route(domain, model))
        if parameters is None or isinstance(parameters, Parameters):
            parameters = [parameters or Parameters()] * len(subjects)
        questions = list(zip(subjects, parameters, strict=True))
        size = plan.curve.paying_batch
        batches = [questions[start : start + size] for start in range(0, len(questions), size)]
        with ThreadPoolExecutor(self._lanes, "classify") as pool:
            answers = pool.map(lambda batch: _answer_batch(plan, batch), batches)
            return [answer for batch in answers for answer in batch]

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

    def _named_route(self, model: str, domain: str | None) -> str:
        name, _, version = model.partition("@")
        identity = model if version else self._shelf.answering.get(name, model)
        bundle = self._shelf.bundles.get(identity)
        if bundle is None or bundle.manifest.task != "classify":
            raise NotFound(f"Model {model!r} does not exist. Served: {', '.join(self._shelf.bundles)}.")
        if domain not in (None, AUTO, bundle.manifest.domain):
            raise InvalidParameter(f"Model {model!r} is of domain {bundle.manifest.domain!r}, not {domain!r}.")
        return model_route("classify", identity)

    def _make_plans(self) -> Iterator[AnyPlan]:
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


def _answer_batch(plan: AnyPlan, questions: Sequence[tuple[Subject, Parameters]]) -> list[Answer]:
    """Answer subjects that share a run of the graphs; each fails on its own."""
    prepared = [_prepare(plan, subject, parameters) for subject, parameters in questions]
    good = [subject for subject in prepared if not isinstance(subject, FieldmarkError)]
    results = iter(infer_each(plan, good) if good else [])
    return [
        subject if isinstance(subject, FieldmarkError) else _finish(plan, subject, next(results))
        for subject in prepared
    ]


def _prepare(plan: AnyPlan, subject: Subject, parameters: Parameters) -> object:
    photos = [subject] if isinstance(subject, bytes | memoryview) else subject
    try:
        return plan.prepare(photos, parameters)
    except FieldmarkError as error:
        return error


def _finish(plan: AnyPlan, prepared: object, result: object) -> Answer:
    if isinstance(result, EngineError):
        return _internal(result)
    try:
        return plan.finish(prepared, result).answer
    except FieldmarkError as error:
        return error


def _internal(cause: EngineError) -> Internal:
    """The graph's own words are the cause, for a log; the message stays safe for a caller."""
    error = Internal()
    error.__cause__ = cause
    return error


def _resolve(stores: Sequence[Path | str] | Path | str | None) -> tuple[Path, ...]:
    named = [stores] if isinstance(stores, Path | str) else stores or []
    try:
        return resolve_stores([Path(store) for store in named])
    except StoreMissing as error:
        raise StartError(str(error)) from error
