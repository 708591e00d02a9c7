"""How long a graph takes for a batch of n, and which batch pays: the manifest's measurement, refined by live traffic.

What was measured elsewhere gives the shape, what is seen here the scale: a size that was never run here is predicted
from the manifest's ratio to the sizes that were. So a slower or busier machine does not make batches look good.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

#: A larger batch must cost at most this share of the smaller one's time per photo.
PAYING_RATIO = 0.9
#: Weight of the newest observation: about the last twenty count.
NEWEST_WEIGHT = 0.1


class LatencyCurve:
    """Milliseconds of one call by its number of photos. Safe from several threads: each update is one assignment."""

    def __init__(self, prior_ms: Mapping[int, float], limit: int) -> None:
        """`prior_ms` maps batch sizes to the time of a whole call; no batch will be larger than `limit`."""
        self._prior = dict(sorted((size, value) for size, value in prior_ms.items() if size <= limit)) or {1: 1.0}
        self._seen: dict[int, float] = {}
        self.paying_batch = self._find_paying()

    def predict_ms(self, batch: int) -> float:
        """Expected time of one call with this many photos."""
        seen = self._seen.get(batch)
        if seen is not None:
            return seen
        if not self._seen:
            return self._prior_ms(batch)
        nearest = min(tuple(self._seen), key=lambda size: abs(math.log(size / batch)))
        return self._prior_ms(batch) * self._seen[nearest] / self._prior_ms(nearest)

    def observe(self, batch: int, elapsed_ms: float) -> None:
        """Take in what a call took here."""
        before = self._seen.get(batch)
        self._seen[batch] = elapsed_ms if before is None else before + NEWEST_WEIGHT * (elapsed_ms - before)
        if len(self._seen) > 1:  # one size alone is the scale, which no ratio depends on
            self.paying_batch = self._find_paying()

    def _find_paying(self) -> int:
        """The largest measured size of which each step up to it is 10 % better per photo than the one before."""
        best, best_ms = 1, self.predict_ms(1)
        for size in self._prior:
            if size == 1:
                continue
            per_photo_ms = self.predict_ms(size) / size
            if per_photo_ms > PAYING_RATIO * best_ms:
                break
            best, best_ms = size, per_photo_ms
        return best

    def _prior_ms(self, batch: int) -> float:
        """The manifest's time, straight between its sizes, in proportion outside them."""
        below = max((size for size in self._prior if size <= batch), default=None)
        above = min((size for size in self._prior if size >= batch), default=None)
        if below is None or above is None:
            end = above or below or 1
            return self._prior[end] * batch / end
        if below == above:
            return self._prior[below]
        share = (batch - below) / (above - below)
        return self._prior[below] + share * (self._prior[above] - self._prior[below])
