"""Whether a difference between systems is more than chance: over photos and seeds, and over several comparisons.

Owns the tests that a table of systems rests on. The interval of single runs is `models.evaluation.metrics.paired`. NumPy
only.

Sources: McNemar, Psychometrika 1947, in its exact form; Holm, "A simple sequentially rejective multiple test procedure",
Scandinavian Journal of Statistics 1979.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.calibration import Floats, Ints
from models.evaluation.metrics import RESAMPLES, RESAMPLES_AT_ONCE, Bools, Interval, paired


def compare_runs(ours: Bools, theirs: Bools, photos: Sequence[str]) -> tuple[Interval, float]:
    """Runs [R, n] against runs [S, n]: the interval of the difference, and McNemar's p of single runs, else the bootstrap's."""
    if len(ours) == len(theirs) == 1:
        return paired(ours[0], theirs[0], photos), mcnemar(ours[0], theirs[0])
    return paired_seeds(ours, theirs, photos)


def paired_seeds(
    values: npt.NDArray[np.generic], others: npt.NDArray[np.generic], photos: Sequence[str], seed: int = 0
) -> tuple[Interval, float]:
    """The mean of `values` minus `others` on the same photos, of several runs each: [R, n] and [S, n].

    Gives the interval and a two-sided p, twice the share of resamples on the other side of 0. A resample draws runs of
    either side and photos together, so what another seed would have changed is in the interval.
    """
    names, group = np.unique(np.asarray(photos), return_inverse=True)
    sums = [np.stack([_sums(run, group) for run in side]) for side in (values, others)]
    sizes = np.bincount(group).astype(np.float64)
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(RESAMPLES // RESAMPLES_AT_ONCE):
        drawn = rng.integers(0, len(names), (RESAMPLES_AT_ONCE, len(names)))
        ours, theirs = (_of_drawn_runs(side, drawn, rng) for side in sums)
        means.append((ours - theirs) / sizes[drawn].sum(1))
    found = np.concatenate(means)
    low, high = np.quantile(found, [0.025, 0.975])
    p = min(1.0, 2 * min(float((found <= 0).mean()), float((found >= 0).mean())))
    return Interval(float(values.mean() - others.mean()), float(low), float(high)), p


def _sums(run: npt.NDArray[np.generic], group: npt.NDArray[np.intp]) -> Floats:
    """What a run has of each photo."""
    return np.bincount(group, weights=run.astype(np.float64)).astype(np.float64, copy=False)


def _of_drawn_runs(sums: Floats, drawn: Ints, rng: np.random.Generator) -> Floats:
    """Hits of the drawn photos [resamples, photos], in the mean of as many drawn runs as there are: [resamples]."""
    runs = len(sums)
    weights = rng.multinomial(runs, np.full(runs, 1 / runs), len(drawn)) / runs
    hits = np.stack([run[drawn].sum(1) for run in sums], axis=1)
    return np.asarray((weights * hits).sum(1), np.float64)


def mcnemar(values: Bools, others: Bools) -> float:
    """Exact two-sided p of McNemar's test: how likely so uneven a split of the photos that only one of two knows is."""
    ours, theirs = int(np.sum(values & ~others)), int(np.sum(others & ~values))
    total = ours + theirs
    tail = sum(math.comb(total, count) for count in range(min(ours, theirs) + 1))
    return min(1.0, 2 * tail / 2**total)


def holm(values: Sequence[float]) -> list[float]:
    """p-values that hold for all comparisons together (Holm, 1979), in the order given."""
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return adjusted
