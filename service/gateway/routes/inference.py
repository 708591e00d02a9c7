"""`/v2`: the Open Inference Protocol, so that its clients, such as Triton's, ask this service as they ask any other.

A model of the protocol is a bundle, its version the bundle's. Each photo of a batch is a job of its own on the bundle's
route of the bus, the same that `POST /v1/classify?model=` takes, so admission, deadlines and answers are the same.
What goes in and comes out stands in `inference_body.py`. Source: Open Inference Protocol v2, REST.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.answers import ClassifyAnswer
from service.bus.base import GatewayBus, Job, Outcome
from service.catalog import ModelEntry, RouteInfo
from service.errors import InvalidParameter, NotFound, UnsupportedMedia
from service.gateway.exchange import Exchange, exchange_of
from service.gateway.inference_body import OUTPUTS, Inference, read_inference, tabulate, write_inference
from service.gateway.problems import INFERENCE_PATH
from service.gateway.relay import await_outcomes, splice
from service.gateway.router import Router
from service.gateway.routes.health import can_serve
from service.gateway.schema import AskSchema, merge_fields
from service.gateway.tensors import IMAGE, PHOTO
from service.gateway.tiff import CHANNELS
from service.gateway.uploads import UploadLimits, Way, read_raw, way_of
from service.metrics import Metrics

TASK = "classify"
EXTENSIONS = ("binary_tensor_data", "parameters")
_JSON_LENGTH = "inference-header-content-length"


class ServerMetadata(msgspec.Struct, frozen=True):
    """What the server is."""

    name: str
    version: str
    extensions: tuple[str, ...] = EXTENSIONS


class TensorMetadata(msgspec.Struct, frozen=True):
    """An input or output; -1 stands for any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct, frozen=True):
    """What a model is. Of its inputs a request has one: photos as files, or as raw squares."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReadiness(msgspec.Struct, frozen=True):
    """Whether a request to a model would succeed now."""

    name: str
    ready: bool


@dataclass(frozen=True, slots=True)
class InferenceApi:
    """The protocol's endpoints; built once."""

    bus: GatewayBus
    router: Router
    schema: AskSchema
    limits: UploadLimits
    metrics: Metrics

    def routes(self) -> list[Route]:
        """Make the routes; FastAPI's description leaves them out, for the protocol has its own."""
        routes = [
            _get(INFERENCE_PATH, self.show_server),
            _get(f"{INFERENCE_PATH}/health/live", self.show_life),
            _get(f"{INFERENCE_PATH}/health/ready", self.show_readiness),
            _get(f"{INFERENCE_PATH}/models/stats", self.refuse_statistics),
        ]
        for model in (f"{INFERENCE_PATH}/models/{{name}}", f"{INFERENCE_PATH}/models/{{name}}/versions/{{version}}"):
            routes += [
                _get(model, self.show_model),
                _get(f"{model}/ready", self.show_model_readiness),
                _get(f"{model}/stats", self.refuse_statistics),
                Route(f"{model}/infer", self.infer, methods=["POST"], include_in_schema=False),
            ]
        return routes

    async def show_server(self, request: Request) -> Response:
        """Describe the server."""
        return _json(ServerMetadata("fieldmark", version("fieldmark")))

    async def show_life(self, request: Request) -> Response:
        """Tell that the process answers."""
        return _json({"live": True})

    async def show_readiness(self, request: Request) -> Response:
        """Tell whether any request would succeed now."""
        is_ready = can_serve(self.bus)
        return _json({"ready": is_ready}, 200 if is_ready else 503)

    async def show_model(self, request: Request) -> Response:
        """Describe a model."""
        _, model = self._find(request)
        versions = [entry.version for entry in self.router.offer.named(model.name) if entry.status == "serving"]
        square = [-1, model.size_px, model.size_px, CHANNELS]
        inputs = [TensorMetadata(PHOTO, "BYTES", [-1]), TensorMetadata(IMAGE, "UINT8", square)]
        outputs = [
            TensorMetadata(name, datatype, [-1] if name == "answer" else [-1, -1]) for name, datatype in OUTPUTS.items()
        ]
        return _json(ModelMetadata(model.name, versions, f"fieldmark_{model.system}", inputs, outputs))

    async def refuse_statistics(self, request: Request) -> Response:
        """Say where figures are; those of Triton's extension are not kept."""
        raise NotFound("Statistics are not offered here; GET /metrics on the internal port has figures of every model.")

    async def show_model_readiness(self, request: Request) -> Response:
        """Tell whether a request to a model would succeed now."""
        route, model = self._find(request)
        is_ready = can_serve(self.bus, route.route)
        return _json(ModelReadiness(model.name, is_ready), 200 if is_ready else 503)

    async def infer(self, request: Request) -> Response:
        """Answer a batch of photos, or raise the `FieldmarkError` that says why not."""
        exchange = exchange_of(request.scope)
        exchange.task = TASK
        route, model = self._find(request)
        exchange.model = route.model
        if way_of(exchange, self.limits) is Way.MULTIPART:
            raise UnsupportedMedia(
                "An inference request is JSON, perhaps with binary tensors behind it; it is no form."
            )
        body = await read_raw(exchange, request.receive, self.limits)
        self.metrics.observe_body(time.monotonic() - exchange.started)
        inference = read_inference(body, exchange.headers.get(_JSON_LENGTH.encode()), model.size_px)
        outcomes = await self._ask(exchange, route, model, inference)
        documents = [_document(outcome, exchange) for outcome in outcomes]
        columns = tabulate([msgspec.json.decode(one.body, type=ClassifyAnswer) for one in outcomes], documents)
        content, json_length = write_inference(model.name, model.version, inference, columns)
        if json_length is None:
            return Response(content, media_type="application/json")
        headers = {_JSON_LENGTH: str(json_length)}
        return Response(content, media_type="application/octet-stream", headers=headers)

    async def _ask(
        self, exchange: Exchange, route: RouteInfo, model: ModelEntry, inference: Inference
    ) -> list[Outcome]:
        ask = self.schema.read(merge_fields({"model": model.identity}, inference.parameters.items()))
        if ask.domain is not None:
            raise InvalidParameter(f"domain is not taken here: the path names {model.identity}.")
        if ask.parts:
            raise InvalidParameter("Neither 'expression' nor 'locate' is taken here, but by POST /v1/classify.")
        deadline = exchange.started + ask.timeout_ms / 1000
        jobs = [
            Job(
                route.route,
                (photo,),
                ask.parameters,
                deadline,
                traceparent=exchange.traceparent,
                request_id=exchange.request_id,
            )
            for photo in inference.photos
        ]
        outcomes = await await_outcomes(self.bus, jobs, exchange)
        for outcome in outcomes:
            self.metrics.count_answer(outcome, is_explained=ask.parameters.explain)
        return outcomes

    def _find(self, request: Request) -> tuple[RouteInfo, ModelEntry]:
        """Find the model of the path, by its name and perhaps its version.

        Raises:
            InvalidParameter: these cannot be a model's name and version.
            NotFound, NotReady: it is not served; no worker has announced anything yet.
        """
        given = request.path_params
        name = f"{given['name']}@{given['version']}" if "version" in given else given["name"]
        route = self.router.choose(TASK, None, self.schema.read({"model": name}).model)
        return route, self.router.offer.models[route.model]


def _get(path: str, endpoint: Any) -> Route:
    return Route(path, endpoint, methods=["GET"], include_in_schema=False)


def _document(outcome: Outcome, exchange: Exchange) -> bytes:
    """Give an answer as `POST /v1/classify` does."""
    return splice(outcome, exchange.request_id, (time.monotonic() - exchange.started) * 1000)


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
