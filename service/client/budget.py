"""How often a client may ask again: a share of all its calls, so that many clients do not keep an overload up."""

from __future__ import annotations


class RetryBudget:
    """Bounds the share of retries among all requests of a client, so that retries cannot double an overload.

    Every call adds `share` of a retry, up to `reserve`, which is also what there is in the beginning; a retry takes one.
    """

    def __init__(self, share: float = 0.1, reserve: float = 10.0) -> None:
        if not 0 <= share <= 1 or reserve < 0:
            raise ValueError(f"A retry budget has a share of 0..1 and no negative reserve; got {share} and {reserve}.")
        self._share = share
        self._reserve = reserve
        self.left = reserve

    def note_call(self) -> None:
        """Count a call."""
        self.left = min(self._reserve, self.left + self._share)

    def take(self) -> bool:
        """Take one retry, if there is one."""
        if self.left < 1:
            return False
        self.left -= 1
        return True
