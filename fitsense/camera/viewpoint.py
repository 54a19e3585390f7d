"""Whether the camera still looks at the same thing from the same place: cuts, and cameras that were moved. Pure."""

from __future__ import annotations

import attrs
import numpy as np

from fitsense.camera.view_features import TILES, BoolArray, ViewFeatures, changed_share, differ, overlap, textured
from fitsense.types import FloatArray, TimeArray

# A cut changes at least this share of a picture's tiles; just before it, at most the smaller one changes.
_CUT_SHARE = 0.6
_CALM_SHARE = 0.3
# The same scene, shifted by a jolt, overlaps by more.
_CUT_OVERLAP = 0.35
# Pictures that must come after a cut before it is believed.
_CUT_AFTER = 2
# What belongs to the room stays as it is for so long; the view is lost with this share of it.
_SETTLED_S = 2.0
_LOST_SHARE = 0.6
# Fewer tiles than this, or than this at the picture's rim, may be somebody who stood still.
_MIN_TILES = 8
_MIN_RIM = 4
# Part of the lost tiles that must show something else now, and sides of the picture on which some are lost.
_SHOWN_SHARE = 0.5
_MIN_SIDES = 3
# After so many times the hold, a tile belongs to something new.
_FORGOTTEN = 4.0

_Span = tuple[float, float]


@attrs.define(eq=False)
class CutDetector:
    """Finds where one scene ends and another begins, from one picture to the next.

    A flash is none, since the scene from before comes back; nor is a jolt of the camera, which shows the same scene
    shifted; nor haste, in which the pictures before or after differ from each other as well. At a stream's first
    step, nobody knows which of them it is.
    """

    _last: tuple[float, ViewFeatures] | None = None
    # The share that changed when the last picture came.
    _share: float = 1.0
    # Where a cut may be, the pictures before and after it, and how many more have come.
    _suspect: tuple[_Span, ViewFeatures, ViewFeatures, int] | None = None

    def push(self, sight: ViewFeatures, time_s: float) -> _Span | None:
        """Take a picture that shows something; give the times of the last one before a cut and the first after it."""
        found = None
        if self._suspect is not None:
            span, before, after, more = self._suspect
            if _is_other(before, sight) and overlap(after, sight) >= _CUT_OVERLAP:
                found = span if more + 1 == _CUT_AFTER else None
                self._suspect = None if found else (span, before, after, more + 1)
            else:
                self._suspect = None
        if self._last is not None:
            last_s, last = self._last
            share, before_share = changed_share(last, sight), self._share
            if self._suspect is None and before_share <= _CALM_SHARE and _is_other(last, sight):
                self._suspect = ((last_s, time_s), last, sight, 0)
            self._share = share
        self._last = (time_s, sight)
        return found


def _is_other(one: ViewFeatures, other: ViewFeatures) -> bool:
    """Whether two pictures are of different scenes: most tiles changed, and no shift explains it."""
    return changed_share(one, other) >= _CUT_SHARE and overlap(one, other) < _CUT_OVERLAP


def _times() -> TimeArray:
    return np.zeros(TILES * TILES)


def _none() -> BoolArray:
    return np.zeros(TILES * TILES, dtype=np.bool_)


@attrs.define(eq=False)
class ViewpointMonitor:
    """Remembers what stays where it is, and tells when most of it is gone for good.

    What stays is the room: of the tiles that show something, those that did not change for a while. People who pass
    hide some of them, and a camera that was bumped and comes back hides them for a moment.

    :param hold_s: how long it must be gone.
    """

    _hold_s: float
    _anchor: FloatArray | None = None
    _since_s: TimeArray = attrs.field(factory=_times)
    _agreed_s: TimeArray = attrs.field(factory=_times)
    _settled: BoolArray = attrs.field(factory=_none)
    _last_s: float = 0.0

    def push(self, sight: ViewFeatures, time_s: float) -> _Span | None:
        """Take a picture that shows something; give from when to when the view was lost, if it was."""
        if self._anchor is None:
            self.restart(sight, time_s)
            return None
        assert self._anchor is not None
        other = differ(self._anchor, sight.patterns)
        self._since_s[other] = time_s
        self._agreed_s[~other] = time_s
        self._last_s = time_s
        self._settled |= time_s - self._since_s >= _SETTLED_S
        gone_s = time_s - self._agreed_s
        room = self._settled & textured(self._anchor)
        lost = room & (gone_s >= self._hold_s)
        if self._is_lost(lost, room) and _is_of_camera(lost, sight.textured):
            start_s = float(np.median(self._agreed_s[lost]))
            self.restart(sight, time_s)
            return start_s, time_s
        self._forget(gone_s >= _FORGOTTEN * self._hold_s, sight, time_s)
        return None

    def pause(self, time_s: float) -> None:
        """Nothing can be seen at this time: whatever is remembered does not age."""
        self._since_s += time_s - self._last_s
        self._agreed_s += time_s - self._last_s
        self._last_s = time_s

    def restart(self, sight: ViewFeatures, time_s: float) -> None:
        """Remember this view, and nothing of what was before."""
        self._anchor = sight.patterns.copy()
        self._since_s[:] = self._agreed_s[:] = self._last_s = time_s
        self._settled[:] = False

    def _is_lost(self, lost: BoolArray, room: BoolArray) -> bool:
        rim = _rim(room)
        enough = np.count_nonzero(room) >= _MIN_TILES and np.count_nonzero(rim) >= _MIN_RIM
        gone = np.count_nonzero(lost) >= _LOST_SHARE * np.count_nonzero(room)
        return bool(enough and gone and np.count_nonzero(_rim(lost)) >= _LOST_SHARE * np.count_nonzero(rim))

    def _forget(self, stale: BoolArray, sight: ViewFeatures, time_s: float) -> None:
        if self._anchor is not None and stale.any():
            self._anchor[stale] = sight.patterns[stale]
            self._since_s[stale] = self._agreed_s[stale] = time_s
            self._settled[stale] = False


def _is_of_camera(lost: BoolArray, shown: BoolArray) -> bool:
    """Whether lost tiles look like a camera that moved, rather than a caption or an inset picture that went away.

    Another view shows other things in most of the lost tiles, and changes the picture on at least three of its sides.
    """
    tiles = lost.reshape(TILES, TILES)
    sides = [tiles[0].any(), tiles[-1].any(), tiles[:, 0].any(), tiles[:, -1].any()]
    still_shown = np.count_nonzero(lost & shown) >= _SHOWN_SHARE * np.count_nonzero(lost)
    return bool(still_shown and sum(sides) >= _MIN_SIDES)


def _rim(tiles: BoolArray) -> BoolArray:
    """Those of the tiles, bool (64,), that lie on the picture's rim."""
    inner = np.zeros((TILES, TILES), dtype=np.bool_)
    inner[1:-1, 1:-1] = True
    return tiles & ~inner.ravel()
