"""Bounded queue of frames that wait for analysis. Starts no thread, reads no clock."""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

from fitsense.types import Frame
from fitsense.video.source import SourceWarning

Policy = Literal["latest", "all"]

# Smallest lag that is reported, in seconds.
_MIN_LAG_S = 2.0
# While early frames wait, their schedule is moved forward by this fraction of the time, so that slack that was needed
# once does not last for ever.
_TIGHTENING = 0.1


class FrameQueue:
    """Queue between the reader of a live source and its analysis, with warnings between the frames.

    :param policy: what happens to a frame when the queue is full: with ``latest`` it replaces the oldest frame, with
        ``all`` it has to wait.
    :param size: limit of queued frames.
    :param origin_s: clock time of media time 0. A frame is due at this plus its time; earlier ones, as in the bursts of
        segmented streams, wait with both policies, and are not dropped.
    :param warning_interval_s: minimum interval in seconds between two warnings of one kind.

    Callers pass the time, in seconds by one clock.
    """

    def __init__(self, policy: Policy, size: int, origin_s: float, warning_interval_s: float) -> None:
        self._policy = policy
        self._size = size
        self._origin_s = origin_s
        self._warning_interval_s = warning_interval_s
        self._items: deque[Frame | SourceWarning] = deque()
        self._frames = 0
        self._dropped = self._offered = 0
        self._reported = 0
        self._dropping_since_s = 0.0
        self._delayed_s: float | None = None
        self._lag_reported_s = -math.inf

    @property
    def dropped(self) -> int:
        """Number of dropped frames."""
        return self._reported + self._dropped

    @property
    def waiting(self) -> bool:
        """True if :meth:`take` returns something."""
        return bool(self._items or self._dropped)

    def offer(self, frame: Frame, now_s: float) -> float:
        """Queue a frame. Returns 0, or the longest time in seconds to wait before offering it again."""
        due_s = self._origin_s + frame.time_s
        if self._frames >= self._size:
            if self._policy == "all":
                return math.inf
            if now_s < due_s:
                if self._delayed_s is not None:
                    self._origin_s -= _TIGHTENING * (now_s - self._delayed_s)
                self._delayed_s = now_s
                return due_s - now_s
            self._drop(now_s)
        elif not self._frames:
            self._delayed_s = None
            # The queue is empty, so that a late frame means a late source: shift the schedule.
            self._origin_s = max(self._origin_s, now_s - frame.time_s)
        self._items.append(frame)
        self._frames += 1
        self._offered += 1
        return 0.0

    def note(self, warning: SourceWarning) -> None:
        """Queue a warning."""
        self._items.append(warning)

    def restart(self, origin_s: float) -> None:
        """Set `origin_s` for the frames of a new connection."""
        self._origin_s = origin_s

    def take(self, now_s: float) -> Frame | SourceWarning | None:
        """The next frame or warning; None if there is none yet."""
        if self._dropped and now_s - self._dropping_since_s >= self._warning_interval_s:
            return self.pending_warning(now_s)
        if not self._items:
            return None
        item = self._items[0]
        if isinstance(item, Frame):
            if (lag := self._lag(item, now_s)) is not None:
                return lag
            self._frames -= 1
        return self._items.popleft()

    def clear(self) -> None:
        """Discard the queued frames without counting them as dropped."""
        self._items.clear()
        self._frames = 0

    def pending_warning(self, now_s: float) -> SourceWarning | None:
        """Warning of the frames dropped since the last one; None if there are none."""
        if not self._dropped:
            return None
        dropped, self._dropped = self._dropped, 0
        self._reported += dropped
        return SourceWarning(
            "dropped_frames",
            f"{dropped} of {self._offered} frames were dropped within {now_s - self._dropping_since_s:.1f} s, since "
            "analysis is slower than the source",
        )

    def _drop(self, now_s: float) -> None:
        oldest = next(index for index, item in enumerate(self._items) if isinstance(item, Frame))
        del self._items[oldest]
        self._frames -= 1
        if not self._dropped:
            self._dropping_since_s = now_s
            # The warning also gives the number of all frames: those queued and those that arrive.
            self._offered = self._frames + 1
        self._dropped += 1

    def _lag(self, frame: Frame, now_s: float) -> SourceWarning | None:
        """Warning that analysis lags behind; None if it does not, that is, if it waits for frames."""
        lag_s = now_s - self._origin_s - frame.time_s
        if self._policy == "latest" or self._frames < self._size or lag_s < _MIN_LAG_S:
            return None
        if now_s - self._lag_reported_s < self._warning_interval_s:
            return None
        self._lag_reported_s = now_s
        return SourceWarning("behind", f"analysis is {lag_s:.1f} s behind the source, since it is slower")
