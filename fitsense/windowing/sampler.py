"""Samples clips from timestamped frames, by time and never by frame index.

A *run* is a sequence of frames without a gap. Within a run, window ``k`` covers
``[start + k * hop, start + k * hop + span]``, where span is the longest clip's; every branch's clip ends where the
window ends. Picture ``i`` of a clip is the frame nearest to the middle of the ``i``-th of its equal slots, the
earlier one in a tie. The clip is therefore the same at any frame rate, constant or not, up to half a frame.

A run that is shorter than one window still gives one, with its last picture repeated; a run whose remainder is longer
than half a hop gives one more window that ends with the run.

A streaming branch gets each slot of its run once, from the run's start: a window brings the slots that ended since
the window before.

A branch that takes poses gets those of the tracked person instead of pictures: for each slot the pose whose frame is
nearest to its middle. Poses come with some of the frames, and each is found once, however many windows contain it.
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
from fitsense.imaging.frame_rate import min_interval_s
from fitsense.types import Clip, ClipSpec, FloatArray, TimeArray, UInt8Array
from fitsense.windowing.frame_clock import ClockReset, FrameClock, FrameClockState, Gap, LateFrame
from fitsense.windowing.stream_state import NewFrames, StreamProgress

# Rounding error of sums of timestamps in float64, in seconds.
_TOLERANCE_S = 1e-6


@attrs.frozen(eq=False)
class Window:
    """One window of a run.

    :param clips: the clip of each branch that does not stream, by branch name.
    :param start_s: start of the longest clip, in seconds of media time.
    :param end_s: end of every clip, at most the run's end.
    :param decides_from_s: start of the interval that the window's prediction applies to.
    :param decides_until_s: end of that interval. A run's intervals join without overlap; the last one extends to the
        end of the run, which only :class:`RunEnd` gives.
    :param new_frames: new frames of each streaming branch, by branch name. Predict a run's windows in order.
    :param expectation: the host's expectation; None for a neutral one.
    :param poses: the tracked person's poses in each branch's clip, float32 (frames, landmarks, 6), by name of the
        branches that take poses; NaN in frames without the person.
    """

    clips: Mapping[str, Clip]
    start_s: float
    end_s: float
    decides_from_s: float
    decides_until_s: float
    new_frames: Mapping[str, NewFrames] = attrs.field(factory=dict)
    expectation: Expectation | None = None
    poses: Mapping[str, FloatArray] = attrs.field(factory=dict)


@attrs.frozen
class RunEnd:
    """The end of a run.

    :param start_s: time of the run's first frame, in seconds of media time.
    :param end_s: end of the run's last frame.
    """

    start_s: float
    end_s: float


Output = Window | Gap | LateFrame | ClockReset | RunEnd


def nearest(times: TimeArray, spec: ClipSpec, end_s: float) -> NDArray[np.intp]:
    """Select the frames of a clip that ends at `end_s`.

    :param times: frame times, ascending, float64 (frames,), in seconds; at least one.
    :returns: (spec.frames,) indices into `times`: the frame nearest to the middle of each of the clip's equal slots,
        the earlier one in a tie.
    """
    slots = end_s - spec.span_s + (np.arange(spec.frames) + 0.5) / spec.rate_hz
    return nearest_to(times, slots)


def nearest_to(times: TimeArray, wanted: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """Index of the nearest of the ascending `times` for each of the `wanted` times; the earlier one in a tie."""
    after = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(wanted - times[before] <= times[after] - wanted, before, after)


@attrs.define(eq=False)
class _BufferedFrame:
    """A frame that later windows may need, as each branch's image."""

    time_s: float
    images: Mapping[str, UInt8Array]


@attrs.define(eq=False)
class _BufferedPose:
    """Pose at a time, in the coordinates of each branch's clip."""

    time_s: float
    landmarks: Mapping[str, FloatArray]


