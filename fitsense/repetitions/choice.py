"""Counts from the body and from all motion in the picture at once, and takes the clearer of the two. Pure.

Both counters judge cycles alike: a score is the part of all motion that the cycles are, weighted by how well they
resemble each other. The mean score of a run says which of the two sees the movement better: the body's joints where
other things move, the picture where the body is hidden or its landmarks err.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.repetitions.body_change import BodyRecord
from fitsense.repetitions.body_signal import BodySignal
from fitsense.repetitions.candidate import continues
from fitsense.repetitions.config import RepetitionConfig
from fitsense.repetitions.counter import RepetitionCounter
from fitsense.repetitions.counter_state import RepetitionCounterState
from fitsense.repetitions.leaps import leap_times
from fitsense.repetitions.movement import Movement, Repetition
from fitsense.repetitions.picture_change import Box, PictureChange
from fitsense.repetitions.signal import SignalView
from fitsense.types import FloatArray

Source = Literal["body", "motion"]

# Worth of the motion's score beside the body's, and how many times the better score must be the other's for a change.
_MOTION_WORTH, _CHANGE = 0.9, 1.3
# Worth of the body's score while it finds sides that alternate, which the picture does not show.
_SIDED_WORTH = 1.5
# Repetitions that one counter finds after which the other, which shows none, is not believed any longer.
_MISSED = 2
# Least seconds between two passes of the motion's counter while the body's is the one reported. Measured on 122 clips:
# a sixth less CPU time for the same errors.
_MOTION_INTERVAL_S = 0.5
# Share of a movement that may overlap a reported one.
_OVERLAP = 0.3
# Joints move by more lengths of the torso than this in a repetition; root of the mean square over all joints.
_BODY_EXTENT = 0.03
# Least change of the picture within the body's box by a repetition, as of `PictureChange.within`. Measured: jitter of a
# body that stands still up to 0.15, its gestures and swaying up to 0.2, repetitions of real exercises from 0.3.
_MIN_CHANGE = 0.2
# Motion is not the body's if the body's shape does not go out and back with it, and if the picture around the body
# changes by so large a part of the change within its box, or the body's place by so many times the change of its shape.
# It goes out and back if both ends differ at most by this part of the difference between them and the turning point.
# Measured, medians of clips: 0.05 to 0.8 in exercises, 1.4 to 2.5 where the camera shakes by 2 % of the picture.
_MAX_APART, _MAX_AROUND, _MAX_MOVED = 1.0, 0.3, 2.0
# A body that is found in a smaller part of a motion says nothing about it.
_MIN_FOUND = 0.7


@attrs.define(eq=False)
class BodyOrMotionState:
    """State of :class:`BodyOrMotionCounter`.

    :param body: state of the counter of body movement.
    :param motion: state of the counter of image motion.
    :param source: the counter whose movements are reported.
    :param reported_s: end of the newest reported movement.
    :param waiting: unreported movements of each counter since then.
    :param sided: whether the newest repetition of the counter of body movement is of one side.
    :param boxes: time and box of the body in the seconds that the counters analyse.
    """

    body: RepetitionCounterState
    motion: RepetitionCounterState
    source: Source = "body"
    reported_s: float = float("-inf")
    waiting: dict[Source, list[Movement]] = attrs.field(factory=lambda: {"body": [], "motion": []})
    sided: bool = False
    boxes: list[tuple[float, Box]] = attrs.field(factory=list)


@attrs.frozen(eq=False)
class _BodyBesidePicture:
    """The body's signal without the leaps that the picture takes with it.

    :param leap_times: returns the times at which the picture leaps.
    """

    signal: BodySignal
    leap_times: Callable[[], NDArray[np.float64]]

    def view(self, samples: FloatArray, moments: NDArray[np.float64]) -> SignalView:
        """See :meth:`BodySignal.view`."""
        return self.signal.view(samples, moments, self.leap_times)


class BodyOrMotionCounter:
    """Counts repetitions of one person, whether or not landmarks are found.

    :param signal: what samples of the body are.
    :param config: of the counter of all motion; that of the body differs in ``extent``, which is in other units.
    """

    def __init__(self, signal: BodySignal, config: RepetitionConfig | None = None) -> None:
        self._config = config = config or RepetitionConfig()
        beside = _BodyBesidePicture(signal, self._leap_times)
        self._body = RepetitionCounter(attrs.evolve(config, min_amplitude=_BODY_EXTENT), beside, self._is_seen)
        self._motion = RepetitionCounter(config, accept=self._is_of_the_body)
        self._signal = signal
        self._source: Source = "body"
        self._reported_s = float("-inf")
        self._sided = False
        self._waiting: dict[Source, list[Movement]] = {"body": [], "motion": []}
        self._boxes: list[tuple[float, Box]] = []
        # Not part of the state: times of what was measured, and the result.
        self._measured: tuple[tuple[float, ...], PictureChange] | None = None
        self._recorded: tuple[tuple[float, ...], BodyRecord | None] | None = None

    @property
    def state(self) -> BodyOrMotionState:
        """The state, for a snapshot."""
        return BodyOrMotionState(
            self._body.state,
            self._motion.state,
            self._source,
            self._reported_s,
            self._waiting,
            self._sided,
            self._boxes,
        )

    @state.setter
    def state(self, state: BodyOrMotionState) -> None:
        self._body.state, self._motion.state = state.body, state.motion
        self._source, self._reported_s, self._waiting = state.source, state.reported_s, state.waiting
        self._sided, self._boxes = state.sided, state.boxes
        self._measured = self._recorded = None

    def push(
        self, thumbnail: NDArray[Any], body: FloatArray | None, time_s: float, box: Box | None = None
    ) -> list[Movement]:
        """Take one frame; give what is sure now, in order of time.

        :param thumbnail: as for :meth:`fitsense.repetitions.counter.RepetitionCounter.push`.
        :param body: a sample of the body; None for a frame without a search.
        :param time_s: seconds of media time, later than the frame's before it.
        :param box: the body's box in the thumbnail; None if it is not known.
        """
        self._boxes = [one for one in self._boxes if time_s - one[0] <= self._config.window_s]
        if box is not None:
            self._boxes.append((time_s, box))
        # Sides that take turns are quick, and cannot be seen in all motion: both counters are needed to agree on them.
        rarely = self._source == "body" and not self._sided
        # Snapshots with a longer wait than the configuration's are refused.
        wait_s = min(_MOTION_INTERVAL_S, self._config.interval_s) if rarely else 0.0
        self._waiting["motion"] += self._motion.push(thumbnail, time_s, wait_s)
        if body is not None:
            found = self._body.push(body, time_s)
            for movement in found:
                if isinstance(movement, Repetition):
                    self._sided = movement.details.side is not None
            self._waiting["body"] += found
        return self._give()

    def end_run(self, end_s: float) -> list[Movement]:
        """Return the movements that are complete at `end_s`, and reset."""
        self._choose()
        # Each counter needs the samples of the other.
        samples = self._body.state
        tempi: dict[Source, float] = {"body": samples.tempo_s, "motion": self._motion.state.tempo_s}
        self._waiting["body"] += self._body.end_run(end_s)
        self._body.state = samples
        self._waiting["motion"] += self._motion.end_run(end_s)
        self._body.state = RepetitionCounterState()
        # A single movement had no pass before; it is reported if only one counter finds it.
        if self._reported_s == float("-inf") and not self._waiting[self._source]:
            self._source = "motion" if self._source == "body" else "body"
        elif not any(map(self._is_new, self._waiting[self._source])):
            other: Source = "motion" if self._source == "body" else "body"
            self._waiting[self._source] = self._expected(self._waiting[other], tempi[other])
        given = self._give(choose=False)
        self._source, self._reported_s, self._waiting = "body", float("-inf"), {"body": [], "motion": []}
        self._sided, self._boxes = False, []
        self._measured = self._recorded = None
        return given

    def begin_set(self, start_s: float) -> list[Movement]:
        """Give the first repetition of a set that goes on, as of :meth:`RepetitionCounter.begin_set`.

        Only the body shows whether sides alternate, so that what looks like one repetition is two.
        """
        if self._reported_s > start_s:
            return []
        found = self._body.begin_set(start_s)
        if found:
            self._reported_s = max(self._reported_s, found[-1].end_s)
        return found

    def end_set(self, start_s: float, end_s: float) -> list[Movement]:
        """Give the only repetition of a set that ended, as of :meth:`RepetitionCounter.end_set`; the run continues."""
        if self._reported_s > start_s:
            return []
        for counter in (self._body, self._motion):
            if found := counter.end_set(start_s, end_s):
                self._reported_s = max(self._reported_s, found[-1].end_s)
                return found
        return []

    def _is_seen(self, cycles: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Mask of the body's movements that the picture shows, (cycles,).

        :param cycles: start, turning point and end in seconds of media time, (cycles, 3).
        """
        change = self._picture_change()
        return np.ones(len(cycles), bool) if change is None else change.within(cycles) >= _MIN_CHANGE

    def _is_of_the_body(self, cycles: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Mask of the movements in the picture that the body takes part in, (cycles,); all if the body is not known."""
        picture = self._picture_change()
        record = self._body_record()
        if picture is None or record is None:
            return np.ones(len(cycles), bool)
        body = record.change(cycles)
        returns = (body.apart <= _MAX_APART * body.out) & (body.out >= _BODY_EXTENT)
        foreign = picture.around(cycles) >= _MAX_AROUND * picture.within(cycles)
        hidden = record.found(cycles) < _MIN_FOUND
        return returns | hidden | ~(foreign | (body.moved >= _MAX_MOVED * body.out))

    def _leap_times(self) -> NDArray[np.float64]:
        """Times at which the kept thumbnails leap."""
        return leap_times(self._motion.state.thumbnails, self._motion.state.times)

    def _picture_change(self) -> PictureChange | None:
        """Change of the kept thumbnails within the body's box and around it; None if there is no box."""
        thumbnails, times = self._motion.state.thumbnails, self._motion.state.times
        if len(times) < 2 or not self._boxes:
            return None
        # A pass asks several times.
        key = times[0], times[-1], len(times), self._boxes[0][0], self._boxes[-1][0]
        if self._measured is None or self._measured[0] != key:
            box_times, boxes = zip(*self._boxes, strict=True)
            self._measured = key, PictureChange(thumbnails, times, boxes, box_times)
        return self._measured[1]

    def _body_record(self) -> BodyRecord | None:
        """Shape and place of the body in the kept samples; None if it is not known."""
        samples, times = self._body.state.thumbnails, self._body.state.times
        if len(times) < 2:
            return None
        key = times[0], times[-1], len(times)
        if self._recorded is None or self._recorded[0] != key:
            self._recorded = key, self._signal.record(samples, times)
        return self._recorded[1]

    def _choose(self) -> None:
        body, motion = self._body.state.score, _MOTION_WORTH * self._motion.state.score
        body *= _SIDED_WORTH if self._sided else 1.0
        if self._source == "body" and (motion > _CHANGE * body or self._missed("motion") >= _MISSED):
            self._source = "motion"
        elif self._source == "motion" and (body > _CHANGE * motion or self._missed("body") >= _MISSED):
            self._source = "body"

    def _missed(self, source: Source) -> int:
        """Number of repetitions of one counter that the other, whose view something hides, has not shown."""
        return sum(isinstance(movement, Repetition) for movement in self._waiting[source])

    def _give(self, *, choose: bool = True) -> list[Movement]:
        if choose:
            self._choose()
        given: list[Movement] = []
        for movement in self._waiting[self._source]:
            if self._is_new(movement):
                given.append(movement)
                self._reported_s = max(self._reported_s, movement.end_s)
        self._waiting[self._source] = []
        for source, waiting in self._waiting.items():
            self._waiting[source] = [movement for movement in waiting if self._is_new(movement)]
        return given

    def _expected(self, movements: list[Movement], tempo_s: float) -> list[Movement]:
        """The first new repetition if it follows the reported ones at their tempo: the last of a set."""
        for movement in filter(self._is_new, movements):
            follows = continues((movement.start_s, movement.end_s), self._reported_s, tempo_s)
            return [movement] if follows and isinstance(movement, Repetition) else []
        return []

    def _is_new(self, movement: Movement) -> bool:
        return self._reported_s - movement.start_s <= _OVERLAP * (movement.end_s - movement.start_s)
