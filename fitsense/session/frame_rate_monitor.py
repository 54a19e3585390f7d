"""Warnings about frames that are too few, or whose times have the wrong unit. Each code is given once per session."""

from __future__ import annotations

import attrs

from fitsense.events.model import SessionWarning

# Lowest frame rate at which repetitions can be counted, in hertz, and the number of frames it is measured over.
_MIN_RATE_HZ = 4.0
_RATE_FRAMES = 5
# Single frames at least this many seconds apart suggest times in another unit.
_SUSPICIOUS_INTERVAL_S = 5.0


@attrs.define
class FrameRateMonitorState:
    """State of a :class:`FrameRateMonitor`.

    :param run_start_s: time of the run's first frame, in seconds of media time; None before it.
    :param run_frames: frames of the run so far.
    :param last_run_was_single: whether the previous run had one frame only.
    :param warned: codes of the warnings given.
    """

    run_start_s: float | None = None
    run_frames: int = 0
    last_run_was_single: bool = False
    warned: list[str] = attrs.field(factory=list)


class FrameRateMonitor:
    """Checks a session's frame times."""

    def __init__(self) -> None:
        self.state = FrameRateMonitorState()

    def add_frame(self, time_s: float) -> list[SessionWarning]:
        """Add a frame at `time_s` seconds of media time; warn if a run has too few to count repetitions."""
        state = self.state
        state.run_start_s = time_s if state.run_start_s is None else state.run_start_s
        state.run_frames += 1
        if state.run_frames != _RATE_FRAMES:
            return []
        rate_hz = (state.run_frames - 1) / (time_s - state.run_start_s)
        if rate_hz >= _MIN_RATE_HZ:
            return []
        message = f"expected at least {_MIN_RATE_HZ:g} frames a second to count repetitions, got {rate_hz:.1f}"
        return self._warn_once("frame_rate_low", message, state.run_start_s, time_s)

    def end_run(self) -> None:
        """End the run."""
        self.state.last_run_was_single = self.state.run_frames == 1
        self.state.run_start_s, self.state.run_frames = None, 0

    def single_frames(self, start_s: float, end_s: float) -> list[SessionWarning]:
        """Warn of runs of one frame each, in place of a warning after each of them.

        :param start_s: time of a run's only frame, in seconds of media time.
        :param end_s: time of the next frame.
        """
        step_s = end_s - start_s
        if step_s >= _SUSPICIOUS_INTERVAL_S:
            message = f"expected frame times in seconds, got frames {step_s:g} s apart: are they milliseconds?"
            return self._warn_once("times_suspicious", message, start_s, end_s)
        message = f"expected at least {_MIN_RATE_HZ:g} frames a second to count repetitions, got one in {step_s:.1f} s"
        return self._warn_once("frame_rate_low", message, start_s, end_s)

    def too_short(self, start_s: float, end_s: float, window_s: float) -> list[SessionWarning]:
        """Warn if the session, from `start_s` to `end_s`, is shorter than one window of `window_s` seconds."""
        if end_s - start_s >= window_s:
            return []
        message = f"expected at least {window_s:.1f} s of video for one prediction, got {end_s - start_s:.1f} s"
        return self._warn_once("too_short", message, start_s, end_s)

    def _warn_once(self, code: str, message: str, start_s: float, end_s: float) -> list[SessionWarning]:
        if code in self.state.warned:
            return []
        self.state.warned.append(code)
        return [SessionWarning(code, message, start_s, end_s)]
