"""What the dispatcher does with the jobs of a worker that goes: again, alone, or never; on a clock that stands still."""

from __future__ import annotations

import pytest

from service.bus.base import Outcome
from service.errors import DeadlineExceeded, Internal, NotReady, Overloaded, Poison
from tests.service.bus.fakes import Desk

# Workers that go


def test_jobs_of_a_draining_worker_return_to_the_head_without_suspicion():
    desk = Desk()
    worker, link = desk.join(credit=2)
    for _ in range(3):
        desk.submit()
    desk.bus.retire(worker)
    desk.bus.retire(worker)
    assert link.is_drained
    desk.bus.lost(worker)
    _, other = desk.join(credit=2)
    assert other.numbers == [1, 2]
    assert desk.bus.counters.retried == 2
    assert desk.bus.counters.releases["birds@1.0.0", "retry"] == 2


def test_a_draining_worker_gets_nothing_more_and_its_answers_count():
    desk = Desk()
    worker, link = desk.join(credit=2)
    caller = desk.submit()
    desk.bus.retire(worker)
    with pytest.raises(NotReady):
        desk.submit()
    desk.finish(worker, 1)
    assert isinstance(caller.answer, Outcome)
    assert link.numbers == [1]


def test_a_job_is_sent_no_more_often_than_the_limit():
    desk = Desk(attempts_limit=2)
    worker, _ = desk.join()
    caller = desk.submit()
    for _ in range(2):
        assert caller.answer is None
        desk.bus.retire(worker)
        desk.bus.lost(worker)
        worker, _ = desk.join()
    assert isinstance(caller.answer, Internal)
    assert "2 times" in caller.answer.detail


def test_what_was_lost_on_the_way_is_tried_again_without_suspicion_and_within_the_limit():
    desk = Desk(attempts_limit=2)
    worker, link = desk.join()
    caller = desk.submit()
    desk.bus.strayed(worker, 1, is_suspect=False)
    assert link.numbers == [1, 1]
    assert not link.delivered[1].alone
    desk.bus.strayed(worker, 1, is_suspect=False)
    assert isinstance(caller.answer, Internal)
    assert desk.bus.inflight == 0


def test_a_suspect_that_was_lost_on_the_way_is_tried_alone_again():
    desk = Desk()
    worker, _ = desk.join()
    caller = desk.submit()
    desk.bus.lost(worker)
    worker, link = desk.join()
    desk.bus.strayed(worker, 1, is_suspect=False)
    assert [request.alone for request in link.delivered] == [True, True]
    desk.finish(worker, 1)
    assert isinstance(caller.answer, Outcome)


def test_what_has_no_room_on_the_way_is_refused_alone_with_a_time_to_come_back():
    desk = Desk()
    worker, link = desk.join(lanes=2, credit=2)
    refused, kept = desk.submit(photo=bytes(70)), desk.submit()
    waiting = desk.submit()
    desk.bus.turn_away(worker, 1)
    assert isinstance(refused.answer, Overloaded)
    assert "70 bytes" in refused.answer.detail
    assert refused.answer.retry_after_s is not None
    assert desk.bus.counters.refused == {"room": 1}
    assert (kept.answer, waiting.answer) == (None, None)
    assert link.numbers == [1, 2, 3]  # its credit is free again


def test_what_has_no_room_on_the_way_to_a_worker_that_leaves_is_refused_too():
    desk = Desk()
    worker, _ = desk.join()
    caller = desk.submit()
    desk.bus.retire(worker)
    desk.bus.turn_away(worker, 1)
    assert isinstance(caller.answer, Overloaded)
    assert caller.answer.retry_after_s


def test_a_suspect_that_has_no_room_on_the_way_lets_the_next_one_run():
    desk = Desk()
    worker, _ = desk.join(credit=2)
    callers = [desk.submit(photo=photo) for photo in (b"one", b"two")]
    desk.bus.lost(worker)
    worker, link = desk.join(credit=2)
    desk.bus.turn_away(worker, 1)
    assert isinstance(callers[0].answer, Overloaded)
    assert link.numbers == [1, 2]