class _Clips(Mapping[str, Clip]):
    """A window's clips, stacked on first access.

    :param picked: the frames of each branch's clip and the clip's start in seconds, by branch name.
    :param end_s: end of all clips, in seconds.
    """

    def __init__(self, picked: Mapping[str, tuple[Sequence[_BufferedFrame], float]], end_s: float) -> None:
        self._picked = picked
        self._end_s = end_s
        self._stacked: dict[str, Clip] = {}

    def __getitem__(self, name: str) -> Clip:
        if name not in self._stacked:
            frames, start_s = self._picked[name]
            self._stacked[name] = Clip(np.stack([frame.images[name] for frame in frames]), start_s, self._end_s)
        return self._stacked[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._picked)

    def __len__(self) -> int:
        return len(self._picked)


@attrs.define(eq=False)
class WindowSamplerState:
    """State of a :class:`WindowSampler`.

    :param frames: the run's frames that later windows may need.
    :param emitted: windows of this run so far.
    :param decided_s: end of the last window's decided interval, in seconds of media time.
    :param streams: progress of the streaming branches in this run, by name.
    :param poses: the run's poses that later windows may need.
    """

    clock: FrameClockState = attrs.field(factory=FrameClockState)
    frames: deque[_BufferedFrame] = attrs.field(factory=deque)
    emitted: int = 0
    decided_s: float = 0.0
    streams: dict[str, StreamProgress] = attrs.field(factory=dict)
    poses: deque[_BufferedPose] = attrs.field(factory=deque)


