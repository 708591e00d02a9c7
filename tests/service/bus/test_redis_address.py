"""What is refused of a `redis_url` before anything is connected, in sentences that show no password."""

from __future__ import annotations

import pytest

from service.bus.redis import address
from service.bus.redis.address import RedisUnusable, check_redis


@pytest.mark.parametrize(
    "url",
    [
        "redis://host",
        "redis://user:a%20secret@host:6379/0?socket_timeout=4",
        "rediss://[::1]:6380/1?ssl_ca_certs=/no/such/file.crt",
        "unix:///run/redis.sock?db=1&password=secret",
    ],
)
def test_a_url_that_redis_understands_passes_whoever_is_there(url: str):
    check_redis(url)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis://host:abc/0", "a port is a number from 0 to 65535"),
        ("redis://host:99999/0", "a port is a number from 0 to 65535"),
        ("redis://[::1:6379/0", "an IPv6 address stands in brackets"),
        (
            "redis://host?sock_timeot=4",
            r"has a parameter sock_timeot, which the client of Redis does not know; did you mean socket_timeout\?$",
        ),
        ("redis://host?colour=red", r"has a parameter colour, which the client of Redis does not know\.$"),
        ("redis://host?socket_timeout=soon", "cannot be used: Invalid value for 'socket_timeout'"),
        ("rediss://host?ssl_cert_reqs=perhaps", "cannot be used: Invalid SSL Certificate Requirements Flag: perhaps"),
        ("redis://host?ssl_ca_certs=/ca.crt", "which is one of TLS: the URL must begin with rediss://"),
    ],
)
def test_a_url_that_no_client_can_be_made_for_is_one_sentence(url: str, sentence: str):
    with pytest.raises(RedisUnusable, match=sentence):
        check_redis(url)


def test_a_password_that_is_not_spelt_for_a_url_is_not_shown():
    with pytest.raises(RedisUnusable, match="%2F") as refused:
        check_redis("redis://:pass/word@host:6379/0")
    assert "pass/" not in str(refused.value)
    assert "'pass'" not in str(refused.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(address, "find_spec", lambda _name: None)
    with pytest.raises(RedisUnusable, match="install the extra `redis`"):
        check_redis("redis://host")
