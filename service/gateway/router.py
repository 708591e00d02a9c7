"""Which route of the bus answers a request, and what of it exists (ARCHITECTURE.md, "HTTP": which model answers).

Owns the picture of what the connected workers serve: it is read once per HELLO and kept while no worker is there, so that
a restart does not make names unknown. Whether the route can take a request now is the bus's decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from packaging.version import InvalidVersion, Version

from service.bus.messages import Hello
from service.catalog import (
    AUTO,
    Catalog,
    DomainEntry,
    ModelEntry,
    RouteInfo,
    decode_catalog,
    domain_route,
    model_route,
)
from service.errors import InvalidParameter, NotFound, NotReady

#: Tasks without domains: one bundle answers for each.
UNDIVIDED_TASKS = frozenset({"ground", "answer", "locate", "look"})


@dataclass(frozen=True, slots=True)
class Offer:
    """Everything that the workers serve together; the first worker that names a thing describes it."""

    models: dict[str, ModelEntry] = field(default_factory=dict)
    domains: dict[str, DomainEntry] = field(default_factory=dict)
    routes: dict[str, RouteInfo] = field(default_factory=dict)

    def named(self, name: str) -> list[ModelEntry]:
        """Give the bundles of one name: serving ones before refused ones, the default version first, then the newest."""
        entries = [model for model in self.models.values() if model.name == name]
        return sorted(entries, key=_rank, reverse=True)

    def serving(self, task: str) -> list[str]:
        """Name the bundles that can be asked for a task, as `name@version`."""
        models = self.models.items()
        return sorted(identity for identity, model in models if (model.status, model.task) == ("serving", task))


class Router:
    """Chooses routes. `hellos` gives what the connected workers announced, as `GatewayBus.hellos` does."""

    def __init__(self, hellos: Callable[[], Sequence[Hello]]) -> None:
        self._ask = hellos
        self._hellos: Sequence[Hello] = ()
        self._offer = Offer()

    @property
    def offer(self) -> Offer:
        """What is served now, or was before the last worker left."""
        hellos = self._ask()
        if hellos is not self._hellos and hellos:
            self._offer = _combine(hellos)
            self._hellos = hellos
        return self._offer

    def models(self) -> list[ModelEntry]:
        """Give every bundle that is known, also the refused ones."""
        return list(self.offer.models.values())

    def choose(self, task: str, domain: str | None, model: str | None) -> RouteInfo:
        """Choose the route of a request.

        Raises:
            NotReady: no worker has announced anything yet.
            NotFound: the model or the domain does not exist; the detail names those that do.
            InvalidParameter: the model is of another domain, or the domain has to be named.
        """
        offer = self.offer
        if not offer.routes:
            raise NotReady("No worker is ready yet.", retry_after_s=1)
        if model is not None:
            return _by_model(offer, task, model, domain)
        if task in UNDIVIDED_TASKS:
            return _by_task(offer, task)
        if domain is not None and domain != AUTO:
            return _by_domain(offer, task, domain)
        return _by_photo(offer, task)


def _combine(hellos: Iterable[Hello]) -> Offer:
    offer = Offer()
    for hello in hellos:
        catalog: Catalog = decode_catalog(hello.catalog)
        for model in catalog.models:
            known = offer.models.get(model.identity)
            if known is None or (known.status == "refused" and model.status == "serving"):
                offer.models[model.identity] = model
        for domain in catalog.domains:
            offer.domains.setdefault(domain.name, domain)
        for route in hello.routes:
            offer.routes.setdefault(route.route, route)
    return offer


def _by_model(offer: Offer, task: str, model: str, domain: str | None) -> RouteInfo:
    name, _, version = model.partition("@")
    entries = [entry for entry in offer.named(name) if not version or entry.version == version]
    serving = [entry for entry in entries if entry.status == "serving"]
    route = offer.routes.get(model_route(task, serving[0].identity)) if serving else None
    if route is None:
        why = "was refused" if entries and not serving else "does not exist"
        if serving and serving[0].task != task:
            why = f"is of task {serving[0].task!r}, not {task!r}"
        raise NotFound(f"Model {model!r} {why}. Served: {_listed(offer.serving(task))}.")
    if domain not in (None, AUTO, serving[0].domain):
        raise InvalidParameter(f"Model {model!r} is of domain {serving[0].domain!r}, not {domain!r}.")
    return route


def _by_domain(offer: Offer, task: str, domain: str) -> RouteInfo:
    route = offer.routes.get(domain_route(task, domain)) if domain in offer.domains else None
    if route is None:
        raise NotFound(f"Domain {domain!r} does not exist. Served: {_listed(offer.domains)}.")
    return route


def _by_task(offer: Offer, task: str) -> RouteInfo:
    route = offer.routes.get(domain_route(task, AUTO))
    if route is None:
        raise NotFound(f"No model is served that can {task}. Served: {_listed(offer.models)}.")
    return route


def _by_photo(offer: Offer, task: str) -> RouteInfo:
    route = offer.routes.get(domain_route(task, AUTO))
    if route is None and len(offer.domains) == 1:
        route = offer.routes.get(domain_route(task, next(iter(offer.domains))))
    if route is None:
        raise InvalidParameter(f"Several domains are served: name one as domain=, of {_listed(offer.domains)}.")
    return route


def _rank(model: ModelEntry) -> tuple[bool, bool, Version]:
    try:
        version = Version(model.version)
    except InvalidVersion:
        version = Version("0")
    return model.status == "serving", model.default, version


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
