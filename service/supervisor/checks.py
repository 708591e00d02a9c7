"""What the supervisor refuses before it starts anything, each as one sentence.

What only a child can find out (a provider that is missing, a bundle that is broken) it says itself, as `failed`.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from service.bus.redis.address import RedisUnusable, check_redis
from service.keys import KeysFault, read_keys
from service.settings import PREFIX, Settings
from service.tracing import TracingFault, check_tracing

_NEEDED = {
    "httptools": "the gateway would fall back to a parser that costs three times as much",
    "simplejpeg": "JPEG photos could not be decoded",
    "onnxruntime": "no model could be run; install the extra `cpu` or `gpu`",
}


Spelling = Callable[[str], str]  # how the person who gets a sentence spells the setting of this name
_OPTIONS = frozenset({"host", "port", "internal_port", "keys_file", "insecure"})  # of `fieldmark serve`


class StartRefused(Exception):
    """The service cannot start; the text is one sentence for a person."""


def check_start(settings: Settings) -> None:
    """Refuse what cannot work or must not be; `settings.store` is resolved already.

    Raises:
        StartRefused: with the first reason found.
    """
    check_address(settings)
    for package, consequence in _NEEDED.items():
        if find_spec(package) is None:
            raise StartRefused(f"The package {package} is not installed: {consequence}.")
    try:
        if settings.redis_url is not None:
            check_redis(settings.redis_url)
        check_tracing(settings)
    except (RedisUnusable, TracingFault) as fault:
        raise StartRefused(str(fault)) from fault
    check_ports(settings)


def as_option(name: str) -> str:
    """How a setting is spelt for `fieldmark serve`."""
    return f"--{name.replace('_', '-')}" if name in _OPTIONS else as_variable(name)


def as_variable(name: str) -> str:
    """How a setting is spelt for a process that has no options."""
    return f"{PREFIX}{name.upper()}{'=true' if Settings.model_fields[name].annotation is bool else ''}"


def check_address(settings: Settings, spell: Spelling = as_option) -> None:
    """Refuse an address that other machines reach, unless they are asked for a key or the operator insists."""
    if settings.keys_file is not None:
        _check_keys(settings.keys_file)
        return
    for name, host in (("host", settings.host), ("internal_host", settings.internal_host)):
        if not is_loopback(host) and not settings.insecure:
            raise StartRefused(
                f"{spell(name)} {host} can be reached by other machines, and nothing asks them for a key: name a file of keys "
                f"with {spell('keys_file')} (`fieldmark keys add` makes one), listen on 127.0.0.1, or insist with "
                f"{spell('insecure')}."
            )


def _check_keys(path: Path) -> None:
    try:
        keys = read_keys(path)
    except KeysFault as fault:
        raise StartRefused(str(fault)) from fault
    if not keys:
        raise StartRefused(
            f"The keys file {path} holds no key, so nobody could ask: add one with `fieldmark keys add`."
        )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address; a name other than `localhost` counts as public."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_ports(settings: Settings, spell: Spelling = as_option) -> None:
    """Refuse addresses that cannot be listened on."""
    check_port(settings.host, settings.port, spell)
    check_port(*settings.internal_address, spell, "internal_")


def check_port(host: str, port: int, spell: Spelling = as_option, prefix: str = "") -> None:
    """Bind an address once, so that a port in use is told before anything runs; `prefix` is that of its settings."""
    host_setting, port_setting = spell(f"{prefix}host"), spell(f"{prefix}port")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise StartRefused(f"{host_setting} {host} is not an address of this machine ({error.strerror}).") from error
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise StartRefused(_bind_fault(host, port, error, host_setting, port_setting)) from error


def _bind_fault(host: str, port: int, error: OSError, host_setting: str, port_setting: str) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"Port {port} on {host} is in use: choose another with {port_setting}, or stop what listens there."
        case errno.EACCES:
            return f"Port {port} is not open to this user: choose one above 1023 with {port_setting}."
        case errno.EADDRNOTAVAIL:
            return f"{host_setting} {host} is not an address of this machine."
        case code:
            return f"Cannot listen on {host}, port {port}: {os.strerror(code or 0)}."
