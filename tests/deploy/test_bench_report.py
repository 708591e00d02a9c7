"""The report and its bars, from results that are made up."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.bench.bars import LIMIT, MOSEC, OURS, TUTORIAL, bars_of, cpu_ratio, kept_rounds
from deploy.bench.parts.closed import CONNECTIONS, rotated
from deploy.bench.report import render
from deploy.bench.results import (
    Burst,
    Cell,
    Circumstances,
    Closed,
    Footprint,
    Gateway,
    OpenLoop,
    OpenRate,
    Overload,
    Results,
    read_results,
    write_results,
)
from deploy.bench.stats import Interval

WHEN = Circumstances("2026-01-01 00:00 UTC", "Some CPU", 2, "6.1", "3.11", "birds@1.0.0", {"numpy": "2"}, 0.1, False)
RATES = {OURS: 97.0, LIMIT: 100.0, MOSEC: 98.0, "LitServe": 80.0, TUTORIAL: 50.0}


def cell_of(number: int, connections: int, server: str, disturbed_share: float = 0.01) -> Cell:
    rate = RATES[server]
    return Cell(number, connections, server, 500, 0, 0, 150.0, rate, 10.0, 11.0, 12.0, 80.0, disturbed_share)


def closed_of(rounds: int = 3, disturbed: tuple[int, ...] = ()) -> Closed:
    cells = [
        cell_of(number, connections, server, 0.5 if number in disturbed else 0.01)
        for number in range(rounds)
        for connections in CONNECTIONS
        for server in RATES
    ]
    return Closed(WHEN, ["Mosec agrees"], cells, {OURS: 150 << 20})


def all_results() -> Results:
    rate = OpenRate(
        0.3, 45.0, {OURS: 5000, MOSEC: 5000}, {OURS: 0, MOSEC: 0}, {OURS: 9.0, MOSEC: 9.0}, {OURS: 12.0, MOSEC: 12.0},
        {OURS: 20.0, MOSEC: 19.0}, Interval(1.05, 0.9, 1.2),
    )  # fmt: skip
    overload = Overload(
        WHEN, 150.0, 60.0, 180.0, 147.0, 1900, 0, 1.2, 4.0, 1100.0, 0.0, 600, 8.0, 10.0, [Burst(700, 700, 690)]
    )
    whole = Footprint(WHEN, 2, 70 << 20, 60 << 20, 190 << 20, 270 << 20, [1.5, 1.6])
    alone = replace(whole, worker_pss_bytes=110 << 20, tree_pss_bytes=190 << 20)
    return Results(
        closed_of(), OpenLoop(WHEN, 150.0, [rate]), overload, Gateway(WHEN, [240.0], [390.0], 2000.0), whole, alone
    )


def test_every_bar_of_full_results_is_judged() -> None:
    bars = bars_of(all_results())
    assert len(bars) == 5 + 1 + 4 + 2 + 3
    assert all(bar.is_met for bar in bars)


@pytest.mark.parametrize(("server", "wanted"), [(LIMIT, 0.97), (MOSEC, 97 / 98), (TUTORIAL, 1.94)])
def test_cpu_ratios_are_ours_to_theirs(server: str, wanted: float) -> None:
    assert cpu_ratio(closed_of(), server).value == pytest.approx(wanted)


def test_a_bar_that_is_missed_says_so() -> None:
    results = all_results()
    assert results.closed is not None
    results.closed = replace(
        results.closed, cells=[replace(c, failed=int(c.server == OURS)) for c in results.closed.cells]
    )
    assert [bar.words for bar in bars_of(results) if not bar.is_met] == ["no errors in the closed loop"]


def test_a_disturbed_round_does_not_count() -> None:
    assert kept_rounds(closed_of(rounds=3, disturbed=(1,))) == [0, 2]


def test_rounds_count_where_all_are_disturbed() -> None:
    assert kept_rounds(closed_of(rounds=2, disturbed=(0, 1))) == [0, 1]


def test_each_round_begins_with_another_server() -> None:
    assert [rotated("abc", number)[0] for number in range(4)] == ["a", "b", "c", "a"]


def test_results_survive_their_file(tmp_path: Path) -> None:
    write_results(tmp_path / "results.json", all_results())
    assert read_results(tmp_path / "results.json") == all_results()


def test_a_figure_that_there_is_none_for_survives_too(tmp_path: Path) -> None:
    results = all_results()
    assert results.overload is not None
    results.overload = replace(results.overload, refusal_p50_ms=math.nan)
    write_results(tmp_path / "results.json", results)
    again = read_results(tmp_path / "results.json").overload
    assert again is not None
    assert math.isnan(again.refusal_p50_ms)


def test_a_part_that_was_not_measured_is_left_out() -> None:
    text = render(Results(gateway=all_results().gateway))
    assert "## The gateway alone" in text
    assert "## Closed loop" not in text


def test_the_report_names_machine_date_and_bundle() -> None:
    text = render(all_results())
    assert "Some CPU" in text
    assert "2026-01-01" in text
    assert "birds@1.0.0" in text