def test_what_has_no_room_on_the_way_and_no_caller_any_more_is_forgotten():
    desk = Desk()
    worker, link = desk.join()
    caller = desk.submit()
    desk.bus.leave(caller.ticket)
    desk.bus.turn_away(worker, 1)
    desk.submit()
    assert (caller.answer, desk.bus.counters.refused, link.numbers) == (None, {}, [1, 2])


def test_what_cannot_have_brought_a_worker_down_is_tried_again_without_suspicion():
    desk = Desk()
    worker, _ = desk.join(credit=2)
    for _ in range(2):
        desk.submit()
    desk.bus.lost(worker, blameless=[1])
    _, link = desk.join(credit=2)
    assert [(request.id, request.alone) for request in link.delivered] == [(2, True)]
    _, link = desk.join(worker="1", credit=2)
    assert [(request.id, request.alone) for request in link.delivered] == [(1, False)]


# Suspects and poison


def test_after_a_crash_the_suspects_run_one_at_a_time_alone():
    desk = Desk()
    worker, _ = desk.join(credit=3)
    for _ in range(4):
        desk.submit()
    desk.bus.lost(worker)
    worker, link = desk.join(credit=3)
    for number in (1, 2, 3):
        assert link.numbers[-1] == number
        assert len(worker.held) == 1
        desk.finish(worker, number)
    assert link.numbers == [1, 2, 3, 4]
    desk.submit()
    assert link.numbers == [1, 2, 3, 4, 5]
    assert desk.bus.counters.releases == {("birds@1.0.0", "credit"): 5, ("birds@1.0.0", "alone"): 3}


def test_a_suspect_waits_until_a_busy_worker_is_empty_and_others_go_on_elsewhere():
    desk = Desk()
    crashing, _ = desk.join(worker="0", credit=1)
    desk.submit()
    first, to_first = desk.join(worker="1", credit=2)
    second, to_second = desk.join(worker="2", credit=2)
    for _ in range(6):
        desk.submit()
    desk.bus.lost(crashing)
    assert (len(first.held), len(second.held)) == (2, 2)
    desk.finish(first, to_first.numbers[0])
    assert len(first.held) == 1, "the least loaded worker is kept free for the suspect"
    desk.finish(second, to_second.numbers[0])
    assert len(second.held) == 2, "the other goes on"
    desk.finish(first, to_first.numbers[1])
    assert to_first.numbers[-1] == 1
    assert len(first.held) == 1


def test_the_suspect_that_crashes_a_worker_again_alone_is_poison():
    desk = Desk()
    worker, _ = desk.join(credit=2)
    innocent, guilty = desk.submit(photo=b"good"), desk.submit(photo=b"evil")
    desk.bus.lost(worker)
    worker, _ = desk.join(credit=2)
    desk.finish(worker, 1)
    desk.bus.lost(worker)
    assert isinstance(innocent.answer, Outcome)
    assert isinstance(guilty.answer, Poison)
    assert desk.bus.counters.poisoned == 1


def crash_twice(desk: Desk, photo: bytes) -> None:
    for attempt in range(2):
        worker, _ = desk.join()
        if attempt == 0:
            desk.submit(photo=photo)
        desk.bus.lost(worker)


def test_poison_is_refused_at_once_when_it_comes_again_and_for_a_while_only():
    desk = Desk(poison_memory_s=600)
    crash_twice(desk, b"evil")
    _, link = desk.join(credit=9)
    with pytest.raises(Poison):
        desk.submit(photo=b"evil")
    desk.submit(photo=b"good")
    assert len(link.delivered) == 1
    assert desk.bus.counters.refused == {"poison": 1}
    desk.at(600)
    desk.submit(photo=b"evil")
    assert len(link.delivered) == 2


