"""What is served: the models, domains and labels that a worker announces and `/v1/models` and `/v1/domains` show.

Shared by the engine, which makes it from its bundles, and the gateway, which routes by it; so it knows neither.
Route names are made here and nowhere else:

    classify/<domain>            the default bundle of a domain
    classify/<name>@<version>    a named bundle
    classify/auto                the photo decides (a router bundle), or the store has a single domain
    ground/auto, answer/auto, locate/auto
                                 the default bundle of a task that has no domains; a named one as above
    look/auto                    several tasks on one photo
    subject/auto                 classify what was found in a photo first, by words or by a detector
    subjects/auto                classify everything that a detector finds in a photo
"""

from __future__ import annotations

from typing import Literal

import msgspec

AUTO = "auto"
#: The route of several tasks on one photo.
LOOK = f"look/{AUTO}"
#: The route of classifying what was found first: its parts are a ground or locate route, and a classify route.
SUBJECT = f"subject/{AUTO}"
#: The same for everything that is found, by a locate route.
SUBJECTS = f"subjects/{AUTO}"


class LabelEntry(msgspec.Struct, frozen=True):
    """One class of a domain."""

    class_id: str
    label: str
    levels: dict[str, str]


class ModelEntry(msgspec.Struct, frozen=True):
    """One bundle. A refused one has `faults` and perhaps little else.

    `default`: of the versions of its name it is the one that answers where only the name is given. Which name answers
    for a domain stands in the domain's entry. `reads_text`: a text with a phrase that it knows is answered by it.
    `explains` names the outputs that explain; `faithful` is what was measured of them, or None.
    """

    name: str
    version: str
    status: Literal["serving", "refused"]
    system: str = ""
    task: str = ""
    domain: str | None = None
    default: bool = False
    classes: int = 0
    levels: list[str] = []
    reads_text: bool = False
    explains: list[str] = []
    faithful: bool | None = None
    experimental: bool = False
    size_px: int = 0
    variant: str = ""
    engine: str = ""
    licence: str = ""
    research_only: bool = False
    attribution: list[str] = []
    metrics: dict[str, float] = {}
    faults: list[str] = []

    @property
    def identity(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


class DomainEntry(msgspec.Struct, frozen=True):
    """A domain: the identity of its default model and that model's classes, in the order of its outputs."""

    name: str
    default: str
    levels: list[str]
    labels: list[LabelEntry]


class RouteInfo(msgspec.Struct, frozen=True):
    """A route that an engine can complete, with what it knows of its cost.

    `expected_ms` is the manifest's time for one request in one lane: the rate before anything was measured.
    `model` is the identity `name@version` that metrics are labelled with (`auto` where the photo decides).
    """

    route: str
    model: str
    expected_ms: float


class Catalog(msgspec.Struct, frozen=True):
    """Everything a worker serves."""

    models: list[ModelEntry] = []
    domains: list[DomainEntry] = []


def domain_route(task: str, domain: str) -> str:
    """Route of a domain's default bundle, or of `auto`."""
    return f"{task}/{domain}"


def model_route(task: str, identity: str) -> str:
    """Route of a named bundle."""
    return f"{task}/{identity}"


def task_of(route: str) -> str:
    """The task of a route."""
    return route.partition("/")[0]


def decode_catalog(raw: bytes | msgspec.Raw) -> Catalog:
    """Read a catalog's JSON; raises `msgspec.DecodeError` or `msgspec.ValidationError`."""
    return msgspec.json.decode(raw, type=Catalog)


def encode_catalog(catalog: Catalog) -> bytes:
    """Write a catalog as JSON."""
    return msgspec.json.encode(catalog)
