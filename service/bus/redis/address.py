"""Whether the Redis that the settings name can be asked at all: its package is there, and the client understands its URL.

Nothing is connected: whether anybody answers there is found out later, and may change. Of the URL only sentences are
made that cannot show its password, also where that is not spelt as a URL wants it.
"""

from __future__ import annotations

import difflib
import re
from importlib.util import find_spec
from urllib.parse import urlsplit


class RedisUnusable(Exception):
    """The setting `redis_url` cannot be used; the text is one sentence for a person."""


def check_redis(url: str) -> None:
    """Refuse a URL that no client could be made for.

    Raises:
        RedisUnusable: with the first reason found.
    """
    if find_spec("redis") is None:
        raise RedisUnusable("redis_url is set, and the package redis is not installed: install the extra `redis`.")
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise RedisUnusable(
            "redis_url names no host and port that can be read: a port is a number from 0 to 65535, an IPv6 address stands in "
            "brackets, and in a password `/`, `?`, `#` and `@` are written as %2F, %3F, %23 and %40."
        ) from None
    from redis.exceptions import RedisError

    from service.bus.redis.clients import try_url

    try:
        try_url(url)
    except (ValueError, TypeError, AttributeError, RedisError) as error:
        raise RedisUnusable(_sentence(url, str(error))) from error


def _sentence(url: str, reason: str) -> str:
    """Say what the client said."""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", reason)
    if unknown is None:
        return f"redis_url cannot be used: {reason.rstrip('.')}."
    name = unknown[1]
    if name.startswith("ssl_") and not url.startswith("rediss://"):
        return f"redis_url has the parameter {name}, which is one of TLS: the URL must begin with rediss://."
    from redis.connection import URL_QUERY_ARGUMENT_PARSERS

    near = difflib.get_close_matches(name, URL_QUERY_ARGUMENT_PARSERS, n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    return f"redis_url has a parameter {name}, which the client of Redis does not know{hint}"