def test_copies_of_poison_in_the_queue_are_not_tried():
    desk = Desk()
    worker, _ = desk.join()
    callers = [desk.submit(photo=b"evil") for _ in range(5)]
    desk.bus.lost(worker)
    desk.bus.lost(desk.join()[0])
    _, link = desk.join()
    assert [type(caller.answer) for caller in callers] == [Poison] * 5
    assert link.numbers == []


def test_a_suspect_whose_caller_left_is_tried_alone_when_it_comes_again():
    desk = Desk()
    worker, _ = desk.join(credit=2)
    caller = desk.submit(photo=b"wedge", timeout_s=1.0)
    desk.at(1.0)
    assert isinstance(caller.answer, DeadlineExceeded)
    desk.bus.lost(worker)
    worker, link = desk.join(credit=2)
    again, other = desk.submit(photo=b"wedge"), desk.submit()
    assert len(link.delivered) == 1
    desk.bus.lost(worker)
    _, link = desk.join(credit=2)
    assert isinstance(again.answer, Poison)
    assert link.numbers == [other.ticket.number]


@pytest.mark.parametrize(
    "goes", ["leaves", "expires", "leaves while it is sent", "has no room on the way", "is lost once too often"]
)
def test_a_suspect_that_goes_untried_is_tried_alone_when_it_comes_again(goes: str):
    desk = Desk(attempts_limit=2)
    worker, _ = desk.join()
    caller = desk.submit(photo=b"evil", timeout_s=1.0)
    desk.bus.lost(worker)
    if goes == "expires":
        desk.at(1.0)
    elif goes == "leaves":
        desk.bus.leave(caller.ticket)
    else:
        worker, _ = desk.join()
        if goes == "has no room on the way":
            desk.bus.turn_away(worker, 1)
        elif goes == "is lost once too often":
            desk.bus.strayed(worker, 1, is_suspect=False)
        else:
            desk.bus.leave(caller.ticket)
            desk.finish(worker, 1, "client-closed")
        desk.bus.retire(worker)
    _, link = desk.join(credit=2)
    desk.submit(photo=b"evil")
    desk.submit(photo=b"good")
    assert [request.alone for request in link.delivered] == [True]


def test_a_suspect_whose_time_ends_as_its_turn_comes_is_tried_alone_when_it_comes_again():
    desk = Desk()
    worker, _ = desk.join(credit=2)
    desk.submit(photo=b"one")
    desk.submit(photo=b"evil", timeout_s=5.0)
    desk.bus.lost(worker)
    worker, link = desk.join(credit=2)
    desk.clock.now += 5.0
    desk.finish(worker, 1)
    desk.submit(photo=b"evil")
    assert [request.alone for request in link.delivered] == [True, True]


def test_a_suspect_that_was_answered_when_it_came_again_is_forgotten():
    desk = Desk()
    worker, _ = desk.join(credit=2)
    desk.bus.leave(desk.submit(photo=b"odd").ticket)
    desk.bus.lost(worker)
    worker, link = desk.join(credit=2)
    again = desk.submit(photo=b"odd")
    desk.finish(worker, again.ticket.number)
    desk.submit(photo=b"odd")
    desk.submit()
    assert len(worker.held) == 2
    assert desk.bus.counters.releases == {("birds@1.0.0", "credit"): 3, ("birds@1.0.0", "alone"): 1}
    assert len(link.delivered) == 3


def test_a_suspect_that_wedges_its_worker_alone_is_poison_and_blocks_others_only_until_its_deadline():
    desk = Desk()
    worker, _ = desk.join(lanes=2, credit=3)
    wedge = desk.submit(photo=b"wedge", timeout_s=1.0)
    desk.bus.lost(worker)
    worker, link = desk.join(lanes=2, credit=3)
    other = desk.submit(photo=b"other")
    assert link.numbers == [1]
    desk.at(1.0)
    assert isinstance(wedge.answer, DeadlineExceeded)
    assert link.numbers == [1, other.ticket.number]
    desk.bus.lost(worker)
    _, link = desk.join(credit=2)
    assert link.numbers == [other.ticket.number]
    with pytest.raises(Poison):
        desk.submit(photo=b"wedge")


