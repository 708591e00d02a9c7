"""Every number that an operator may change, read once, each with its unit, range and reason.

Order: command line > environment `FIELDMARK_*` > `fieldmark.toml` > default. Nothing else in the service reads the
environment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

Device = Literal["cpu", "cuda", "tensorrt"]


class Settings(BaseSettings):
    """The service's settings; frozen after reading."""

    model_config = SettingsConfigDict(
        env_prefix="FIELDMARK_", toml_file="fieldmark.toml", frozen=True, extra="ignore"
    )

    host: str = Field("127.0.0.1", description="Address to listen on; a public one needs keys or --insecure.")
    port: int = Field(8000, ge=0, le=65_535, description="TCP port; 0 lets the system choose.")
    insecure: bool = Field(False, description="Serve a public address without keys.")
    store: tuple[Path, ...] = Field((), description="Folders of bundles; the first that holds a version wins.")
    device: Device = Field("cpu", description="Where models run.")
    workers: int = Field(1, ge=1, le=64, description="Worker processes; one is best on a CPU, one a GPU otherwise.")
    lanes: int = Field(0, ge=0, le=256, description="Requests a CPU worker runs at once; 0: the usable cores.")
    socket: Path | None = Field(None, description="Unix socket of the local bus; by default a fresh private one.")

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
    bulk_share: float = Field(0.1, ge=0, le=1, description="Least share of the capacity that bulk work gets.")
    attempts_limit: int = Field(3, ge=1, le=10, description="How often a request may be sent to a worker.")
    poison_memory_s: float = Field(600.0, ge=0, description="How long a photo that crashed workers stays refused.")

    stall_timeout_s: float = Field(30.0, gt=0, le=3600, description="Inference without progress counts as wedged.")
    worker_memory_bytes: int = Field(4 << 30, ge=64 << 20, description="A worker above this is replaced.")
    drain_timeout_s: float = Field(30.0, ge=0, le=3600, description="Time to finish accepted work at shutdown.")
    start_timeout_s: float = Field(120.0, gt=0, le=3600, description="Time for a worker to become ready.")

    log_format: Literal["auto", "text", "json"] = Field("auto", description="auto: text on a terminal, else JSON.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    testing_backends: bool = Field(False, description="Admit bundles whose backend is a fake; for tests.")

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


def usable_cores() -> int:
    """Cores this process may use: its affinity, and the cgroup's CPU quota rounded up."""
    cores = len(os.sched_getaffinity(0))
    quota = _cgroup_cores()
    return max(1, min(cores, quota) if quota else cores)


def _cgroup_cores() -> int | None:
    """Whole cores of the CPU quota (cgroup v2 `cpu.max`, v1 `cpu.cfs_*`), or None without one."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").read_text().strip()
            period = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if quota in ("max", "-1"):
        return None
    return max(1, -(-int(quota) // int(period)))


def explain(settings: Settings, given: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Each setting as (name, value, where it came from); `given` are the values of the command line."""
    from_file = TomlConfigSettingsSource(Settings)()
    rows = []
    for name in Settings.model_fields:
        if name in given:
            origin = "command line"
        elif f"FIELDMARK_{name.upper()}" in os.environ:
            origin = "environment"
        elif name in from_file:
            origin = "fieldmark.toml"
        else:
            origin = "default"
        rows.append((name, str(getattr(settings, name)), origin))
    return rows
