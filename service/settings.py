"""Every number that an operator may change, read once, each with its unit, range and reason.

Order: command line > environment `FIELDMARK_*` > `fieldmark.toml` > default. Owns the reading, the way settings travel
to child processes, and the account of where each value came from. Nothing else in the service reads these variables.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from models.faults import in_words

PORT_LIMIT = 65_535
FEATURE_CACHE_BYTES = 32 << 20
PREFIX = "FIELDMARK_"
FILE_NAME = "fieldmark.toml"

Device = Literal["cpu", "cuda", "tensorrt"]
Arithmetic = Literal["exact", "int8"]  # as a bundle's variants name it
LogFormat = Literal["auto", "text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


class Settings(BaseSettings):
    """The service's settings; frozen after reading."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, toml_file=FILE_NAME, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on; a public one needs keys or --insecure.")
    port: int = Field(8000, ge=0, le=PORT_LIMIT, description="TCP port; 0 lets the system choose.")
    internal_host: str = Field("127.0.0.1", description="Address of the internal port: figures, readiness in full.")
    internal_port: int | None = Field(
        None,
        ge=0,
        le=PORT_LIMIT,
        description="The internal TCP port; by default the one after `port`, where that is not 0.",
    )
    keys_file: Path | None = Field(
        None, description="File of the keys that may ask (`fieldmark keys` writes it); none: whoever reaches the port."
    )
    insecure: bool = Field(False, description="Serve a public address without keys.")
    store: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="Folders of bundles; the first that holds a version wins."
    )
    device: Device = Field("cpu", description="Where models run; tensorrt falls back to cuda, never to the CPU.")
    arithmetic: Arithmetic = Field(
        "exact", description="int8: bundles that have a graph in 8 bits compute with it, about twice as fast; cpu only."
    )
    workers: int | None = Field(
        None, ge=1, le=64, description="Worker processes; by default one on a CPU, else one a GPU."
    )
    lanes: int = Field(0, ge=0, le=256, description="Requests a CPU worker runs at once; 0: the usable cores.")
    socket: Path | None = Field(None, description="Unix socket of the local bus; by default a fresh private one.")
    redis_url: str | None = Field(
        None, description="Redis that links hosts, as redis://, rediss:// (TLS) or unix://; none: this host alone."
    )

    body_limit_bytes: int = Field(20 << 20, ge=1 << 10, le=1 << 30, description="Largest request body.")
    header_limit_bytes: int = Field(16 << 10, ge=1 << 10, le=1 << 20, description="Largest request head.")
    field_limit_bytes: int = Field(64 << 10, ge=256, le=1 << 20, description="Largest form field besides photos.")
    header_timeout_s: float = Field(10.0, gt=0, le=600, description="Time for a client to send its head.")
    body_timeout_s: float = Field(30.0, gt=0, le=600, description="Time for a client to send its body.")
    keep_alive_s: int = Field(75, ge=1, le=3600, description="Idle time of a connection; above usual balancers'.")
    connections_limit: int = Field(2048, ge=1, le=65_536, description="Open client connections.")

    timeout_ms: int = Field(10_000, ge=1, le=600_000, description="A request's time, where it names none.")
    timeout_limit_ms: int = Field(60_000, ge=1, le=600_000, description="The most time a request may ask for.")
    max_queue_wait_ms: int = Field(1_000, ge=1, le=600_000, description="Longest predicted wait that is admitted.")
    queue_limit: int = Field(512, ge=1, le=1 << 16, description="Most requests in the queue.")
    queue_limit_bytes: int = Field(256 << 20, ge=1 << 20, le=1 << 36, description="Most photo bytes in the queue.")
    bulk_share: float = Field(
        0.1, ge=0, le=1, description="Least share of the capacity that bulk work gets; nothing over HTTP is bulk yet."
    )
    attempts_limit: int = Field(3, ge=1, le=10, description="How often a request may be sent to a worker.")
    poison_memory_s: float = Field(600.0, ge=0, description="How long a photo that crashed workers stays refused.")

    stall_timeout_s: float = Field(30.0, gt=0, le=3600, description="Inference without progress counts as wedged.")
    worker_memory_bytes: int = Field(4 << 30, ge=64 << 20, description="A worker above this is replaced.")
    feature_cache_bytes: int = Field(
        FEATURE_CACHE_BYTES,
        ge=0,
        le=1 << 34,
        description="Features of photos kept for their next expressions; 0: none.",
    )
    drain_timeout_s: float = Field(30.0, ge=0, le=3600, description="Time to finish accepted work at shutdown.")
    start_timeout_s: float = Field(120.0, gt=0, le=3600, description="Time for a worker to become ready.")

    log_format: LogFormat = Field("auto", description="auto: text on a terminal, else JSON.")
    log_level: LogLevel = Field("info", description="Least level that is logged.")
    access_log_share: float = Field(
        0.0, ge=0, le=1, description="Share of the requests that get a log line; above 0, faults of ours always do."
    )
    traces: str = Field(
        "none", description="Where traces go: none, log, or an exporter of OpenTelemetry such as otlp_proto_http."
    )
    traces_share: float = Field(
        1.0, ge=0, le=1, description="Share of the traces kept, where the caller has not chosen."
    )
    testing_backends: bool = Field(False, description="Admit bundles whose backend is a fake; for tests.")

    @field_validator("store", mode="before")
    @classmethod
    def _split_store(cls, value: object) -> object:
        """Take one text as a list of folders with `:` between them, as PATH does."""
        if isinstance(value, str):
            return tuple(part for part in value.split(os.pathsep) if part)
        return value

    @field_validator("store")
    @classmethod
    def _one_folder_each(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        for folder in value:
            if os.pathsep in str(folder):
                raise ValueError(f"{folder} holds a {os.pathsep!r}, which separates folders")
        return value

    @field_validator("redis_url")
    @classmethod
    def _known_scheme(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(REDIS_SCHEMES):
            raise ValueError(f"it must begin with {', '.join(REDIS_SCHEMES)}")
        return value

    @field_validator("host", "internal_host")
    @classmethod
    def _bare_host(cls, value: str) -> str:
        """Take an IPv6 address in the brackets that it has in a URL, too."""
        return value[1:-1] if value.startswith("[") and value.endswith("]") else value

    @property
    def internal_address(self) -> tuple[str, int]:
        """Host and port of the internal port; 0 lets the system choose."""
        after = self.port + 1 if 0 < self.port < PORT_LIMIT else 0
        return self.internal_host, after if self.internal_port is None else self.internal_port

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, environment, file; no .env files and no secrets folder."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


class _InheritedSettings(Settings):
    """What the supervisor decided, word for word: a child does not read the file again, which may have changed."""

    model_config = SettingsConfigDict(toml_file=None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the environment."""
        return (env_settings,)


class SettingsError(ValueError):
    """The settings cannot be used; the text names each fault, its value and where it came from."""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as `fieldmark settings` shows it."""

    name: str
    value: str
    origin: str
    description: str


def read_settings(given: Mapping[str, Any] | None = None) -> Settings:
    """Read all settings; `given` holds the values of the command line, where None means not given.

    Raises:
        SettingsError: a value is not possible, a name is unknown, or the file is not TOML.
    """
    named = {name: value for name, value in (given or {}).items() if value is not None}
    try:
        return Settings(**named)
    except ValidationError as error:
        origins = _origins(named)
        faults = [_describe_fault(fault, origins) for fault in error.errors()]
        raise SettingsError("; ".join(faults)) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{FILE_NAME} is not TOML: {error}") from error


def read_inherited() -> Settings:
    """Read the settings that a supervisor handed down through `to_environment`."""
    return _InheritedSettings()


def to_environment(settings: Settings) -> dict[str, str]:
    """Spell all settings as the environment variables that give them back; what is None stays out."""
    variables = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if value is not None:
            text = os.pathsep.join(map(str, value)) if isinstance(value, tuple) else str(value)
            variables[PREFIX + name.upper()] = text
    return variables


def explain(settings: Settings, given: Iterable[str] = ()) -> list[SettingRow]:
    """Give each setting with its value and origin; `given` names those of the command line."""
    origins = _origins(given)
    rows = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        text = os.pathsep.join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)
        rows.append(
            SettingRow(
                name,
                without_password(text) if name == "redis_url" else text,
                origins.get(name, "default"),
                field.description or "",
            )
        )
    return rows


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[tuple[str, str | None]]:
    """Name the `FIELDMARK_*` variables that set nothing, each with the one that may have been meant."""
    found = []
    for variable in sorted(environment):
        name = variable.lower().removeprefix(PREFIX.lower())
        if variable.upper().startswith(PREFIX) and name not in Settings.model_fields:
            near = _near(name)
            found.append((variable, PREFIX + near.upper() if near else None))
    return found


def without_password(url: str) -> str:
    """A URL that may be shown: the password in it is replaced, before the host or among its parameters."""
    shown = re.sub(r"(?<=//)([^/@]*?):[^/]*@", r"\1:***@", url)
    return re.sub(r"(?<=[?&]password=)[^&]*", "***", shown)


def _near(name: str) -> str | None:
    """Give the setting that a misspelt name may have meant."""
    return next(iter(difflib.get_close_matches(name, Settings.model_fields, n=1)), None)


def _origins(given: Iterable[str]) -> dict[str, str]:
    """Where each setting that is not a default comes from; the strongest source is written last."""
    origins = dict.fromkeys(TomlConfigSettingsSource(Settings)(), FILE_NAME)
    for variable in os.environ:
        name = variable.lower().removeprefix(PREFIX.lower())
        if variable.upper().startswith(PREFIX) and name in Settings.model_fields:
            origins[name] = "environment"
    return origins | dict.fromkeys(given, "command line")


def _describe_fault(fault: ErrorDetails, origins: Mapping[str, str]) -> str:
    name = str(fault["loc"][0])
    origin = origins.get(name, "default")
    if fault["type"] == "extra_forbidden":
        near = _near(name)
        hint = f"; did you mean {near}?" if near else ""
        return f"{name} ({origin}): there is no such setting{hint}"
    value = without_password(str(fault["input"])) if name == "redis_url" else fault["input"]
    return f"{name} = {value!r} ({origin}): {in_words(fault)}"