def test_a_suspect_whose_caller_left_while_it_ran_alone_still_keeps_others_away():
    desk = Desk()
    worker, _ = desk.join(credit=2)
    caller = desk.submit(photo=b"evil")
    desk.bus.lost(worker)
    worker, link = desk.join(credit=2)
    desk.bus.leave(caller.ticket)
    other = desk.submit(photo=b"other")
    assert link.numbers == [1]
    desk.bus.lost(worker)
    _, link = desk.join(credit=2)
    assert link.numbers == [other.ticket.number]
    with pytest.raises(Poison):
        desk.submit(photo=b"evil")


def test_a_suspect_that_runs_alone_keeps_others_away_though_what_was_handed_to_its_worker_expires():
    desk = Desk()
    crashed, _ = desk.join()
    desk.submit(photo=b"evil", timeout_s=100.0)
    desk.bus.lost(crashed)
    alone, _ = desk.join(credit=2)
    other, _ = desk.join(worker="1")
    expiring = desk.submit(timeout_s=1.0)
    other.hand_over(expiring.ticket.number, alone, desk.clock())
    desk.at(1.0)
    assert isinstance(expiring.answer, DeadlineExceeded)
    assert alone.is_alone


def test_a_suspect_that_answers_after_its_deadline_is_none():
    desk = Desk()
    worker, _ = desk.join(credit=2)
    desk.submit(photo=b"slow", timeout_s=1.0)
    desk.bus.lost(worker)
    worker, link = desk.join(credit=2)
    desk.at(1.0)
    desk.finish(worker, 1)
    again = desk.submit(photo=b"slow")
    desk.bus.lost(worker)
    _, link = desk.join(credit=2)
    assert link.numbers == [again.ticket.number], "it is a suspect anew, not poison"


def test_a_suspect_on_a_draining_worker_stays_a_suspect():
    desk = Desk()
    worker, _ = desk.join()
    desk.submit()
    desk.bus.lost(worker)
    worker, _ = desk.join()
    desk.bus.retire(worker)
    desk.bus.lost(worker)
    worker, link = desk.join(credit=2)
    desk.submit()
    assert link.numbers == [1]
    assert desk.bus.counters.releases["birds@1.0.0", "alone"] == 2


def test_a_suspect_that_was_answered_is_none():
    desk = Desk()
    worker, _ = desk.join()
    desk.submit()
    desk.bus.lost(worker)
    worker, link = desk.join(credit=2)
    desk.finish(worker, 1)
    for _ in range(2):
        desk.submit()
    assert link.numbers == [1, 2, 3]


def test_waiting_suspects_can_leave_and_expire_and_free_the_worker():
    desk = Desk()
    crashing, _ = desk.join(worker="0", credit=2)
    leaves, _ = desk.submit(), desk.submit(timeout_s=1.0)
    busy, link = desk.join(worker="1", credit=2)
    desk.submit()
    desk.bus.lost(crashing)
    desk.submit()
    assert len(busy.held) == 1, "it is kept free"
    desk.bus.leave(leaves.ticket)
    assert len(busy.held) == 1
    desk.at(1.0)
    assert len(busy.held) == 2
    assert link.numbers == [3, 4]


def test_a_worker_without_credit_is_not_kept_free_for_a_suspect():
    desk = Desk()
    crashing, _ = desk.join(worker="0")
    desk.submit()
    stopped, _ = desk.join(worker="1")
    desk.bus.grant(stopped, 0)
    _, link = desk.join(worker="2")
    desk.bus.lost(crashing)
    assert link.numbers == [1]
