"""How much in how long: pure, callers say what time it is."""

from __future__ import annotations

from collections import OrderedDict

# Clients that are remembered; who was not heard of for longest is forgotten, and starts anew.
_MAX_CLIENTS = 1024


class Bucket:
    """Lets things through at a rate, and some at once.

    :param rate: a second, for long.
    :param burst: at once.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at_s: float | None = None

    def take(self, now_s: float) -> float:
        """0 if one more may pass, which it has then; else in how many seconds to ask again."""
        if self._at_s is not None:
            self._left = min(self._burst, self._left + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
        if self._left < 1:
            return (1 - self._left) / self._rate
        self._left -= 1
        return 0.0


class Buckets:
    """A bucket for each client.

    :param rate: as of :class:`Bucket`.
    :param burst: likewise.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, client: str, now_s: float) -> float:
        """As of :meth:`Bucket.take`."""
        bucket = self._buckets.pop(client, None) or Bucket(self._rate, self._burst)
        self._buckets[client] = bucket
        if len(self._buckets) > _MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return bucket.take(now_s)
