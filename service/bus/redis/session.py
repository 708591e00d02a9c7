"""One stay of a gateway at Redis: the workers of other hosts that it knows, what it has sent them, and their answers.

Three tasks of one connection's life: the outbox sends, a reader takes in answers and what workers tell, a watcher keeps
this gateway's lease and the list of living workers true. Any fault of Redis ends all three; `abandon` then gives back
to the dispatcher what other hosts hold.

The dispatcher books a request on a worker; which one took it only Redis knows. That matters when a worker is lost: the
roster tells what was in its hands, and the books are put right before the dispatcher judges.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass

import msgspec

from service.bus.dispatch import Dispatcher
from service.bus.links import Worker
from service.bus.messages import Drain, Heartbeat, Request, Result
from service.bus.redis import scripts, wire
from service.bus.redis.clients import Command, LoopClient
from service.bus.redis.outbox import Outbox, Sent, Withdrawal, tell
from service.bus.redis.roster import News, Roster, read_head
from service.bus.redis.wire import EVENTS, Fields
from service.errors import ClientClosed
from service.logs import get_logger

LOOKS_PER_LEASE = 3
ENTRIES_AT_ONCE = 256

log = get_logger()


@dataclass(slots=True, eq=False)
class Link:
    """The way to one worker of another host; implements the dispatcher's `Link`."""

    session: Session
    worker: str

    def deliver(self, request: Request, images: Sequence[bytes]) -> None:
        """Put a request into its route's stream, or a suspect into the worker's own."""
        stream = wire.control_key(self.worker) if request.alone else wire.route_key(request.route)
        self.session.send(Sent(request, images, stream, self.worker))

    def cancel(self, number: int) -> None:
        """Withdraw a request."""
        self.session.cancel(number)

    def drain(self) -> None:
        """Say nothing: a worker that leaves takes nothing more by itself."""


