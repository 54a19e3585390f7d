"""States of a picture that are reported when they have lasted, and the warnings about them."""

from __future__ import annotations

import attrs

_TOLERANCE_S = 1e-6


@attrs.frozen
class CameraWarning:
    """A state or a change of the camera's picture.

    :param code: identifier of the state or change.
    :param message: description for people.
    :param start_s: its start, in seconds of media time. For ``camera_cut``, the last picture before the cut.
    :param end_s: its end so far. For ``camera_cut``, the first picture after the cut.
    :param over: whether `end_s` is final. A state is reported twice, a change once.
    :param limbs: for ``person_cut_off``, what of the person is outside the picture; else None.
    """

    code: str
    message: str
    start_s: float
    end_s: float
    over: bool
    limbs: tuple[str, ...] | None = None


@attrs.define
class LastingState:
    """A state that is reported after it has held for `hold_s` seconds, and again after `clear_s` without it."""

    _code: str
    _meaning: str
    _hold_s: float
    _clear_s: float
    _start_s: float | None = None
    _end_s: float = 0.0
    reported: bool = False
    limbs: tuple[str, ...] | None = None

    def describe(self, meaning: str, limbs: tuple[str, ...]) -> None:
        """Change the meaning of the state until it is reported."""
        if not self.reported:
            self._meaning, self.limbs = meaning, limbs

    def update(self, since_s: float | None, time_s: float) -> list[CameraWarning]:
        """Update with the time since which the state holds; None while it does not."""
        if since_s is None:
            return self.end() if not self.reported or time_s - self._end_s >= self._clear_s - _TOLERANCE_S else []
        if self._start_s is None:
            self._start_s = since_s
        self._end_s = time_s
        if self.reported or time_s - self._start_s < self._hold_s - _TOLERANCE_S:
            return []
        self.reported = True
        message = f"{self._meaning}, for {time_s - self._start_s:.1f} s now"
        return [CameraWarning(self._code, message, self._start_s, time_s, over=False, limbs=self.limbs)]

    def end(self) -> list[CameraWarning]:
        """End the state."""
        start_s, reported = self._start_s, self.reported
        self._start_s, self.reported = None, False
        if start_s is None or not reported:
            return []
        message = f"over after {self._end_s - start_s:.1f} s: {self._meaning}"
        return [CameraWarning(self._code, message, start_s, self._end_s, over=True, limbs=self.limbs)]


@attrs.define
class Since:
    """Time since which a condition holds; None while it does not."""

    start_s: float | None = None

    def update(self, holds: bool, time_s: float) -> float | None:
        self.start_s = (time_s if self.start_s is None else self.start_s) if holds else None
        return self.start_s
