"""Timestamped frames in, clips out: pure, and sampled by time, never by index.

A *run* is a stretch of frames without a gap. Within a run, window ``k`` covers
``[start + k * hop, start + k * hop + span]``, where span is the longest clip's; every branch's clip ends where the
window ends. A clip's picture ``i`` is the frame nearest to the middle of the ``i``-th of its equal slots (the
earlier one in a tie), so any frame rate, constant or not, gives the same clip up to half a frame.

A run that is shorter than one window still gives one, its last picture held; a run whose tail is longer than half
a hop gives one more window that ends with the run.

A branch that streams sees each slot of its run once, from the run's start on: a window brings the slots that ended
since the window before.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.errors import InvalidInputError
from fitsense.expectation import Expectation
from fitsense.imaging.frame_rate import min_interval_s, within_interval
from fitsense.types import Clip, ClipSpec, TimeArray, UInt8Array
from fitsense.windowing.stream_state import NewFrames, StreamProgress

# So many late frames in a row, by more than a gap, mean that the clock was set back.
_RESET_FRAMES = 10
# Seconds by which sums of timestamps may miss each other in float64.
_TOLERANCE_S = 1e-6


@attrs.frozen(eq=False)
class Window:
    """One window of a run.

    :param clips: the clip of each branch that does not stream, by branch name.
    :param start_s: where the longest clip begins, in seconds of media time.
    :param end_s: where every clip ends, but not after the run.
    :param decides_from_s: start of the stretch that this window decides about.
    :param decides_until_s: end of that stretch. A run's stretches join without overlap; what is left of the run
        after the last one belongs to it too, which only :class:`RunEnd` can tell.
    :param new_frames: what is new to each branch that streams, by branch name. A run's windows are asked about in
        order.
    :param expectation: what the host expects; None for nothing in particular.
    """

    clips: Mapping[str, Clip]
    start_s: float
    end_s: float
    decides_from_s: float
    decides_until_s: float
    new_frames: Mapping[str, NewFrames] = attrs.field(factory=dict)
    expectation: Expectation | None = None


@attrs.frozen
class Gap:
    """Media time without frames.

    :param start_s: time of the last frame before it.
    :param end_s: time of the first frame after it.
    """

    start_s: float
    end_s: float


@attrs.frozen
class LateFrame:
    """A frame that was dropped since its time is not after its predecessor's.

    :param time_s: its time.
    :param last_s: time of the newest frame kept.
    """

    time_s: float
    last_s: float


@attrs.frozen
class ClockReset:
    """The source's clock was set back; media time goes on without a step.

    :param time_s: where media time goes on.
    :param by_s: what is added from now on to the times that come in, all told.
    """

    time_s: float
    by_s: float


@attrs.frozen
class RunEnd:
    """The end of a run: nothing is known about what follows.

    :param start_s: time of the run's first frame.
    :param end_s: end of the run's last frame.
    """

    start_s: float
    end_s: float


Output = Window | Gap | LateFrame | ClockReset | RunEnd


def nearest(times: TimeArray, spec: ClipSpec, end_s: float) -> NDArray[np.intp]:
    """Which of the frames at `times` show a clip that ends at `end_s`.

    :param times: ascending, float64 (frames,), in seconds; at least one.
    :returns: (spec.frames,) indices into `times`: for the middle of each of the clip's equal slots the nearest
        frame, the earlier one in a tie.
    """
    slots = end_s - spec.span_s + (np.arange(spec.frames) + 0.5) / spec.rate_hz
    return nearest_to(times, slots)


def nearest_to(times: TimeArray, wanted: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """For each of the `wanted` times the index of the nearest of `times`, which ascend; the earlier one in a tie."""
    after = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(wanted - times[before] <= times[after] - wanted, before, after)


@attrs.define(eq=False)
class _BufferedFrame:
    """A frame that windows to come may show, as each branch sees it."""

    time_s: float
    images: Mapping[str, UInt8Array]


class _Clips(Mapping[str, Clip]):
    """A window's clips, each of which is made when it is asked for.

    :param picked: the frames that each branch's clip shows, and when it begins, by branch name.
    :param end_s: when all end.
    """

    def __init__(self, picked: Mapping[str, tuple[Sequence[_BufferedFrame], float]], end_s: float) -> None:
        self._picked = picked
        self._end_s = end_s
        self._made: dict[str, Clip] = {}

    def __getitem__(self, name: str) -> Clip:
        if name not in self._made:
            kept, start_s = self._picked[name]
            self._made[name] = Clip(np.stack([one.images[name] for one in kept]), start_s, self._end_s)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._picked)

    def __len__(self) -> int:
        return len(self._picked)


@attrs.define(eq=False)
class WindowSamplerState:
    """All that :class:`WindowSampler` remembers.

    :param offset_s: what is added to the times that come in.
    :param step_s: between the last two frames.
    :param emitted: windows of this run.
    :param decided_s: until when they have spoken.
    :param cut_s: time of the last frame before a cut that no frame has followed yet.
    :param streams: the branches that stream, in this run, by name.
    """

    frames: deque[_BufferedFrame] = attrs.field(factory=deque)
    run_start_s: float = 0.0
    last_s: float | None = None
    offset_s: float = 0.0
    late_in_a_row: int = 0
    step_s: float = 0.0
    emitted: int = 0
    decided_s: float = 0.0
    cut_s: float | None = None
    streams: dict[str, StreamProgress] = attrs.field(factory=dict)


class WindowSampler:
    """Turns one stream of frames into windows.

    :param specs: the clips wanted, by branch name; at least one.
    :param hop_s: seconds between the starts of windows.
    :param gap_s: a longer step between two frames' times ends the run.
    :param streaming: names of the branches that stream.

    Frames that come too soon to show anything new are passed over, see :mod:`fitsense.imaging.frame_rate`.
    """

    def __init__(
        self,
        specs: Mapping[str, ClipSpec],
        *,
        hop_s: float,
        gap_s: float = 1.5,
        streaming: Collection[str] = (),
    ) -> None:
        if not specs:
            raise InvalidInputError("specs: expected at least one clip spec, got none")
        for name, value in (("hop_s", hop_s), ("gap_s", gap_s)):
            if not (math.isfinite(value) and value > 0):
                raise InvalidInputError(f"{name}: expected a number above 0, got {value!r}")
        self._specs = dict(specs)
        self._span_s = max(spec.span_s for spec in specs.values())
        self._hop_s = hop_s
        self._gap_s = gap_s
        self._streaming = frozenset(streaming)
        self._min_step_s = min_interval_s(specs.values())
        self.state = WindowSamplerState()

    @property
    def last_s(self) -> float | None:
        """Time of the newest frame kept, in seconds of media time; None before the first."""
        return self.state.last_s

    def skips(self, time_s: float) -> bool:
        """Whether a frame of that time comes too soon after the newest one, so that there is no need to push it."""
        last_s = self.state.last_s
        return last_s is not None and within_interval(time_s + self.state.offset_s, last_s, self._min_step_s)

    def push(self, pictures: Mapping[str, UInt8Array], time_s: float) -> list[Output]:
        """Take one frame; give what it completes.

        :param pictures: the frame as each branch sees it, uint8 (size, size, 3), by branch name. They are kept as they
            are, and asked for when a clip that shows them is.
        :param time_s: its presentation time in seconds. A time that is not after the last is refused as late, until
            a row of them shows that the clock was set back; from then on times are shifted.
        """
        if not math.isfinite(time_s):
            raise InvalidInputError(f"time_s: expected a finite number of seconds, got {time_s!r}")
        if self.skips(time_s):
            return []
        outputs: list[Output] = []
        time_s += self.state.offset_s
        if self.state.last_s is not None:
            if time_s <= self.state.last_s:
                self.state.late_in_a_row += 1
                if self.state.late_in_a_row < _RESET_FRAMES or self.state.last_s - time_s <= self._gap_s:
                    return [LateFrame(time_s, self.state.last_s)]
                back_s = self.state.last_s + self._gap_s - time_s
                self.state.offset_s += back_s
                time_s += back_s
                outputs += [*self.finish(), ClockReset(time_s, self.state.offset_s)]
            elif time_s - self.state.last_s > self._gap_s:
                gap = Gap(self.state.last_s, time_s)
                outputs += [*self.finish(), gap]
        elif self.state.cut_s is not None and time_s <= self.state.cut_s:
            return [LateFrame(time_s, self.state.cut_s)]
        self.state.late_in_a_row = 0
        if self.state.last_s is None:
            self.state.cut_s = None
            self.state.run_start_s = self.state.decided_s = time_s
            self.state.emitted = 0
            self.state.step_s = 0.0
            self.state.streams = {name: StreamProgress() for name in sorted(self._streaming)}
        else:
            self.state.step_s = time_s - self.state.last_s
        self.state.last_s = time_s
        kept = _BufferedFrame(time_s, pictures)
        self._sample(kept)
        self.state.frames.append(kept)
        while self._next_end_s <= time_s + _TOLERANCE_S:
            outputs.append(self._window(self._next_end_s))
        self._forget()
        return outputs

    def mark_cut(self) -> list[Output]:
        """End the run, since the frames to come show something else, though time goes on: as :meth:`finish` does."""
        cut_s = self.state.last_s
        outputs = self.finish()
        self.state.cut_s = cut_s
        return outputs

    def finish(self) -> list[Output]:
        """End the run: give its last windows, and its end. A frame pushed afterwards begins a new run."""
        if self.state.last_s is None:
            return []
        end_s = self.state.last_s + self.state.step_s
        outputs: list[Output] = []
        while self._next_end_s <= end_s + _TOLERANCE_S:
            outputs.append(self._window(self._next_end_s, run_end_s=end_s))
        if self.state.emitted == 0:
            outputs.append(self._window(self.state.run_start_s + self._span_s, run_end_s=end_s))
        elif end_s - (self._next_end_s - self._hop_s) > self._hop_s / 2:
            outputs.append(self._window(end_s, run_end_s=end_s))
        outputs.append(RunEnd(self.state.run_start_s, end_s))
        self.state.frames.clear()
        self.state.streams = {}
        self.state.last_s = None
        return outputs

    @property
    def _next_end_s(self) -> float:
        return self.state.run_start_s + self._span_s + self.state.emitted * self._hop_s

    def _window(self, end_s: float, run_end_s: float = math.inf) -> Window:
        """The window that ends at `end_s`; what lies after `run_end_s` shows the last picture."""
        times = np.array([kept.time_s for kept in self.state.frames])
        picked, stretches = {}, {}
        for name, spec in self._specs.items():
            if name in self._streaming:
                stretches[name] = self._new_frames(name, end_s)
            else:
                shown = [self.state.frames[index] for index in nearest(times, spec, end_s).tolist()]
                picked[name] = (shown, end_s - spec.span_s)
        speaks_until_s = min(end_s - self._span_s / 2 + self._hop_s / 2, end_s, run_end_s)
        window = Window(
            clips=_Clips(picked, min(end_s, run_end_s)),
            start_s=end_s - self._span_s,
            end_s=min(end_s, run_end_s),
            decides_from_s=self.state.decided_s,
            decides_until_s=max(self.state.decided_s, speaks_until_s),
            new_frames=stretches,
        )
        self.state.decided_s = window.decides_until_s
        self.state.emitted += 1
        return window

    def _sample(self, kept: _BufferedFrame) -> None:
        """Take the pictures of slots whose nearest frame is known, now that this one has come."""
        for name, run in self.state.streams.items():
            while (slot_s := self._slot_s(name, run)) <= kept.time_s:
                before = self.state.frames[-1]
                nearest_one = before if slot_s - before.time_s <= kept.time_s - slot_s else kept
                run.waiting.append(nearest_one.images[name])

    def _slot_s(self, name: str, run: StreamProgress) -> float:
        """The middle of the slot that a streaming branch sees next."""
        return self.state.run_start_s + (run.shown + len(run.waiting) + 0.5) / self._specs[name].rate_hz

    def _new_frames(self, name: str, end_s: float) -> NewFrames:
        """The slots that ended by `end_s` and that no window has shown; those after the run show the last picture."""
        run = self.state.streams[name]
        until = math.floor((end_s - self.state.run_start_s + _TOLERANCE_S) * self._specs[name].rate_hz)
        missing = until - run.shown - len(run.waiting)
        run.waiting += [self.state.frames[-1].images[name]] * missing
        return run.show(until)

    def _forget(self) -> None:
        """Drop the frames that no window to come can pick."""
        oldest_s = math.inf if self._streaming.issuperset(self._specs) else self._next_end_s - self._span_s
        while len(self.state.frames) > 1 and self.state.frames[1].time_s <= oldest_s:
            self.state.frames.popleft()
