"""Frame clock: maps frame times to media time, and detects late frames, gaps and clock resets."""

from __future__ import annotations

import attrs

from fitsense.imaging.frame_rate import within_interval

# This many late frames in a row, later than a gap, mean that the source's clock was set back.
_RESET_FRAMES = 10


@attrs.frozen
class Gap:
    """Media time without frames.

    :param start_s: time of the last frame before it, in seconds of media time.
    :param end_s: time of the first frame after it.
    """

    start_s: float
    end_s: float


@attrs.frozen
class LateFrame:
    """A frame that was dropped because its time is not after the previous frame's.

    :param time_s: its time, in seconds of media time.
    :param last_s: time of the newest frame kept.
    """

    time_s: float
    last_s: float


@attrs.frozen
class ClockReset:
    """The source's clock was set back; media time continues.

    :param time_s: media time of the first frame after the reset, in seconds.
    :param offset_s: seconds added to all later frame times, for this reset and those before it.
    """

    time_s: float
    offset_s: float


ClockEvent = Gap | LateFrame | ClockReset


@attrs.define
class FrameClockState:
    """State of a :class:`FrameClock`. Times are in seconds of media time.

    :param run_start_s: time of the run's first frame.
    :param last_s: time of the run's newest frame; None between runs.
    :param step_s: seconds between the run's last two frames; 0 after its first.
    :param offset_s: seconds added to frame times.
    :param late_in_a_row: late frames since the newest frame kept.
    :param cut_s: time of the last frame before a scene cut; None once a frame has followed it.
    """

    run_start_s: float = 0.0
    last_s: float | None = None
    step_s: float = 0.0
    offset_s: float = 0.0
    late_in_a_row: int = 0
    cut_s: float | None = None


class FrameClock:
    """Media time of frames, and the run that they form.

    :param gap_s: a longer step between two frames' times is a gap, in seconds.
    :param min_interval_s: a frame that follows sooner than this is skipped, in seconds.
    """

    def __init__(self, gap_s: float, min_interval_s: float) -> None:
        self._gap_s = gap_s
        self._min_interval_s = min_interval_s
        self.state = FrameClockState()

    @property
    def run_end_s(self) -> float | None:
        """End of the run's newest frame, as long as the one before it; None between runs."""
        return None if self.state.last_s is None else self.state.last_s + self.state.step_s

    def skips(self, time_s: float) -> bool:
        """True if a frame of that time comes too soon after the newest one."""
        last_s = self.state.last_s
        return last_s is not None and within_interval(time_s + self.state.offset_s, last_s, self._min_interval_s)

    def check(self, time_s: float) -> tuple[float, ClockEvent | None]:
        """Compare a frame's time with the run's.

        :param time_s: the frame's time as the source gives it, in seconds.
        :returns: the frame's media time, and what is wrong with it. A late frame is to be dropped; a gap or a reset
            ends the run. Call :meth:`end_run` for these, and :meth:`advance` for every frame kept.
        """
        state = self.state
        time_s += state.offset_s
        if state.last_s is None:
            late = state.cut_s is not None and time_s <= state.cut_s
            return time_s, LateFrame(time_s, state.cut_s) if late and state.cut_s is not None else None
        if time_s > state.last_s:
            return time_s, Gap(state.last_s, time_s) if time_s - state.last_s > self._gap_s else None
        state.late_in_a_row += 1
        if state.late_in_a_row < _RESET_FRAMES or state.last_s - time_s <= self._gap_s:
            return time_s, LateFrame(time_s, state.last_s)
        back_s = state.last_s + self._gap_s - time_s
        state.offset_s += back_s
        time_s += back_s
        return time_s, ClockReset(time_s, state.offset_s)

    def advance(self, time_s: float) -> bool:
        """Take a frame at `time_s` seconds of media time; return whether it begins a run."""
        state = self.state
        begins = state.last_s is None
        if state.last_s is None:
            state.cut_s = None
            state.run_start_s = time_s
            state.step_s = 0.0
        else:
            state.step_s = time_s - state.last_s
        state.last_s = time_s
        state.late_in_a_row = 0
        return begins

    def rewind(self, end_s: float) -> None:
        """Take back the frames of the run from `end_s` seconds of media time on: it ends there."""
        self.state.last_s, self.state.step_s = end_s, 0.0

    def end_run(self, *, cut: bool = False) -> None:
        """End the run; after a scene cut, frames from before it count as late."""
        if cut:
            self.state.cut_s = self.state.last_s
        self.state.last_s = None
