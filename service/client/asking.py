"""A client with an event loop: the deadline of a whole call, and when to ask again.

How a question travels and what its answer is in Python stands in `wire.py`.

A call is asked again only where the service invites it: 429 and 503 with `Retry-After` (RFC 9110, section 10.2.3) in whole
seconds, which the service has jittered already, as long as the deadline, `RETRIES_LIMIT` and the `RetryBudget` allow it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

import httpx

from service.answers import ClassifyReply, SubjectsReply
from service.client.budget import RetryBudget
from service.client.wire import (
    AnswerWishes,
    GroundWishes,
    LookWishes,
    Photo,
    SubjectsWishes,
    Unreachable,
    Wishes,
    decode,
    decode_look,
    read_error,
    write_question,
)
from service.errors import DeadlineExceeded, InvalidParameter, NotReady, Overloaded
from service.replies import GroundReply, LookReply, QuestionReply

TIMEOUT_MS = 10_000
RETRIES_LIMIT = 3
RETRIED_STATUSES = (Overloaded.status, NotReady.status)


class AsyncClient:
    """Asks one service, from one event loop at a time; usable as an asynchronous context manager.

    `key` is asked for by a service that has a keys file. `timeout_ms` bounds a call with its retries, unless the call says
    otherwise. `headers` go with every request. `sleep` waits for so many seconds between attempts.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout_ms: int = TIMEOUT_MS,
        budget: RetryBudget | None = None,
        headers: Mapping[str, str] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        key = None if key is None else key.strip()  # as it comes out of a file
        if key is not None and not (key and key.isascii() and key.isprintable()):
            raise ValueError("The key is empty, or has a character that no key has.")  # it is not shown
        self._timeout_ms = timeout_ms
        self._budget = budget or RetryBudget()
        self._sleep = sleep
        given = {**(headers or {}), **({} if key is None else {"authorization": f"Bearer {key}"})}
        # The deadline is the call's; httpx would bound each wait for a piece of it anew.
        self._http = httpx.AsyncClient(base_url=url, timeout=None, headers=given)  # noqa: S113 - see above

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
        return decode(await self._call("classify", photos, {**wishes}, timeout_ms), ClassifyReply)

    async def classify_subjects(
        self, photo: Photo, *, timeout_ms: int | None = None, **wishes: Unpack[SubjectsWishes]
    ) -> SubjectsReply:
        """Say of everything that a detector finds in a photo what it is; raises what `classify` raises."""
        return decode(await self._call("classify", [photo], {"locate": "all", **wishes}, timeout_ms), SubjectsReply)

    async def ground(
        self, photo: Photo, *expressions: str, timeout_ms: int | None = None, **wishes: Unpack[GroundWishes]
    ) -> GroundReply:
        """Find in a photo what expressions mean; raises what `classify` raises."""
        asked = {"expressions": list(expressions), **wishes}
        return decode(await self._call("ground", [photo], asked, timeout_ms), GroundReply)

    async def answer(
        self, photo: Photo, question: str, *, timeout_ms: int | None = None, **wishes: Unpack[AnswerWishes]
    ) -> QuestionReply:
        """Answer a question about a photo; raises what `classify` raises."""
        asked = {"question": question, **wishes}
        return decode(await self._call("answer", [photo], asked, timeout_ms), QuestionReply)

    async def look(self, photo: Photo, *, timeout_ms: int | None = None, **wishes: Unpack[LookWishes]) -> LookReply:
        """Do several tasks on one photo, which the service decodes once; raises what `classify` raises.

        A part that cannot be answered is a `PartProblem` in its place, unless none can.
        """
        return decode_look(await self._call("look", [photo], {**wishes}, timeout_ms))

    async def _call(
        self, task: str, photos: Sequence[Photo], wishes: dict[str, object], timeout_ms: int | None
    ) -> httpx.Response:
        """Ask within the time of one call."""
        limit_ms = self._timeout_ms if timeout_ms is None else timeout_ms
        if limit_ms < 1:
            raise InvalidParameter(f"timeout_ms is {limit_ms}; it must be at least 1.")
        self._budget.note_call()
        try:
            async with asyncio.timeout(limit_ms / 1000) as deadline:
                contents = [await _read(photo) for photo in photos]
                return await self._ask(task, deadline, lambda left_ms: write_question(contents, wishes, left_ms))
        except TimeoutError:
            raise DeadlineExceeded(f"There was no answer within {limit_ms} ms.") from None
        except httpx.RequestError as error:
            raise Unreachable(
                f"{self._http.base_url} cannot be asked: {str(error) or type(error).__name__}."
            ) from error

    async def _ask(
        self, task: str, deadline: asyncio.Timeout, question: Callable[[int], dict[str, Any]]
    ) -> httpx.Response:
        """Ask until there is an answer that is final; `question` writes the request for the milliseconds that are left."""
        for retries_left in range(RETRIES_LIMIT, -1, -1):
            response = await self._http.post(f"/v1/{task}", **question(max(1, int(_left_s(deadline) * 1000))))
            if response.status_code == httpx.codes.OK:
                return response
            error = read_error(response)
            wait_s = error.retry_after_s
            is_invited = response.status_code in RETRIED_STATUSES and wait_s is not None and wait_s < _left_s(deadline)
            if wait_s is None or not is_invited or not retries_left or not self._budget.take():
                raise error
            await self._sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")


async def _read(photo: Photo) -> bytes:
    if isinstance(photo, bytes | bytearray | memoryview):
        return bytes(photo)
    return await asyncio.to_thread(Path(photo).read_bytes)


def _left_s(deadline: asyncio.Timeout) -> float:
    return (deadline.when() or 0.0) - asyncio.get_running_loop().time()
