"""A session: frames with timestamps in, events out. It opens no file, starts no thread and reads no clock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

import attrs

from fitsense import decisions as decided
from fitsense import events
from fitsense.catalogue import IDLE
from fitsense.decisions import DecisionConfig, Decisions
from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.events import Event, EventData
from fitsense.model import Model
from fitsense.pictures import views
from fitsense.types import Frame, UInt8Array
from fitsense.windows import ClockReset, Gap, LateFrame, Output, RunEnd, Window, Windows

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Reason = Literal["finished", "interrupted", "failed"]


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise InvalidInputError(f"started_at: expected a datetime with a time zone, got {value!r}")
    return value.astimezone(UTC)


@attrs.frozen
class SessionConfig:
    """How a session looks and decides.

    :param hop_s: seconds of media time between predictions.
    :param gap_s: a longer step between two frames' times counts as a gap.
    :param source: URI reference that names the session in its events; unique among a host's sessions.
    :param started_at: wall-clock time of media time 0, for the events' ``time``. The default, the Unix epoch,
        makes the same video give the same bytes.
    :param decisions: when an answer is taken; None for the default with the bundle's thresholds.
    """

    hop_s: float = 1.0
    gap_s: float = 1.5
    source: str = "urn:fitsense:session"
    started_at: datetime = attrs.field(default=EPOCH, converter=_in_utc)
    decisions: DecisionConfig | None = None


class Session:
    """One stream of frames, analysed as it comes.

    :param model: what predicts; sessions may share it.
    :param config: how to look and decide.

    The first event is ``session.started``, which the first push (or the finish) gives; the last is
    ``session.ended``, which :meth:`finish` gives.
    """

    def __init__(self, model: Model, config: SessionConfig | None = None) -> None:
        self._model = model
        self._config = config or SessionConfig()
        self._specs = model.clips
        self._windows = Windows(self._specs, hop_s=self._config.hop_s, gap_s=self._config.gap_s)
        labels = model.labels
        calibration = model.manifest.calibration
        self._decisions = Decisions(
            labels.exercise,
            labels.muscles,
            self._config.decisions or DecisionConfig(enter=calibration.enter, exit=calibration.exit),
        )
        self._sequence = 0
        self._finished = False
        self._media_s = 0.0
        self._first_s: float | None = None
        self._last_end_s = 0.0
        self._seen_s = 0.0
        self._frames = self._late_frames = self._window_count = 0
        self._totals: dict[str, tuple[int, float]] = {}
        self._load: dict[str, float] = dict.fromkeys(labels.muscles, 0.0)
        # Consecutive late frames make one warning, not hundreds.
        self._late_announced = False

    def push(self, rgb: UInt8Array | Frame, time_s: float | None = None) -> list[Event]:
        """Take one frame; give the events that it brings about.

        :param rgb: uint8 of shape (height, width, 3), or a :class:`Frame` with its own time.
        :param time_s: its presentation time in seconds of media time. A frame that is not after the one before
            it is dropped, with a warning.
        :raises InvalidInputError: a picture or a time that cannot be; the session goes on as if it had not come.
        """
        self._refuse_if_finished()
        if isinstance(rgb, Frame):
            frame = rgb
        elif time_s is None:
            raise InvalidInputError("time_s: expected the frame's time in seconds, got None")
        else:
            frame = Frame(rgb, time_s)
        pictures = views(frame.rgb, self._specs)
        if self._first_s is None:
            self._first_s = self._last_end_s = frame.time_s
            # A warning may have come before the first frame.
            self._media_s = max(self._media_s, frame.time_s) if self._sequence else frame.time_s
        emitted = self._start_if_new()
        outputs = self._windows.push(pictures, frame.time_s)
        if not any(isinstance(output, LateFrame) for output in outputs):
            self._frames += 1
            self._late_announced = False
        for output in outputs:
            emitted += self._handle(output)
        return emitted

    def push_many(self, frames: Iterable[Frame]) -> list[Event]:
        """Take several frames: the same events as pushing one after the other."""
        return [event for frame in frames for event in self.push(frame)]

    def warn(self, code: str, message: str) -> list[Event]:
        """Put a warning of the host's own, such as a source that broke, into the stream."""
        self._refuse_if_finished()
        at_s = self._media_s if self._windows.last_s is None else self._windows.last_s
        return [*self._start_if_new(), self._emit(events.SessionWarning(code, message, at_s, at_s))]

    def finish(self, reason: Reason = "finished") -> list[Event]:
        """End the session: whatever goes on is ended, and the summary given. Nothing can be pushed afterwards."""
        self._refuse_if_finished()
        emitted = self._start_if_new()
        for output in self._windows.finish():
            emitted += self._handle(output)
        self._finished = True
        start_s = self._first_s or 0.0
        active_s = sum(seconds for _, seconds in self._totals.values())
        by_length = sorted(self._totals.items(), key=lambda item: (-item[1][1], item[0]))
        emitted.append(
            self._emit(
                events.SessionEnded(
                    reason=reason,
                    frames=self._frames,
                    late_frames=self._late_frames,
                    windows=self._window_count,
                    exercises=tuple(
                        events.ExerciseTotal(exercise, sets, seconds) for exercise, (sets, seconds) in by_length
                    ),
                    start_s=start_s,
                    end_s=self._last_end_s,
                    duration_s=self._last_end_s - start_s,
                    idle_s=max(0.0, self._seen_s - active_s),
                    muscle_load_s=self._load,
                )
            )
        )
        return emitted

    def _refuse_if_finished(self) -> None:
        if self._finished:
            raise FitsenseError("the session is finished; begin a new one for more frames")

    def _start_if_new(self) -> list[Event]:
        if self._sequence:
            return []
        manifest = self._model.manifest
        return [
            self._emit(
                events.SessionStarted(
                    model=events.ModelInfo(manifest.name, manifest.version),
                    exercises=tuple(label for label in manifest.labels.exercise if label != IDLE),
                    muscle_groups=manifest.labels.muscles,
                    window_s=max(spec.span_s for spec in self._specs.values()),
                    hop_s=self._config.hop_s,
                )
            )
        ]

    def _handle(self, output: Output) -> list[Event]:
        match output:
            case Window():
                return self._decide(output)
            case RunEnd(start_s=start_s, end_s=end_s):
                self._seen_s += end_s - start_s
                self._advance(end_s)
                self._last_end_s = end_s
                return self._tell(self._decisions.end_run(end_s))
            case Gap(start_s=start_s, end_s=end_s):
                message = f"no frames for {end_s - start_s:.1f} s; what went on before was ended"
                self._advance(end_s)
                return [self._emit(events.SessionWarning("gap", message, start_s, end_s))]
            case ClockReset(time_s=time_s, by_s=by_s):
                message = f"the source's clock was set back; {by_s:.1f} s are added to its times from now on"
                self._advance(time_s)
                return [self._emit(events.SessionWarning("clock_reset", message, time_s, time_s))]
            case LateFrame(time_s=time_s, last_s=last_s):
                self._late_frames += 1
                if self._late_announced:
                    return []
                self._late_announced = True
                message = f"a frame at {time_s:.3f} s came after one at {last_s:.3f} s and was dropped"
                return [self._emit(events.SessionWarning("late_frame", message, time_s, last_s))]

    def _decide(self, window: Window) -> list[Event]:
        prediction = self._model.predict(window)
        self._window_count += 1
        self._advance(window.end_s)
        return self._tell(self._decisions.update(prediction, window.speaks_from_s, window.speaks_until_s))

    def _tell(self, decisions: Iterable[decided.Decision]) -> list[Event]:
        return [self._emit(self._translate(decision)) for decision in decisions]

    def _translate(self, decision: decided.Decision) -> EventData:
        match decision:
            case decided.SegmentStarted():
                return events.ExerciseStarted(decision.exercise, decision.start_s, decision.confidence)
            case decided.SegmentUpdated():
                return events.ExerciseUpdated(
                    decision.exercise,
                    decision.start_s,
                    decision.end_s,
                    decision.end_s - decision.start_s,
                    decision.confidence,
                    decision.scores,
                )
            case decided.SegmentEnded():
                seconds = decision.end_s - decision.start_s
                sets, before_s = self._totals.get(decision.exercise, (0, 0.0))
                self._totals[decision.exercise] = (sets + 1, before_s + seconds)
                for group, activation in decision.muscles.items():
                    self._load[group] += activation * seconds
                return events.ExerciseEnded(
                    decision.exercise,
                    decision.start_s,
                    decision.end_s,
                    seconds,
                    decision.confidence,
                    decision.scores,
                    decision.muscles,
                )
            case decided.MusclesActivated():
                return events.MusclesActivated(decision.start_s, decision.end_s, decision.muscles)

    def _advance(self, media_s: float) -> None:
        """Media time never runs backwards."""
        self._media_s = max(self._media_s, media_s)

    def _emit(self, data: EventData) -> Event:
        time = events.event_time(self._config.started_at, self._media_s)
        event = Event(self._config.source, self._sequence, time, data)
        self._sequence += 1
        self._model.plugins.event_emitted(self._config.source, event)
        return event
