"""The way to Redis: a password, TLS, and a server that does not answer."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from service.bus.redis.worker import RedisWorkerBus
from tests.service.bus.redis_server import RedisServer
from tests.service.bus.redis_setups import LEASE_S, redis_bus


def test_a_worker_says_that_redis_does_not_answer(tmp_path: Path):
    with pytest.raises(OSError, match="Redis does not answer"):
        RedisWorkerBus(RedisServer(tmp_path).url, lease_s=0.1)


@pytest.mark.anyio
async def test_a_password_is_asked_for_and_given(tmp_path: Path):
    server = RedisServer(tmp_path)
    server.options += ["--requirepass", "a secret"]
    with server:
        with pytest.raises(OSError, match=r"Redis does not answer.*[Aa]uthentication"):
            RedisWorkerBus(server.url, lease_s=LEASE_S)
        server.url = server.url.replace("//", "//:a%20secret@")
        await ask_once(server)


@pytest.mark.anyio
async def test_tls_is_spoken_and_the_certificate_is_checked(tmp_path: Path):
    certificate, key = make_certificate(tmp_path)
    server = RedisServer(tmp_path)
    server.options += ["--port", "0", "--tls-port", str(server.port), "--tls-auth-clients", "no"]
    server.options += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    server.url = server.url.replace("redis://", "rediss://")
    with server:
        with pytest.raises(OSError, match="certificate verify failed"):
            RedisWorkerBus(server.url, lease_s=LEASE_S)
        with pytest.raises(OSError, match="No such file"):
            RedisWorkerBus(f"{server.url}?ssl_ca_certs={tmp_path / 'none.crt'}", lease_s=LEASE_S)
        server.url += f"?ssl_ca_certs={certificate}"
        await ask_once(server)


async def ask_once(server: RedisServer) -> None:
    """One request there and back."""
    async with redis_bus(server) as setup:
        worker = await setup.join()
        worker.answer_everything()
        assert (await setup.submit()).body == b"{}"


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of its own authority for 127.0.0.1, and its key."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs openssl to make a certificate")
    certificate, key = folder / "redis.crt", folder / "redis.key"
    command = [
        program,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=redis",
    ]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
