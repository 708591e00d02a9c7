"""Histograms for Prometheus whose counting costs a request next to nothing.

The counts are plain numbers of one thread. prometheus-client's own histogram takes a lock and ten calls for each value;
with nine values a request that was a fifteenth of all that the gateway computes. Which histograms there are stands in
`service/metrics.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, Metric


class Tally:
    """Counts values by bucket; a bucket holds what is not above its bound, the last one everything above all bounds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Give the counts as Prometheus has them: each bucket holds all smaller ones too."""
        names = [*map(str, self.bounds), "+Inf"]
        return list(zip(names, accumulate(map(float, self.counts)), strict=True))


class Histogram:
    """One family of tallies, one for each combination of label values."""

    def __init__(self, name: str, text: str, bounds: tuple[float, ...], *labels: str) -> None:
        self._name, self._text, self._bounds, self._labels = name, text, bounds, labels
        self._tallies: dict[tuple[str, ...], Tally] = {}

    def of(self, *values: str) -> Tally:
        """Find the tally of these label values, or begin it."""
        tally = self._tallies.get(values)
        if tally is None:
            tally = self._tallies[values] = Tally(self._bounds)
        return tally

    def tallies(self) -> Iterable[tuple[tuple[str, ...], Tally]]:
        """Give each tally with its label values."""
        return self._tallies.items()

    def family(self) -> Metric:
        """Describe it for a scrape."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for values, tally in self._tallies.items():
            family.add_metric(values, tally.buckets(), tally.total)
        return family
