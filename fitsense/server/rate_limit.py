"""Token buckets. Pure: callers pass the time."""

from __future__ import annotations

from collections import OrderedDict

# Number of clients with a bucket; the least recently active client loses its bucket and starts with a full one.
_MAX_CLIENTS = 1024


class Bucket:
    """A token bucket.

    :param rate: tokens per second.
    :param burst: capacity in tokens.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at_s: float | None = None

    def take(self, now_s: float) -> float:
        """Take a token.

        :return: 0 if there was one, else the time in seconds until there is one.
        """
        if self._at_s is not None:
            self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
        if self._tokens < 1:
            return (1 - self._tokens) / self._rate
        self._tokens -= 1
        return 0.0


class Buckets:
    """One bucket per client.

    :param rate: as of :class:`Bucket`.
    :param burst: as of :class:`Bucket`.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, client: str, now_s: float) -> float:
        """Take a token of a client, as of :meth:`Bucket.take`."""
        bucket = self._buckets.pop(client, None) or Bucket(self._rate, self._burst)
        self._buckets[client] = bucket
        if len(self._buckets) > _MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return bucket.take(now_s)
