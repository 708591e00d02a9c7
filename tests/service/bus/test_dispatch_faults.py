"""The dispatcher under any order of events: nothing is lost, nothing is answered twice, no credit is exceeded.

A hypothesis state machine plays callers, workers and the clock at random and checks after each step what must always
hold; at the end everything that was accepted must have its answer.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from service.bus.base import Outcome
from service.bus.links import Worker
from service.bus.messages import Priority
from service.bus.recovery import Verdict
from service.errors import FieldmarkError, Poison
from tests.service.bus.fakes import BIRDS, CARS, Caller, Desk, FakeLink

PHOTOS = (b"one", b"two", b"evil")


class Faults(RuleBasedStateMachine):
    """Callers submit and leave; workers come, answer, drain, crash; time passes."""

    callers = Bundle("callers")
    workers = Bundle("workers")

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(queue_limit=12, max_queue_wait_ms=60_000)
        self.accepted: list[Caller] = []
        self.left: set[Caller] = set()
        self.connected: dict[int, tuple[Worker, FakeLink]] = {}

    @rule(
        target=callers,
        route=st.sampled_from([BIRDS, CARS]),
        photo=st.sampled_from(PHOTOS),
        timeout_s=st.sampled_from([0.5, 5.0, 50.0]),
        priority=st.sampled_from(Priority),
    )
    def submit(self, route, photo, timeout_s, priority):
        try:
            caller = self.desk.submit(route, photo, timeout_s=timeout_s, priority=priority)
        except FieldmarkError:
            return None
        self.accepted.append(caller)
        return caller

    @rule(caller=consumes(callers))
    def leave(self, caller):
        if caller is not None and caller.answer is None:
            self.desk.bus.leave(caller.ticket)
            self.left.add(id(caller))

    @rule(
        target=workers,
        lanes=st.integers(1, 3),
        routes=st.sampled_from([(BIRDS,), (CARS,), (BIRDS, CARS)]),
    )
    def join(self, lanes, routes):
        worker, link = self.desk.join(lanes=lanes, credit=lanes + 1, routes=routes)
        self.connected[id(worker)] = (worker, link)
        return worker

    @rule(worker=workers, choice=st.integers(0, 9), error=st.sampled_from([None, None, "internal", "client-closed"]))
    def answer(self, worker, choice, error):
        if worker.held and id(worker) in self.connected:
            numbers = list(worker.held)
            self.desk.finish(worker, numbers[choice % len(numbers)], error)

    @rule(worker=workers, number=st.integers(1, 30))
    def answer_what_was_not_asked(self, worker, number):
        if id(worker) in self.connected and number not in worker.held:
            self.desk.finish(worker, number)

    @rule(worker=workers, credit=st.integers(0, 5))
    def change_credit(self, worker, credit):
        if id(worker) in self.connected and credit >= len(worker.held):
            self.desk.bus.grant(worker, credit)

    @rule(worker=workers, is_paused=st.booleans())
    def pause(self, worker, is_paused):
        if id(worker) in self.connected:
            self.desk.bus.pause(worker, is_paused=is_paused)

    @rule(worker=workers)
    def drain(self, worker):
        if id(worker) in self.connected:
            self.desk.bus.retire(worker)

    @rule(worker=consumes(workers))
    def crash(self, worker):
        if self.connected.pop(id(worker), None):
            self.desk.bus.lost(worker)

    @rule(worker=workers, choice=st.integers(0, 9), happens=st.sampled_from(["no room", "lost on the way"]))
    def go_wrong_on_the_way(self, worker, choice, happens):
        if worker.held and id(worker) in self.connected:
            number = list(worker.held)[choice % len(worker.held)]
            if happens == "no room":
                self.desk.bus.turn_away(worker, number)
            else:
                self.desk.bus.strayed(worker, number, is_suspect=False)

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0]))
    def pass_time(self, seconds):
        self.desk.at(seconds)

    @invariant()
    def credit_is_kept(self):
        assert all(len(worker.held) <= max(worker.credit, 0) for worker, _ in self.connected.values())

    @invariant()
    def each_open_job_is_in_one_place(self):
        bus = self.desk.bus
        waiting = len(bus._queue) + len(bus._recovery.waiting)
        held = [
            number
            for worker, _ in self.connected.values()
            for number, held in worker.held.items()
            if held.ticket.settle is not None
        ]
        assert len(set(held)) == len(held)
        assert waiting + len(held) == bus.accepted == waiting + bus.inflight

    @invariant()
    def a_job_is_open_until_it_is_answered_or_left(self):
        done = sum(caller.answer is not None or id(caller) in self.left for caller in self.accepted)
        assert self.desk.bus.accepted == len(self.accepted) - done

    @invariant()
    def a_suspect_is_alone(self):
        running = self.desk.bus._recovery._running
        alone = [(list(worker.held), worker) for worker, _ in self.connected.values() if worker.is_alone]
        assert alone == ([([running[0].number], running[1])] if running else [])

    @invariant()
    def nobody_with_room_is_idle_while_its_jobs_wait(self):
        bus = self.desk.bus
        for worker, _ in self.connected.values():
            if worker.has_room and worker is not bus._recovery.reserved:
                assert not any(dict(bus._queue.waiting(one)).keys() & worker.routes.keys() for one in Priority)

    @invariant()
    def only_a_job_that_crashed_two_workers_or_copies_one_is_poison(self):
        for caller in self.accepted:
            if isinstance(caller.answer, Poison):
                ticket = caller.ticket
                assert (
                    ticket.attempts >= 1 or self.desk.bus._recovery.memory.verdict(ticket.images, 0) is Verdict.POISON
                )

    def teardown(self):
        """Whatever happened: one good worker answers all that is left, or its deadline does."""
        worker, link = self.desk.join(lanes=4, credit=8)
        self.connected[id(worker)] = (worker, link)
        while worker.held:
            self.desk.finish(worker, next(iter(worker.held)))
        self.desk.at(100.0)
        assert self.desk.bus.accepted == 0
        assert self.desk.bus.queued_bytes == 0
        for caller in self.accepted:
            assert (caller.answer is None) == (id(caller) in self.left)
        counters = self.desk.bus.counters
        assert counters.cancelled == len(self.left)
        assert sum(isinstance(caller.answer, Outcome) for caller in self.accepted) <= sum(counters.releases.values())


Faults.TestCase.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestFaults = Faults.TestCase
