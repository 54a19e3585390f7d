"""Detects scene cuts and camera movement. No I/O, no clock."""

from __future__ import annotations

import attrs
import numpy as np

from fitsense.camera.view_features import TILES, BoolArray, ViewFeatures, changed_share, differ, overlap, textured
from fitsense.types import FloatArray, TimeArray

# A cut changes at least this share of a picture's tiles.
_CUT_SHARE = 0.6
# The step before a cut changes at most this share of tiles, or at least its pictures overlap by as much as the second:
# a person may fill the picture and move fast.
_CALM_SHARE = 0.3
_CALM_OVERLAP = 0.3
# Largest overlap of two scenes: that of the same scene, shifted by a jolt, is larger.
_CUT_OVERLAP = 0.2
# Pictures of the new scene that confirm a cut, the least overlap between them, and by how much that exceeds the overlap
# of the two scenes.
_CUT_AFTER = 2
_SAME_OVERLAP = 0.2
_MORE_OVERLAP = 0.1
# A tile belongs to the background after this many seconds without change; the view is lost with this share of them.
_SETTLED_S = 2.0
_LOST_SHARE = 0.6
# Fewer background tiles than this, or fewer at the picture's rim, may be a person who stood still.
_MIN_TILES = 8
_MIN_RIM = 4
# Part of the lost tiles that must have texture now, and number of the picture's sides on which tiles are lost.
_SHOWN_SHARE = 0.5
_MIN_SIDES = 3
# A tile gets a new pattern after this many times `hold_s` without the old one.
_FORGOTTEN = 4.0

_Span = tuple[float, float]


@attrs.define(eq=False)
class CutDetector:
    """Detects scene cuts between consecutive pictures.

    A flash is no cut: the old scene returns. A jolt of the camera shifts the same scene. When the camera moves fast,
    the pictures before or after differ from each other as well. No cut is found at a source's first step, where these
    cannot be distinguished.
    """

    _last: tuple[float, ViewFeatures] | None = None
    # Whether the last picture shows the scene of the one before.
    _calm: bool = False
    # Times of a possible cut, the pictures before and after it, the least overlap of later pictures with the latter,
    # and their number.
    _suspect: tuple[_Span, ViewFeatures, ViewFeatures, float, int] | None = None

    def push(self, features: ViewFeatures, time_s: float) -> _Span | None:
        """Take a picture that is not dark; return the times of the pictures before and after a confirmed cut."""
        found = None
        if self._suspect is not None:
            span, before, after, least, more = self._suspect
            other = _is_other(changed_share(before, features), overlap(before, features))
            if other and overlap(after, features) >= least:
                found = span if more + 1 == _CUT_AFTER else None
                self._suspect = None if found else (span, before, after, least, more + 1)
            else:
                self._suspect = None
        if self._last is not None:
            last_s, last = self._last
            was_calm, share = self._calm, changed_share(last, features)
            self._calm = share <= _CALM_SHARE
            if not self._calm:
                shared = overlap(last, features)
                self._calm = shared >= _CALM_OVERLAP
                if self._suspect is None and was_calm and _is_other(share, shared):
                    least = max(_SAME_OVERLAP, shared + _MORE_OVERLAP)
                    self._suspect = ((last_s, time_s), last, features, least, 0)
        self._last = (time_s, features)
        return found


def _is_other(share: float, shared: float) -> bool:
    """True if two pictures show different scenes: most tiles changed, and no shift explains it.

    :param share: share of tiles that changed.
    :param shared: overlap of the two.
    """
    return share >= _CUT_SHARE and shared < _CUT_OVERLAP


def _times() -> TimeArray:
    return np.zeros(TILES * TILES)


def _none() -> BoolArray:
    return np.zeros(TILES * TILES, dtype=np.bool_)


@attrs.define(eq=False)
class ViewpointMonitor:
    """Detects that the camera shows another view.

    The background consists of the tiles with texture that did not change for some time. People who pass hide some of
    them, and a bump of the camera hides all of them for a moment.

    :param hold_s: seconds for which most of the background must be gone.
    """

    _hold_s: float
    _anchor: FloatArray | None = None
    _since_s: TimeArray = attrs.field(factory=_times)
    _agreed_s: TimeArray = attrs.field(factory=_times)
    _settled: BoolArray = attrs.field(factory=_none)
    _last_s: float = 0.0

    def push(self, features: ViewFeatures, time_s: float) -> _Span | None:
        """Take a picture that is not dark; return the start and end of the loss of the view, if it was lost."""
        if self._anchor is None:
            self.restart(features, time_s)
            return None
        assert self._anchor is not None
        other = differ(self._anchor, features.patterns)
        self._since_s[other] = time_s
        self._agreed_s[~other] = time_s
        self._last_s = time_s
        self._settled |= time_s - self._since_s >= _SETTLED_S
        gone_s = time_s - self._agreed_s
        background = self._settled & textured(self._anchor)
        lost = background & (gone_s >= self._hold_s)
        if self._is_lost(lost, background) and _is_of_camera(lost, features.textured):
            start_s = float(np.median(self._agreed_s[lost]))
            self.restart(features, time_s)
            return start_s, time_s
        self._forget(gone_s >= _FORGOTTEN * self._hold_s, features, time_s)
        return None

    def pause(self, time_s: float) -> None:
        """Skip a dark picture: the tiles' times do not age."""
        self._since_s += time_s - self._last_s
        self._agreed_s += time_s - self._last_s
        self._last_s = time_s

    def restart(self, features: ViewFeatures, time_s: float) -> None:
        """Start again with this view."""
        self._anchor = features.patterns.copy()
        self._since_s[:] = self._agreed_s[:] = self._last_s = time_s
        self._settled[:] = False

    def _is_lost(self, lost: BoolArray, background: BoolArray) -> bool:
        rim = _rim(background)
        enough = np.count_nonzero(background) >= _MIN_TILES and np.count_nonzero(rim) >= _MIN_RIM
        gone = np.count_nonzero(lost) >= _LOST_SHARE * np.count_nonzero(background)
        return bool(enough and gone and np.count_nonzero(_rim(lost)) >= _LOST_SHARE * np.count_nonzero(rim))

    def _forget(self, stale: BoolArray, features: ViewFeatures, time_s: float) -> None:
        if self._anchor is not None and stale.any():
            self._anchor[stale] = features.patterns[stale]
            self._since_s[stale] = self._agreed_s[stale] = time_s
            self._settled[stale] = False


def _is_of_camera(lost: BoolArray, shown: BoolArray) -> bool:
    """True if lost tiles indicate a camera that moved, rather than a caption or an inset picture that disappeared.

    Another view has texture in most of the lost tiles, and changes the picture on at least three of its sides.
    """
    tiles = lost.reshape(TILES, TILES)
    sides = [tiles[0].any(), tiles[-1].any(), tiles[:, 0].any(), tiles[:, -1].any()]
    has_texture = np.count_nonzero(lost & shown) >= _SHOWN_SHARE * np.count_nonzero(lost)
    return bool(has_texture and sum(sides) >= _MIN_SIDES)


def _rim(tiles: BoolArray) -> BoolArray:
    """The tiles, bool (64,), that lie on the picture's rim."""
    inner = np.zeros((TILES, TILES), dtype=np.bool_)
    inner[1:-1, 1:-1] = True
    return tiles & ~inner.ravel()
