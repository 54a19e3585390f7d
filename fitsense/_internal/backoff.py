"""Exponential back-off with jitter. Reads no clock: callers pass the time, in seconds."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.validators import number


@checks_arguments
@attrs.frozen
class BackoffConfig:
    """Delays between attempts; each may be twice as long as the one before, and is shortened by up to half at random.

    :param first_delay_s: longest delay before the first new attempt, in seconds.
    :param max_delay_s: longest delay between two attempts, in seconds.
    """

    first_delay_s: float = attrs.field(default=0.5, validator=number(0.0, above=True))
    max_delay_s: float = attrs.field(default=10.0, validator=number(0.0, above=True))


class Backoff:
    """Computes the delays between attempts to reach something again.

    :param config: limits of the delays.
    :param timeout_s: how long to try after a loss, in seconds; ``math.inf`` for no limit.
    :param jitter: source of random numbers in 0..1. A delay is half its limit plus this fraction of the other half, so
        that clients that lost a server together do not all return at the same time.
    """

    def __init__(
        self, config: BackoffConfig, timeout_s: float = math.inf, jitter: Callable[[], float] = random.random
    ) -> None:
        self._config = config
        self._timeout_s = timeout_s
        self._jitter = jitter
        self._limit_s = config.first_delay_s
        self._until_s = 0.0
        self._recovered_s: float | None = None

    def fail(self, now_s: float) -> None:
        """Start attempts after a loss. Delays continue to grow if the last recovery lasted no longer than the delay."""
        if self._recovered_s is None or now_s - self._recovered_s > self._limit_s:
            self._limit_s = self._config.first_delay_s
        self._until_s = now_s + self._timeout_s

    def delay_s(self, now_s: float) -> float | None:
        """Seconds until the next attempt; None to give up. The last attempt is made when the timeout ends."""
        left_s = self._until_s - now_s
        if left_s <= 0:
            return None
        delay_s = self._limit_s * (1 + self._jitter()) / 2
        self._limit_s = min(2 * self._limit_s, self._config.max_delay_s)
        return min(delay_s, left_s)

    def recover(self, now_s: float) -> None:
        """Record a successful attempt."""
        self._recovered_s = now_s
