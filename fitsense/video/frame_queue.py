"""Frames that wait to be analysed: how many may, and what becomes of the others. Starts no thread, reads no clock."""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

from fitsense.types import Frame
from fitsense.video.source import SourceWarning

Policy = Literal["latest", "all"]

# Falling behind by less than this many seconds is nobody's worry.
_MIN_LAG_S = 2.0
# While frames have to wait since they are ahead, their schedule is tightened by this part of the time: slack that was
# needed once is not kept for ever.
_TIGHTENING = 0.1


class FrameQueue:
    """A bounded queue between who reads a live source and who analyses it, with notes among the frames.

    :param policy: what happens to a frame for which there is no room: under ``latest`` it takes the place of the
        oldest one, under ``all`` it has to wait.
    :param size: frames that may wait.
    :param origin_s: when media time 0 was. A frame is due at this plus its time; one that comes in a burst, ahead of
        that, waits under both policies: segmented streams come so, and lose nothing.
    :param warning_interval_s: least time between two notes of one kind.

    Callers say what time it is, in seconds by one clock.
    """

    def __init__(self, policy: Policy, size: int, origin_s: float, warning_interval_s: float) -> None:
        self._policy = policy
        self._size = size
        self._origin_s = origin_s
        self._tell_s = warning_interval_s
        self._items: deque[Frame | SourceWarning] = deque()
        self._frames = 0
        self._dropped = self._offered = 0
        self._told_dropped = 0
        self._dropping_since_s = 0.0
        self._refused_s: float | None = None
        self._lag_told_s = -math.inf

    @property
    def dropped(self) -> int:
        """Frames that were dropped, in all."""
        return self._told_dropped + self._dropped

    @property
    def waiting(self) -> bool:
        """Whether something is to be taken."""
        return bool(self._items or self._dropped)

    def offer(self, frame: Frame, now_s: float) -> float:
        """Take a frame in; 0, or for how many seconds at most to wait before it is offered again."""
        due_s = self._origin_s + frame.time_s
        if self._frames >= self._size:
            if self._policy == "all":
                return math.inf
            if now_s < due_s:
                if self._refused_s is not None:
                    self._origin_s -= _TIGHTENING * (now_s - self._refused_s)
                self._refused_s = now_s
                return due_s - now_s
            self._drop(now_s)
        elif not self._frames:
            self._refused_s = None
            # If it is late though everything was analysed, so is the source, from now on.
            self._origin_s = max(self._origin_s, now_s - frame.time_s)
        self._items.append(frame)
        self._frames += 1
        self._offered += 1
        return 0.0

    def note(self, warning: SourceWarning) -> None:
        """Put a note behind the frames that wait."""
        self._items.append(warning)

    def restart(self, origin_s: float) -> None:
        """The frames that follow come from a new connection; see `origin_s` above."""
        self._origin_s = origin_s

    def take(self, now_s: float) -> Frame | SourceWarning | None:
        """The next frame or note; None if there is none yet."""
        if self._dropped and now_s - self._dropping_since_s >= self._tell_s:
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
        """Let go of what waits, without counting it as dropped."""
        self._items.clear()
        self._frames = 0

    def pending_warning(self, now_s: float) -> SourceWarning | None:
        """A note on the frames that were dropped since the last one, if any were."""
        if not self._dropped:
            return None
        dropped, self._dropped = self._dropped, 0
        self._told_dropped += dropped
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
            # Of how many, should be said too: of those that wait and those that come.
            self._offered = self._frames + 1
        self._dropped += 1

    def _lag(self, frame: Frame, now_s: float) -> SourceWarning | None:
        """A note that analysis falls behind, if it does: if frames wait for it and not it for them."""
        lag_s = now_s - self._origin_s - frame.time_s
        if self._policy == "latest" or self._frames < self._size or lag_s < _MIN_LAG_S:
            return None
        if now_s - self._lag_told_s < self._tell_s:
            return None
        self._lag_told_s = now_s
        return SourceWarning("behind", f"analysis is {lag_s:.1f} s behind the source, since it is slower")
