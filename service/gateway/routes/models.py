"""`/v1/models` and `/v1/domains`: what is served, what was refused and why, and the classes that can be answered."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path
from starlette.responses import Response

from service.catalog import DomainEntry, LabelEntry, ModelEntry
from service.errors import NotFound, NotReady
from service.gateway.openapi import answers
from service.gateway.router import Offer, Router


class ModelList(msgspec.Struct, frozen=True):
    """Every bundle, also the refused ones."""

    models: list[ModelEntry]


class ModelDetail(ModelEntry, frozen=True, kw_only=True):
    """The bundle that a request for this name gets, and the versions of that name that are there."""

    versions: list[str]


class DomainSummary(msgspec.Struct, frozen=True):
    """A domain, its default model, the levels of its labels and how many there are."""

    name: str
    default: str
    levels: list[str]
    classes: int


class DomainList(msgspec.Struct, frozen=True):
    """Every domain that is served."""

    domains: list[DomainSummary]


class DomainLabels(msgspec.Struct, frozen=True):
    """The classes that a domain's default model tells apart, in the order of its outputs."""

    domain: str
    model: str
    levels: list[str]
    labels: list[LabelEntry]


SCHEMAS = (ModelList, ModelDetail, DomainList, DomainLabels)

_NAME = Path(description="`name`, or `name@version` of a model.", examples=["birds"])


def models_routes(router: Router) -> APIRouter:
    """Make the routes of one router's offer."""
    routes = APIRouter(tags=["models"], default_response_class=Response)

    @routes.get("/v1/models", summary="List the models", responses=answers(ModelList))
    async def list_models() -> Any:
        return _json(ModelList(list(_offer(router).models.values())))

    @routes.get("/v1/models/{name}", summary="Describe a model", responses=answers(ModelDetail, NotFound))
    async def show_model(name: Annotated[str, _NAME]) -> Any:
        return _json(_model_detail(_offer(router), name))

    @routes.get("/v1/domains", summary="List the domains", responses=answers(DomainList))
    async def list_domains() -> Any:
        return _json(DomainList([_summary(domain) for domain in _offer(router).domains.values()]))

    @routes.get(
        "/v1/domains/{name}/labels", summary="List a domain's labels", responses=answers(DomainLabels, NotFound)
    )
    async def list_labels(name: Annotated[str, _NAME]) -> Any:
        domain = _domain(_offer(router), name)
        return _json(DomainLabels(domain.name, domain.default, domain.levels, domain.labels))

    return routes


def _offer(router: Router) -> Offer:
    offer = router.offer
    if not offer.models:
        raise NotReady("No worker has said yet what it serves.", retry_after_s=1)
    return offer


def _model_detail(offer: Offer, name: str) -> ModelDetail:
    bare, _, version = name.partition("@")
    entries = offer.named(bare)
    chosen = next((entry for entry in entries if not version or entry.version == version), None)
    if chosen is None:
        known = ", ".join(sorted({model.name for model in offer.models.values()}))
        raise NotFound(f"There is no model {name[:64]!r}. Known: {known}.")
    return ModelDetail(**msgspec.structs.asdict(chosen), versions=[entry.version for entry in entries])


def _domain(offer: Offer, name: str) -> DomainEntry:
    if name not in offer.domains:
        raise NotFound(f"There is no domain {name[:64]!r}. Known: {', '.join(offer.domains) or 'none'}.")
    return offer.domains[name]


def _summary(domain: DomainEntry) -> DomainSummary:
    return DomainSummary(domain.name, domain.default, domain.levels, len(domain.labels))


def _json(value: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
