"""The client for code that waits: the calls of `asking.py` from any thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from service.answers import ClassifyReply, SubjectsReply
from service.client.asking import AsyncClient
from service.client.budget import RetryBudget
from service.client.wire import AnswerWishes, GroundWishes, LookWishes, Photo, Reply, SubjectsWishes, Wishes
from service.replies import GroundReply, LookReply, QuestionReply


class Options(TypedDict, total=False):
    """How a client asks; see `AsyncClient`."""

    key: str
    timeout_ms: int
    budget: RetryBudget
    headers: Mapping[str, str]
    sleep: Callable[[float], Awaitable[object]]


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

    def classify_subjects(
        self, photo: Photo, *, timeout_ms: int | None = None, **wishes: Unpack[SubjectsWishes]
    ) -> SubjectsReply:
        """Say of everything that a detector finds in a photo what it is; see `AsyncClient.classify_subjects`."""
        return self._wait(self._client.classify_subjects(photo, timeout_ms=timeout_ms, **wishes))

    def ground(
        self, photo: Photo, *expressions: str, timeout_ms: int | None = None, **wishes: Unpack[GroundWishes]
    ) -> GroundReply:
        """Find in a photo what expressions mean; raises what `AsyncClient.classify` raises."""
        return self._wait(self._client.ground(photo, *expressions, timeout_ms=timeout_ms, **wishes))

    def answer(
        self, photo: Photo, question: str, *, timeout_ms: int | None = None, **wishes: Unpack[AnswerWishes]
    ) -> QuestionReply:
        """Answer a question about a photo; raises what `AsyncClient.classify` raises."""
        return self._wait(self._client.answer(photo, question, timeout_ms=timeout_ms, **wishes))

    def look(self, photo: Photo, *, timeout_ms: int | None = None, **wishes: Unpack[LookWishes]) -> LookReply:
        """Do several tasks on one photo; see `AsyncClient.look`."""
        return self._wait(self._client.look(photo, timeout_ms=timeout_ms, **wishes))

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
