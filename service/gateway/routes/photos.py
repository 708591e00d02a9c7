"""`POST /v1/classify`, `/v1/ground`, `/v1/answer`, `/v1/look`: a photo in, what the task's model says of it out.

One endpoint a task, all the same: what can be known before the body is read is checked before it, and the worker's JSON is
passed on with the id and the times put in, without being parsed. A client that asks for a PNG instead gets the worker's
drawing. It is the hot route, so a plain ASGI endpoint.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import msgspec
from starlette.types import Receive, Scope, Send

from service.answers import Parameters, Part
from service.bus.base import GatewayBus, Job
from service.catalog import LOOK, SUBJECT, SUBJECTS, RouteInfo
from service.errors import InvalidParameter
from service.gateway.exchange import Exchange, exchange_of
from service.gateway.relay import await_outcome, splice
from service.gateway.router import Router
from service.gateway.schema import Ask, AskSchema, merge_fields, query_fields
from service.gateway.uploads import UploadLimits, Way, check_photo, check_photos, read_form, read_raw, way_of
from service.metrics import Metrics

_PNG = b"image/png"


@dataclass(frozen=True, slots=True)
class PhotoTask:
    """The endpoint of one task; built once."""

    task: str
    bus: GatewayBus
    router: Router
    schema: AskSchema
    limits: UploadLimits
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or raise the `FieldmarkError` that says why not."""
        exchange = exchange_of(scope)
        exchange.task = self.task
        ask, route, photos = await self._read(exchange, scope["query_string"], receive)
        parameters = ask.parameters
        is_drawn = self.task != "look" and _PNG in exchange.headers.get(b"accept", b"")
        if is_drawn and _wants_picture(exchange.headers[b"accept"]):
            parameters = _drawn(parameters)
        target, asked = self._compose(ask, route, parameters) if ask.parts else (route.route, parameters)
        self.metrics.observe_body(time.monotonic() - exchange.started)
        job = Job(
            route=target,
            images=photos,
            parameters=asked,
            deadline=exchange.started + ask.timeout_ms / 1000,
            traceparent=exchange.traceparent,
            request_id=exchange.request_id,
        )
        outcome = await await_outcome(self.bus, job, exchange)
        exchange.model = outcome.result.model
        self.metrics.count_answer(outcome, is_explained=parameters.explain)
        if parameters.draw:
            body, content_type = outcome.body, _PNG
        else:
            body = splice(outcome, exchange.request_id, (time.monotonic() - exchange.started) * 1000)
            content_type = b"application/json"
        headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _read(
        self, exchange: Exchange, query: bytes, receive: Receive
    ) -> tuple[Ask, RouteInfo, tuple[bytes, ...]]:
        way = way_of(exchange, self.limits)
        if way is Way.RAW:
            ask = self.schema.read_query(query)
            route = self._choose(exchange, ask)
            return ask, route, (check_photo(await read_raw(exchange, receive, self.limits)),)
        given = query_fields(query)
        form = await read_form(exchange, receive, self.limits, way)
        ask = self.schema.read(merge_fields(given, form.fields.items()))
        route = self._choose(exchange, ask)
        photos = check_photos(form)
        if len(photos) > 1 and (ask.parts or self.task != "classify"):
            wanted = "finding the subject" if self.task == "classify" else path_of(self.task)
            raise InvalidParameter(f"There are {len(photos)} photos; {wanted} takes one.")
        return ask, route, photos

    def _choose(self, exchange: Exchange, ask: Ask) -> RouteInfo:
        route = self.router.choose(self.task, ask.domain, ask.model)
        exchange.model = route.model
        return route

    def _compose(self, ask: Ask, route: RouteInfo, parameters: Parameters) -> tuple[str, Parameters]:
        """Ask for several tasks on one photo: each part goes by the route that its own parameters choose."""
        parts = tuple(
            Part(self.router.choose(task, part.domain, part.model).route, part.parameters)
            for task, part in ask.parts.items()
        )
        if self.task == "look":
            return LOOK, Parameters(parts=parts)
        return SUBJECTS if ask.is_of_all else SUBJECT, Parameters(parts=(*parts, Part(route.route, parameters)))


def path_of(task: str) -> str:
    """Where a task is asked for."""
    return f"/v1/{task}"


def _wants_picture(accept: bytes) -> bool:
    """Tell whether the header names a PNG first: a browser's names it too, among all that it can show."""
    return accept.partition(b",")[0].partition(b";")[0].strip() == _PNG


def _drawn(parameters: Parameters) -> Parameters:
    return msgspec.structs.replace(parameters, explain=True, draw=True)
