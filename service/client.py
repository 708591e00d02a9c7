"""The service's Python client, offered as `fieldmark.Client` and `fieldmark.AsyncClient`; needs the extra `client`.

Owns what every caller would otherwise write: how a question travels, the deadline of a whole call, when to ask again, and
what an answer or a problem document is in Python. The structures are those of `answers.py`, the exceptions those of
`errors.py`, and httpx, which carries the bytes, is imported here and nowhere else in the service.

A call is asked again only where the service invites it: 429 and 503 with `Retry-After` (RFC 9110, section 10.2.3) in whole
seconds, which the service has jittered already, as long as the deadline, `RETRIES_LIMIT` and the `RetryBudget` allow it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack

import httpx
import msgspec

from service.answers import ClassifyReply
from service.errors import (
    BY_SLUG,
    DeadlineExceeded,
    FieldmarkError,
    InvalidParameter,
    NotReady,
    Overloaded,
    from_wire,
)
from service.gateway.problems import CONTENT_TYPE, Problem

CLASSIFY = "/v1/classify"
TIMEOUT_MS = 10_000
RETRIES_LIMIT = 3
RETRIED_STATUSES = (Overloaded.status, NotReady.status)
#: Parameters whose length or content has no place in an address, which logs and proxies keep.
_NOT_IN_QUERY = ("text", "candidates")

#: A photo's encoded bytes, or the path of its file.
Photo = bytes | bytearray | memoryview | str | os.PathLike[str]
Reply = TypeVar("Reply")


class Wishes(TypedDict, total=False):
    """What may be asked of a classification, as `/docs` describes it; what is left out has the service's default."""

    text: str
    domain: str
    model: str
    top_k: int
    candidates: Sequence[str]
    certainty: float
    explain: bool
    force: bool


class Options(TypedDict, total=False):
    """How a client asks; see `AsyncClient`."""

    timeout_ms: int
    budget: RetryBudget
    headers: Mapping[str, str]
    sleep: Callable[[float], Awaitable[object]]


class Unreachable(FieldmarkError):
    """The service could not be reached, or the connection broke off."""

    slug, status, title = "unreachable", 503, "The service cannot be reached"


class UnexpectedAnswer(FieldmarkError):
    """What came back is no answer of the service: most likely something between it and the client spoke."""

    slug, status, title = "unexpected-answer", 502, "Not an answer of the service"


class RetryBudget:
    """Bounds the share of retries among all requests of a client, so that retries cannot double an overload.

    Every call adds `share` of a retry, up to `reserve`, which is also what there is in the beginning; a retry takes one.
    """

    def __init__(self, share: float = 0.1, reserve: float = 10.0) -> None:
        if not 0 <= share <= 1 or reserve < 0:
            raise ValueError(f"A retry budget has a share of 0..1 and no negative reserve; got {share} and {reserve}.")
        self._share = share
        self._reserve = reserve
        self.left = reserve

    def note_call(self) -> None:
        """Count a call."""
        self.left = min(self._reserve, self.left + self._share)

    def take(self) -> bool:
        """Take one retry, if there is one."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


class AsyncClient:
    """Asks one service, from one event loop at a time; usable as an asynchronous context manager.

    `timeout_ms` bounds a call with its retries, unless the call says otherwise. `headers` go with every request. `sleep`
    waits for so many seconds between attempts.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_ms: int = TIMEOUT_MS,
        budget: RetryBudget | None = None,
        headers: Mapping[str, str] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._timeout_ms = timeout_ms
        self._budget = budget or RetryBudget()
        self._sleep = sleep
        # The deadline is the call's; httpx would bound each wait for a piece of it anew.
        self._http = httpx.AsyncClient(base_url=url, timeout=None, headers=headers)  # noqa: S113 - see above

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def classify(self, *photos: Photo, timeout_ms: int | None = None, **wishes: Unpack[Wishes]) -> ClassifyReply:
        """Say what a photo, or several photos of one subject, show.

        Raises:
            DeadlineExceeded: there was no answer within `timeout_ms`.
            Unreachable, UnexpectedAnswer: the service could not be asked.
            FieldmarkError: the service's own refusal, as the class that `errors.py` has for its slug.
            OSError: a photo's file cannot be read.
        """
        limit_ms = self._timeout_ms if timeout_ms is None else timeout_ms
        if limit_ms < 1:
            raise InvalidParameter(f"timeout_ms is {limit_ms}; it must be at least 1.")
        self._budget.note_call()
        try:
            async with asyncio.timeout(limit_ms / 1000) as deadline:
                contents = [await _read(photo) for photo in photos]
                response = await self._ask(deadline, lambda left_ms: _question(contents, {**wishes}, left_ms))
        except TimeoutError:
            raise DeadlineExceeded(f"There was no answer within {limit_ms} ms.") from None
        except httpx.RequestError as error:
            raise Unreachable(
                f"{self._http.base_url} cannot be asked: {str(error) or type(error).__name__}."
            ) from error
        return _decode(response, ClassifyReply)

    async def _ask(self, deadline: asyncio.Timeout, question: Callable[[int], dict[str, Any]]) -> httpx.Response:
        """Ask until there is an answer that is final; `question` writes the request for the milliseconds that are left."""
        for retries_left in range(RETRIES_LIMIT, -1, -1):
            response = await self._http.post(CLASSIFY, **question(max(1, int(_left_s(deadline) * 1000))))
            if response.status_code == httpx.codes.OK:
                return response
            error = _error(response)
            wait_s = error.retry_after_s
            is_invited = response.status_code in RETRIED_STATUSES and wait_s is not None and wait_s < _left_s(deadline)
            if wait_s is None or not is_invited or not retries_left or not self._budget.take():
                raise error
            await self._sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")


