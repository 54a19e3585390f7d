"""When to try to reach a lost source again: exponential back-off with jitter. Reads no clock."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Tells how long to wait before the next attempt; whoever asks says what time it is, in seconds.

    :param first_s: the longest pause before the first attempt.
    :param max_s: the longest pause there is; up to it, each may be twice as long as the one before.
    :param give_up_s: for how long after a loss to try.
    :param jitter: gives numbers in 0..1; a pause is at least half as long as it may be, and this part of the rest,
        so that clients who lost a server together do not come back together.
    """

    def __init__(
        self, first_s: float, max_s: float, give_up_s: float, jitter: Callable[[], float] = random.random
    ) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._give_up_s = give_up_s
        self._jitter = jitter
        self._longest_s = first_s
        self._until_s = 0.0
        self._back_s: float | None = None

    def lost(self, now_s: float) -> None:
        """The source was lost. Pauses go on growing if it had not lasted longer than the longest of them."""
        if self._back_s is None or now_s - self._back_s > self._longest_s:
            self._longest_s = self._first_s
        self._until_s = now_s + self._give_up_s

    def pause_s(self, now_s: float) -> float | None:
        """How long to wait before the next attempt; None to give up. The last attempt comes when time is up."""
        left_s = self._until_s - now_s
        if left_s <= 0:
            return None
        pause_s = self._longest_s * (1 + self._jitter()) / 2
        self._longest_s = min(2 * self._longest_s, self._max_s)
        return min(pause_s, left_s)

    def back(self, now_s: float) -> None:
        """An attempt succeeded."""
        self._back_s = now_s