class Session:
    """Runs until Redis is gone. `opened` is called once other hosts can be reached."""

    def __init__(self, client: LoopClient, dispatcher: Dispatcher, clock: Callable[[], float], lease_s: float) -> None:
        self.gateway = secrets.token_hex(8)
        self._client = client
        self._dispatcher = dispatcher
        self._clock = clock
        self._lease_s = lease_s
        self._outbox = Outbox(client, self.gateway, clock, self._came_back, self._refused)
        self._roster = Roster(client, clock, lease_s)
        self._answers = wire.answers_key(self.gateway)
        self._workers: dict[str, Worker] = {}
        self._sent: dict[int, Sent] = {}
        self._has_looked = False
        self._has_news = asyncio.Event()
        self._is_over = False
        self._was_full = False  # it is said once a session; the refusals are counted

    # Towards the workers

    def send(self, sent: Sent) -> None:
        """Send a request."""
        self._sent[sent.request.id] = sent
        self._outbox.put(sent)

    def cancel(self, number: int) -> None:
        """Withdraw a request that is not wanted any more."""
        if sent := self._sent.get(number):
            self._outbox.put(Withdrawal(sent))

    async def run(self, opened: Callable[[], None]) -> None:
        """Stay in touch; raises an ExceptionGroup of RedisError or OSError when Redis is gone."""
        lease_ms = int(self._lease_s * 1000 * wire.GATEWAY_LEASES)
        await self._client.run("SCRIPT LOAD", scripts.ANYWAY)
        events = await self._client.run("XREVRANGE", EVENTS, "+", "-", "COUNT", 1)
        answers = await self._client.run("EVAL", scripts.BEGIN, 1, self._answers, lease_ms)
        await self._roster.join(self.gateway)
        opened()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._until_over(self._outbox.run()))
            tasks.create_task(self._until_over(self._read(answers, events[0][0] if events else b"0-0")))
            tasks.create_task(self._until_over(self._watch(lease_ms)))

    async def _until_over(self, part: Coroutine[None, None, None]) -> None:
        """Run one of the three; its end is the end of all, also where the client swallows a cancellation."""
        try:
            await part
        finally:
            self.end()

    def end(self) -> None:
        """Let all three tasks return by themselves; the reader within a third of a lease."""
        self._is_over = True
        self._has_news.set()
        self._outbox.end()

    async def leave(self) -> None:
        """Send what is there and let `run` return: its reader waits for an answer, so it gets one without content."""
        await self._outbox.flushed()
        self.end()
        await self._client.run(*wire.anyway("XADD", self._answers, "NOMKSTREAM", "*", "end", ""))

    async def farewell(self) -> None:
        """Tell the workers that this gateway is gone; for when `run` has ended."""
        commands: list[Command] = [("DEL", self._answers), ("SREM", wire.GATEWAYS, self.gateway)]
        commands += [tell(name, self.gateway, Drain()) for name in self._workers]
        await self._client.run_all(commands)

    def abandon(self) -> None:
        """Redis is gone: what other hosts hold goes back to the queue, and nobody is to blame."""
        for worker in self._workers.values():
            self._dispatcher.pause(worker, is_paused=True)  # what one gives back must not go to the next
        for name in list(self._workers):
            worker = self._workers.pop(name)
            self._dispatcher.lost(worker, blameless=list(worker.held))

    # What workers say

    async def _read(self, answers_seen: bytes, events_seen: bytes) -> None:
        wait_ms = int(self._lease_s * 1000 / LOOKS_PER_LEASE)
        streams = ("STREAMS", self._answers, EVENTS)
        while not self._is_over:
            reply = await self._client.run(
                "XREAD", "COUNT", ENTRIES_AT_ONCE, "BLOCK", wait_ms, *streams, answers_seen, events_seen
            )
            for stream, entries in reply or ():
                if stream == EVENTS.encode():
                    events_seen = entries[-1][0]
                    self._hear(entries)
                else:
                    answers_seen = entries[-1][0]
                    for _, fields in entries:
                        await self._take_answer(fields)
                    await self._client.run("XDEL", self._answers, *(entry for entry, _ in entries))

    def _hear(self, entries: Sequence[tuple[bytes, Fields]]) -> None:
        for _, fields in entries:
            event, name = fields[b"event"], fields[b"worker"].decode()
            if event in (wire.JOINED, wire.GONE):
                self._has_news.set()
                continue
            worker, message = self._workers.get(name), read_head(event)
            if worker is not None and isinstance(message, Heartbeat):
                self._dispatcher.beat(worker, message)
            elif worker is not None and isinstance(message, Drain):
                self._dispatcher.retire(worker)

    async def _take_answer(self, fields: Fields) -> None:
        if wire.MISSING in fields:
            self._miss(int(fields[wire.MISSING]))
            return
        message = read_head(fields[b"head"]) if b"head" in fields else None
        if not isinstance(message, Result):
            return
        body = fields[b"body"] if b"body" in fields else await self._client.run("GETDEL", fields[b"key"])
        worker = self._booked_on(message.id)
        if worker is None:
            self._dispatcher.counters.late += 1
            return
        self._sent.pop(message.id, None)
        if body is None or message.error == wire.BODY_LOST:
            log.warning("body_lost", is_answer=body is None)  # Redis evicts what does not fit, or somebody emptied it
            self._dispatcher.strayed(worker, message.id, is_suspect=False)
        else:
            self._dispatcher.finish(worker, message, body)

    def _miss(self, number: int) -> None:
        """A request that was withdrawn is nowhere in Redis: if it has no answer by now it was lost, and its credit is free."""
        if worker := self._booked_on(number):
            log.warning("request_lost", worker=worker.hello.worker)
            self._sent.pop(number, None)
            self._dispatcher.strayed(worker, number, is_suspect=False)

    def _came_back(self, request: Request) -> None:
        """A request was withdrawn before any worker took it: its credit is free again."""
        if worker := self._booked_on(request.id):
            self._sent.pop(request.id, None)
            self._dispatcher.finish(worker, Result(request.id, error=ClientClosed.slug), b"")

    def _refused(self, sent: Sent) -> None:
        """Redis has no room for a request: its caller is told so, unless it was taken back meanwhile."""
        number = sent.request.id
        if not self._was_full:
            log.warning("redis_full", request_bytes=sum(sent.request.sizes))
            self._was_full = True
        worker = self._booked_on(number)
        if worker is not None and self._sent.get(number) is sent:
            del self._sent[number]
            self._dispatcher.turn_away(worker, number)

    def _booked_on(self, number: int) -> Worker | None:
        return next((worker for worker in self._workers.values() if number in worker.held), None)

    # Who lives

    async def _watch(self, lease_ms: int) -> None:
        while not self._is_over:
            listed = wire.anyway("SADD", wire.GATEWAYS, self.gateway)  # again: Redis may evict the list
            is_kept, _ = await self._client.run_all([("PEXPIRE", self._answers, lease_ms), listed])
            if not is_kept:
                raise ConnectionError("this gateway was silent for too long; the workers have given it up")
            self._learn(await self._roster.look(self._workers, self._streams))
            self._has_looked = True
            await self._roster.sweep({wire.route_key(route) for one in self._workers.values() for route in one.routes})
            try:
                async with asyncio.timeout(self._lease_s / LOOKS_PER_LEASE):
                    await self._has_news.wait()
            except TimeoutError:
                continue
            self._has_news.clear()

    def _streams(self) -> list[str]:
        """The routes' streams that have something of ours."""
        return sorted({sent.stream for sent in self._sent.values() if not sent.request.alone})

    def _learn(self, news: News) -> None:
        """Act on what a look found, in one step: those who are gone first, so that their requests are first in the queue."""
        for name in news.gone:
            self._dispatcher.pause(self._workers[name], is_paused=True)  # what one gives back must not go to the next
        untaken = self._put_books_right(news)
        for name in news.gone:
            self._lose(name, self._blameless(name, news, untaken))
        for name, hello in news.newcomers.items():
            log.info("worker_joined", worker=hello.worker, lanes=hello.lanes, credit=hello.credit)
            # One that was there before this session restarted unseen, or was counted already.
            told = hello if self._has_looked else msgspec.structs.replace(hello, started_because="start")
            self._workers[name] = self._dispatcher.join(Link(self, name), told, is_remote=True)

    def _put_books_right(self, news: News) -> set[int]:
        """Book what a lost worker had taken on it, and nothing else; gives what could be booked on nobody else.

        What a worker had taken that came and went before it was known goes back to the queue at once.
        """
        lost = [self._workers[name] for name in news.gone]
        untaken = set()
        for number, sent in list(self._sent.items()):
            booked = self._booked_on(number)
            if booked is None or sent.request.alone:
                continue
            holder = news.holders.get(sent.entry or b"")
            known = self._workers.get(holder.name) if holder else None
            if known is None and holder and not holder.is_alive:
                self._take_back(number)
                self._dispatcher.strayed(booked, number, is_suspect=True)
            elif known in lost and known is not booked:
                booked.hand_over(number, known, self._clock())
            elif known not in lost and booked in lost:
                other = known or self._other_for(sent.request.route)
                if other:
                    booked.hand_over(number, other, self._clock())
                else:
                    untaken.add(number)
        return untaken

    def _other_for(self, route: str) -> Worker | None:
        """A worker that will come to an entry that nobody has taken yet."""
        others = [worker for worker in self._workers.values() if route in worker.routes and not worker.is_stopped]
        return min(others, key=lambda worker: worker.load, default=None)

    def _blameless(self, name: str, news: News, untaken: Collection[int]) -> set[int]:
        """What cannot have brought a lost worker down: nothing can where it is back, nor what it had not begun."""
        held = set(self._workers[name].held)
        if name in news.returned:
            return held
        running = news.running_alone[name]
        waiting = {
            number
            for number in held
            if (sent := self._sent.get(number))
            and sent.request.alone
            and running != wire.alone_mark(self.gateway, number).encode()
        }
        return waiting | held.intersection(untaken)

    def _lose(self, name: str, blameless: Collection[int]) -> None:
        """Give back to the dispatcher what a worker held."""
        worker = self._workers.pop(name)
        log.info("worker_gone", worker=worker.hello.worker, held=len(worker.held), was_draining=worker.is_draining)
        for number in list(worker.held):
            self._take_back(number)
        self._dispatcher.lost(worker, blameless)

    def _take_back(self, number: int) -> None:
        """Take a request out of Redis."""
        if sent := self._sent.pop(number, None):
            self._outbox.put(Withdrawal(sent, is_taken_back=True))