class Client:
    """`AsyncClient` for code that waits: the same calls, from any thread; usable as a context manager.

    It asks from an event loop in a thread of its own, because only a loop can break a call off at its deadline: a timeout
    on a socket bounds one read, and a server that trickles never meets it.
    """

    def __init__(self, url: str, **options: Unpack[Options]) -> None:
        self._client = AsyncClient(url, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fieldmark-client", daemon=True)
        self._lock = threading.Lock()
        self._is_closed = False
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and end the thread; a second time changes nothing.

        Calls that still wait in other threads raise `concurrent.futures.CancelledError`.
        """
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            ended = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        ended.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def classify(self, *photos: Photo, timeout_ms: int | None = None, **wishes: Unpack[Wishes]) -> ClassifyReply:
        """Say what a photo, or several photos of one subject, show; raises what `AsyncClient.classify` raises."""
        return self._wait(self._client.classify(*photos, timeout_ms=timeout_ms, **wishes))

    def _wait(self, call: Coroutine[Any, Any, Reply]) -> Reply:
        with self._lock:
            if self._is_closed:
                call.close()
                raise RuntimeError("This client has been closed.")
            answer = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return answer.result()
        finally:
            answer.cancel()  # where the wait was interrupted, as by Ctrl-C; a call that is over takes no notice

    async def _end(self) -> None:
        """End the calls that wait: nobody would wake their threads once the loop has stopped."""
        calls = asyncio.all_tasks() - {asyncio.current_task()}
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await self._client.close()


async def _read(photo: Photo) -> bytes:
    if isinstance(photo, bytes | bytearray | memoryview):
        return bytes(photo)
    return await asyncio.to_thread(Path(photo).read_bytes)


def _question(photos: Sequence[bytes], wishes: dict[str, object], timeout_ms: int) -> dict[str, Any]:
    """Write a question as httpx takes it: one photo as it is with its parameters in the query, anything else as JSON."""
    given = {name: value for name, value in wishes.items() if value is not None} | {"timeout_ms": timeout_ms}
    if len(photos) == 1 and not any(name in given for name in _NOT_IN_QUERY):
        headers = {"content-type": "application/octet-stream"}
        return {"content": photos[0], "params": given, "headers": headers}
    sent = {"image": photos[0]} if len(photos) == 1 else {"images": photos}
    # msgspec writes bytes as base64.
    return {"content": msgspec.json.encode(sent | given), "headers": {"content-type": "application/json"}}


def _left_s(deadline: asyncio.Timeout) -> float:
    return (deadline.when() or 0.0) - asyncio.get_running_loop().time()


def _decode(response: httpx.Response, kind: type[Reply]) -> Reply:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.MsgspecError as error:
        raise UnexpectedAnswer(f"The answer of {response.url.path} cannot be read: {error}.") from None


def _error(response: httpx.Response) -> FieldmarkError:
    """Turn any answer but 200 into the exception that it is."""
    kind = response.headers.get("content-type", "none")
    error: FieldmarkError = UnexpectedAnswer(f"The answer has status {response.status_code} and content type {kind!r}.")
    if kind == CONTENT_TYPE:
        problem = _decode(response, Problem)
        if problem.type in BY_SLUG:
            error = from_wire(problem.type, problem.detail)
    after = response.headers.get("retry-after", "")
    error.retry_after_s = int(after) if after.isascii() and after.isdigit() else None
    error.request_id = response.headers.get("x-request-id")
    return error
