"""The next deadline, and that what was answered long ago takes no room."""

from __future__ import annotations

from service.bus.deadlines import REBUILD_FROM, Deadlines


def test_open_jobs_come_due_earliest_first():
    deadlines = Deadlines({1, 2, 3})
    for number, at in ((1, 30.0), (2, 10.0), (3, 20.0)):
        deadlines.add(number, at)
    assert deadlines.earliest() == 10.0
    assert list(deadlines.due(20.0)) == [2, 3]
    assert deadlines.earliest() == 30.0


def test_answered_jobs_are_skipped():
    numbers = {1, 2}
    deadlines = Deadlines(numbers)
    deadlines.add(1, 10.0)
    deadlines.add(2, 20.0)
    numbers.remove(1)
    assert deadlines.earliest() == 20.0
    assert list(deadlines.due(15.0)) == []
    numbers.clear()
    assert deadlines.earliest() is None


def test_answered_jobs_take_no_room():
    numbers: set[int] = set()
    deadlines = Deadlines(numbers)
    for number in range(10_000):
        numbers.add(number)
        deadlines.add(number, 1000.0 + number)
        numbers.discard(number - 3)
    assert len(deadlines) <= REBUILD_FROM + 1
    assert deadlines.earliest() == 10_997.0