class WindowSampler:
    """Turns frames into windows.

    :param specs: the clip of each branch, by branch name; at least one.
    :param hop_s: seconds between the starts of windows.
    :param gap_s: a longer step between two frames' times ends the run.
    :param streaming: names of the streaming branches.
    :param landmarks: number of landmarks of each branch that takes poses, by name.

    Frames that come too soon after the previous one are skipped, see :mod:`fitsense.imaging.frame_rate`.
    """

    def __init__(
        self,
        specs: Mapping[str, ClipSpec],
        *,
        hop_s: float,
        gap_s: float = 1.5,
        streaming: Collection[str] = (),
        landmarks: Mapping[str, int] | None = None,
    ) -> None:
        if not specs:
            raise InvalidInputError("specs: expected at least one clip spec, got none")
        for name, value in (("hop_s", hop_s), ("gap_s", gap_s)):
            if not (math.isfinite(value) and value > 0):
                raise InvalidInputError(f"{name}: expected a number above 0, got {value!r}")
        self._specs = dict(specs)
        self._span_s = max(spec.span_s for spec in specs.values())
        self._hop_s = hop_s
        self._streaming = frozenset(streaming)
        self._landmarks = dict(landmarks or {})
        self._on_pictures = [name for name in specs if name not in self._streaming and name not in self._landmarks]
        self._clock = FrameClock(gap_s, min_interval_s(specs.values()))
        self.state = WindowSamplerState()

    @property
    def state(self) -> WindowSamplerState:
        """The sampler's state, with its clock's; may be replaced."""
        return self._state

    @state.setter
    def state(self, state: WindowSamplerState) -> None:
        self._state = state
        self._clock.state = state.clock

    @property
    def last_s(self) -> float | None:
        """Time of the run's newest frame, in seconds of media time; None between runs."""
        return self.state.clock.last_s

    @property
    def offset_s(self) -> float:
        """Seconds added to frame times, after clock resets."""
        return self.state.clock.offset_s

    def skips(self, time_s: float) -> bool:
        """True if a frame of that time comes too soon after the newest one, so that it need not be pushed."""
        return self._clock.skips(time_s)

    def push(
        self, images: Mapping[str, UInt8Array], time_s: float, poses: Mapping[str, FloatArray] | None = None
    ) -> list[Output]:
        """Take one frame; return the outputs that it completes.

        :param images: the frame's image for each branch, uint8 (size, size, 3), by branch name. The mapping is kept,
            and an image is read when a clip that contains it is.
        :param time_s: presentation time in seconds. A time that is not after the last is refused as late, until a row
            of them shows that the clock was set back; from then on times are shifted.
        :param poses: the tracked person's pose as each branch's clip shows it, float32 (landmarks, 6), by name of the
            branches that take poses, NaN where the person was not found; None if no pose was sought in this frame.
        :raises InvalidInputError: a time that is not finite; the sampler is unchanged.
        """
        media_s, outputs = self.admit(time_s)
        return outputs if media_s is None else outputs + self.add(images, media_s, poses)

    def admit(self, time_s: float) -> tuple[float | None, list[Output]]:
        """Decide whether to take a frame of that time: the first half of :meth:`push`.

        :returns: the frame's media time, for :meth:`add`, and the outputs before the frame: the end of a run. The time
            is None for a frame that is dropped.
        :raises InvalidInputError: a time that is not finite; the sampler is unchanged.
        """
        if not math.isfinite(time_s):
            raise InvalidInputError(f"time_s: expected a finite number of seconds, got {time_s!r}")
        if self.skips(time_s):
            return None, []
        time_s, event = self._clock.check(time_s)
        if isinstance(event, LateFrame):
            return None, [event]
        return time_s, [] if event is None else [*self.finish(), event]

    def add(
        self, images: Mapping[str, UInt8Array], time_s: float, poses: Mapping[str, FloatArray] | None = None
    ) -> list[Output]:
        """Take a frame at the media time that :meth:`admit` gave: the second half of :meth:`push`."""
        outputs: list[Output] = []
        if self._clock.advance(time_s):
            self.state.decided_s = time_s
            self.state.emitted = 0
            self.state.streams = {name: StreamProgress() for name in sorted(self._streaming)}
        if poses is not None:
            self.state.poses.append(_BufferedPose(time_s, poses))
        frame = _BufferedFrame(time_s, images)
        self._fill_slots(frame)
        self.state.frames.append(frame)
        while self._next_end_s <= time_s + _TOLERANCE_S:
            outputs.append(self._window(self._next_end_s))
        self._drop_old_frames()
        return outputs

    def mark_cut(self, at_s: float = math.inf) -> list[Output]:
        """Mark a scene cut: end the run as :meth:`finish` does. Media time continues.

        :param at_s: time of the first frame after the cut, in seconds of media time, if it was pushed already: the
            next run begins with it, without the poses since then, of someone who was followed from the scene before.
            Frames that are in no buffer any more, or whose time is decided, stay in the run. A cut that is not after
            the run's first frame changes nothing.
        """
        if self.last_s is not None and at_s <= self.state.clock.run_start_s:
            return []
        later = self._take_back(max(at_s, self.state.decided_s))
        outputs = self._end_run(cut=True)
        for frame in later:
            outputs += self.add(frame.images, frame.time_s)
        return outputs

    def _take_back(self, at_s: float) -> list[_BufferedFrame]:
        """Remove the run's frames and poses from `at_s` on; return the frames."""
        state, last_s = self.state, self.last_s
        if last_s is None or not state.clock.run_start_s < at_s <= last_s:
            return []
        if self._on_pictures and state.frames[0].time_s >= at_s:
            return []
        later = [frame for frame in state.frames if frame.time_s >= at_s]
        if not self._on_pictures and not self._streaming:
            # Only the newest frame is kept, but the clock needs the first one, whose picture no branch does.
            times = [pose.time_s for pose in state.poses if at_s <= pose.time_s < later[0].time_s]
            later = [_BufferedFrame(time_s, {}) for time_s in times] + later
        state.frames = deque(frame for frame in state.frames if frame.time_s < at_s)
        state.poses = deque(pose for pose in state.poses if pose.time_s < at_s)
        self._clock.rewind(later[0].time_s)
        return later

    def finish(self) -> list[Output]:
        """End the run: return its last windows and its end. A later frame begins a new run."""
        return self._end_run()

    def _end_run(self, *, cut: bool = False) -> list[Output]:
        end_s = self._clock.run_end_s
        outputs: list[Output] = []
        if end_s is not None:
            while self._next_end_s <= end_s + _TOLERANCE_S:
                outputs.append(self._window(self._next_end_s, run_end_s=end_s))
            if self.state.emitted == 0:
                outputs.append(self._window(self._next_end_s, run_end_s=end_s))
            elif end_s - (self._next_end_s - self._hop_s) > self._hop_s / 2:
                outputs.append(self._window(end_s, run_end_s=end_s))
            outputs.append(RunEnd(self.state.clock.run_start_s, end_s))
            self.state.frames.clear()
            self.state.poses.clear()
            self.state.streams = {}
        self._clock.end_run(cut=cut)
        return outputs

    @property
    def _next_end_s(self) -> float:
        return self.state.clock.run_start_s + self._span_s + self.state.emitted * self._hop_s

    def _window(self, end_s: float, run_end_s: float = math.inf) -> Window:
        """Build the window that ends at `end_s`; slots after `run_end_s` get the last image."""
        times = np.array([frame.time_s for frame in self.state.frames])
        picked = {}
        for name in self._on_pictures:
            frames = [self.state.frames[index] for index in nearest(times, self._specs[name], end_s).tolist()]
            picked[name] = (frames, end_s - self._specs[name].span_s)
        decides_until_s = min(end_s - self._span_s / 2 + self._hop_s / 2, end_s, run_end_s)
        window = Window(
            clips=_Clips(picked, min(end_s, run_end_s)),
            start_s=end_s - self._span_s,
            end_s=min(end_s, run_end_s),
            decides_from_s=self.state.decided_s,
            decides_until_s=max(self.state.decided_s, decides_until_s),
            new_frames={name: self._new_frames(name, end_s) for name in self._specs if name in self._streaming},
            poses={name: self._poses(name, end_s) for name in self._landmarks},
        )
        self.state.decided_s = window.decides_until_s
        self.state.emitted += 1
        return window

    def _poses(self, name: str, end_s: float) -> FloatArray:
        """Poses of a branch's clip: for each slot, the one nearest to its middle."""
        spec, poses = self._specs[name], self.state.poses
        if not poses:
            return np.full((spec.frames, self._landmarks[name], 6), np.nan, np.float32)
        times = np.array([pose.time_s for pose in poses])
        return np.stack([poses[index].landmarks[name] for index in nearest(times, spec, end_s).tolist()])

    def _fill_slots(self, frame: _BufferedFrame) -> None:
        """Fill the streaming branches' slots whose nearest frame is known, now that `frame` has come."""
        for name, progress in self.state.streams.items():
            while (slot_s := self._next_slot_s(name, progress)) <= frame.time_s:
                before = self.state.frames[-1]
                closest = before if slot_s - before.time_s <= frame.time_s - slot_s else frame
                progress.waiting.append(closest.images[name])

    def _next_slot_s(self, name: str, progress: StreamProgress) -> float:
        """Middle of a streaming branch's next slot, in seconds of media time."""
        slot = progress.shown + len(progress.waiting)
        return self.state.clock.run_start_s + (slot + 0.5) / self._specs[name].rate_hz

    def _new_frames(self, name: str, end_s: float) -> NewFrames:
        """Slots that ended by `end_s` and were in no window before; those after the run get the last image."""
        progress = self.state.streams[name]
        until = math.floor((end_s - self.state.clock.run_start_s + _TOLERANCE_S) * self._specs[name].rate_hz)
        missing = until - progress.shown - len(progress.waiting)
        progress.waiting += [self.state.frames[-1].images[name]] * missing
        return progress.show(until)

    def _drop_old_frames(self) -> None:
        """Drop the frames and poses that no later window can need."""
        assert self.last_s is not None
        # The run's last window may end up to half a hop before the next regular one would, but not before this frame.
        earliest_end_s = min(self._next_end_s, max(self.last_s, self._next_end_s - self._hop_s / 2))
        oldest_s = earliest_end_s - self._span_s
        _drop_before(self.state.frames, oldest_s if self._on_pictures else math.inf)
        _drop_before(self.state.poses, oldest_s)


def _drop_before(buffer: deque[_BufferedFrame] | deque[_BufferedPose], oldest_s: float) -> None:
    """Drop all entries before the last one that is not after `oldest_s`."""
    while len(buffer) > 1 and buffer[1].time_s <= oldest_s:
        buffer.popleft()
