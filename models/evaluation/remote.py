"""A running service as an answerer: each photo is uploaded as it is, over connections that are kept open.

Owns the few lines of HTTP that this takes. What the gateway adds to an answer, its id and times, is taken off again, so
that the rest can be compared with the engine's own.
"""

from __future__ import annotations

import http.client
import json
import threading
from typing import Self
from urllib.parse import urlencode, urlsplit

from models.evaluation.asking import Answered, Refused

TIMEOUT_S = 60.0
_ADDED = ("id", "timing_ms")


class Service:
    """`POST /v1/classify` of the service at a base URL, always `asked` alike; leaving its `with` closes all connections."""

    def __init__(self, url: str, asked: dict[str, str]) -> None:
        """Raises ValueError where the URL is not one of HTTP."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"--url {url}: give it as http://HOST:PORT")
        self._connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._port = parts.hostname, parts.port
        self._path = f"{parts.path.rstrip('/')}/v1/classify"
        self._asked = asked
        self._kept = threading.local()
        self._opened: list[http.client.HTTPConnection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._opened:
            connection.close()

    def __call__(self, photo: bytes, text: str | None = None) -> Answered:
        """Upload one photo, with a text in the query; raises Refused with the service's own reason."""
        try:
            status, body = self._post(photo, self._asked if text is None else self._asked | {"text": text})
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise Refused(f"no answer from {self._host}: {error}") from error
        try:
            found = json.loads(body)
        except ValueError as error:
            raise Refused(f"status {status} without JSON") from error
        if status != http.client.OK:
            raise Refused(str(found.get("detail", f"status {status}")))
        return Answered(canonical({key: value for key, value in found.items() if key not in _ADDED}))

    def _post(self, photo: bytes, asked: dict[str, str]) -> tuple[int, bytes]:
        connection = self._connection()
        connection.request(
            "POST", f"{self._path}?{urlencode(asked)}", photo, {"Content-Type": "application/octet-stream"}
        )
        response = connection.getresponse()
        return response.status, response.read()

    def _connection(self) -> http.client.HTTPConnection:
        """This thread's own, opened when it is first needed."""
        connection: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        if connection is None:
            connection = self._kept.connection = self._connect(self._host, self._port, timeout=TIMEOUT_S)
            self._opened.append(connection)
        return connection

    def _drop(self) -> None:
        """Close this thread's connection; the next photo gets a new one."""
        self._connection().close()
        self._kept.connection = None


def canonical(answer: object) -> bytes:
    """An answer's JSON with its keys in order, so that equal answers have equal bytes."""
    return json.dumps(answer, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
