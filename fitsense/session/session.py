"""A session: frames with timestamps in, events out. It opens no file, starts no thread and reads no clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import attrs

from fitsense import decisions as decided
from fitsense._internal.exclusive import exclusive, one_thread
from fitsense._internal.hashing import sha256
from fitsense._internal.locks import numpy_lock
from fitsense.bundles.manifest import MANIFEST
from fitsense.camera.monitor import CameraMonitor, CameraMonitorState, CameraWarning
from fitsense.camera.view_features import camera_thumbnail
from fitsense.catalogue import IDLE, UNKNOWN, load_catalogue
from fitsense.decisions import DecisionConfig, Decisions, DecisionsState
from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.events import model as events
from fitsense.events.model import Event, EventData
from fitsense.expectation import Expectation
from fitsense.geometry import Region
from fitsense.imaging.frame_rate import min_interval_s, within_interval
from fitsense.imaging.resize import branch_images
from fitsense.inference.model import Model
from fitsense.repetitions.counter import RepetitionCounter, RepetitionCounterState
from fitsense.repetitions.sets import CountedRepetition, ExerciseSet, Sets, SetsState, SetStats
from fitsense.repetitions.trajectory import motion_thumbnail
from fitsense.session.config import EPOCH, SessionConfig
from fitsense.session.emitter import Emitter, EmitterState
from fitsense.session.snapshot import pack, unpack
from fitsense.session.snapshot_checks import check_session
from fitsense.types import MAX_SECONDS, FloatArray, Frame, Prediction, UInt8Array
from fitsense.windowing.sampler import (
    ClockReset,
    Gap,
    LateFrame,
    Output,
    RunEnd,
    Window,
    WindowSampler,
    WindowSamplerState,
)

Reason = Literal["finished", "interrupted", "failed"]
# With fewer frames a second than this, measured on so many, repetitions cannot be counted.
_MIN_HZ = 4.0
_RATE_FRAMES = 5
# Frames that come alone, so many seconds apart or more, have times in another unit.
_SUSPICIOUS_S = 5.0
# Clips may want more frames than the counting of repetitions does.
_MIN_STEP_S = min_interval_s([])


@attrs.frozen(eq=False)
class PendingFrame:
    """What a frame, or the end, brings about before the model is asked.

    :param outputs: windows, gaps and the like.
    :param time_s: the frame's media time; None for a frame that was dropped or passed over, and for the end.
    :param thumbnail: of the region, for the counting of repetitions; None for a frame that comes too soon for it.
    :param camera_warnings: of the scene.
    """

    outputs: Sequence[Output]
    time_s: float | None = None
    thumbnail: FloatArray | None = None
    camera_warnings: Sequence[CameraWarning] = ()

    @property
    def windows(self) -> list[Window]:
        """What the model is to be asked about."""
        return [output for output in self.outputs if isinstance(output, Window)]


@attrs.define
class SessionState:
    """What a session itself remembers.

    :param late_announced: consecutive late frames make one warning, not hundreds.
    :param run_s: when the run's first frame was; None before it.
    :param run_frames: frames of the run, so far.
    :param was_alone: whether the run before consisted of one frame.
    :param warned: codes of warnings that are given once.
    :param seconds: of each exercise, in all.
    :param expectation: which exercises the host expects.
    :param announced: the expectation that events have stated.
    """

    region: Region | None
    started: bool = False
    finished: bool = False
    first_s: float | None = None
    last_end_s: float = 0.0
    seen_s: float = 0.0
    looked_s: float = -math.inf
    frames: int = 0
    late_frames: int = 0
    windows: int = 0
    late_announced: bool = False
    run_s: float | None = None
    run_frames: int = 0
    was_alone: bool = False
    warned: list[str] = attrs.field(factory=list)
    seconds: dict[str, float] = attrs.field(factory=dict)
    load_s: dict[str, float] = attrs.field(factory=dict)
    load_repetitions: dict[str, float] = attrs.field(factory=dict)
    expectation: Expectation = attrs.field(factory=Expectation)
    announced: Expectation = attrs.field(factory=Expectation)


class Session:
    """One stream of frames, analysed as it comes.

    :param model: what predicts; sessions may share it.
    :param config: how to look and decide.
    :param subject: who is watched, for the events of a source with several; None for whoever is there.
    :param emitter: numbers the events of several sessions of one source; None for one of its own.

    The first event is ``session.started``, which the first push (or the finish) gives; the last is
    ``session.ended``, which :meth:`finish` gives.

    One thread at a time may be in a session: a second one is refused with :class:`FitsenseError` and changes nothing.
    Several threads may take turns, and sessions of several threads may share a model.
    """

    def __init__(
        self,
        model: Model,
        config: SessionConfig | None = None,
        *,
        subject: str | None = None,
        emitter: Emitter | None = None,
    ) -> None:
        self._use = one_thread()
        self._model = model
        self._config = config = config or SessionConfig()
        self._subject = subject
        self._emitter = emitter or Emitter(config.source, config.started_at or EPOCH, model.plugins)
        self._specs = model.clips
        streaming = [branch.name for branch in model.manifest.branches if branch.stream]
        self._windows = WindowSampler(self._specs, hop_s=config.hop_s, gap_s=config.gap_s, streaming=streaming)
        labels = model.labels
        calibration = model.manifest.calibration
        decisions = config.decisions or DecisionConfig()
        enter, exit = decisions.thresholds(calibration.enter, calibration.exit)
        self._decisions = Decisions(labels.exercise, labels.muscles, attrs.evolve(decisions, enter=enter, exit=exit))
        self._repetitions = RepetitionCounter(config.repetitions)
        self._sets = Sets(config.set_rest_s, _is_held)
        self._scene = CameraMonitor(config.camera) if config.camera else None
        self._idle = labels.exercise.index(IDLE) if IDLE in labels.exercise else None
        self.state = SessionState(
            config.region,
            load_s=dict.fromkeys(labels.muscles, 0.0),
            load_repetitions=dict.fromkeys(labels.muscles, 0.0),
            expectation=Expectation.of(labels.exercise, config.exercises, config.expected),
        )
        self._decisions.allow(self.state.expectation.allowed(labels.exercise))

    @property
    def exercises(self) -> tuple[str, ...] | None:
        """The only exercises that may be named; None for all that the bundle knows.

        May be set between two frames, which holds from the next prediction on and is a ``session.updated`` event. An
        expected exercise that is no longer among them is no longer expected.

        :raises InvalidInputError: the bundle has no such label; what held before still holds.
        """
        return self.state.expectation.exercises

    @exercises.setter
    def exercises(self, exercises: Iterable[str] | None) -> None:
        self._expect(self.state.expectation.with_exercises(self._model.labels.exercise, exercises))

    @property
    def expected(self) -> str | None:
        """The exercise that a guided workout asks for now; None for none. May be set like :attr:`exercises`."""
        return self.state.expectation.expected

    @expected.setter
    def expected(self, expected: str | None) -> None:
        self._expect(Expectation.of(self._model.labels.exercise, self.exercises, expected))

    @exclusive
    def _expect(self, expectation: Expectation, *, announce: bool = True) -> None:
        """Change both at once.

        :param announce: whether the session's events state it; not where a host states it for several sessions.
        """
        self._refuse_if_finished()
        if expectation == self.state.expectation:
            return
        self.state.expectation = expectation
        if not announce:
            self.state.announced = expectation
        self._decisions.restrict(expectation.allowed(self._model.labels.exercise))

    @property
    def region(self) -> Region | None:
        """Where in the picture it looks; may be moved between two frames."""
        return self.state.region

    @region.setter
    def region(self, region: Region | None) -> None:
        self.state.region = region

    @exclusive
    def push(self, rgb: UInt8Array | Frame, time_s: float | None = None) -> list[Event]:
        """Take one frame; give the events that it brings about.

        :param rgb: uint8 of shape (height, width, 3), or a :class:`Frame` with its own time.
        :param time_s: its presentation time in seconds of media time. A frame that is not after the one before
            it is dropped, with a warning.
        :raises InvalidInputError: a picture or a time that cannot be; the session goes on as if it had not come.
        """
        seen = self.prepare(as_frame(rgb, time_s))
        return self.complete(seen, self._model.predict(seen.windows))

    def push_many(self, frames: Iterable[Frame]) -> list[Event]:
        """Take several frames: the same events as pushing one after the other."""
        return [event for frame in frames for event in self.push(frame)]

    @exclusive
    def prepare(self, frame: Frame) -> PendingFrame:
        """The first half of :meth:`push`, for hosts that ask the model for several sessions at once: take a frame.

        :returns: what :meth:`complete` needs, next, with the model's answer for each of its windows.
        """
        self._refuse_if_finished()
        if not abs(frame.time_s + self._windows.state.offset_s) <= MAX_SECONDS:
            raise InvalidInputError(
                f"time_s: expected media time within {MAX_SECONDS:.0e} s, got {frame.time_s!r} after clock resets of "
                f"{self._windows.state.offset_s:.1f} s"
            )
        if self._windows.skips(frame.time_s):
            return PendingFrame(())
        state = self.state
        rgb = frame.rgb if state.region is None else state.region.crop(frame.rgb)
        pictures = branch_images(rgb, self._specs, self._model.deferred_branches)
        outputs = self._under_expectation(self._windows.push(pictures, frame.time_s))
        if any(isinstance(output, LateFrame) for output in outputs):
            return PendingFrame(outputs)
        time_s = self._windows.last_s
        assert time_s is not None
        notices = self._scene_ended(outputs)
        if within_interval(time_s, state.looked_s, _MIN_STEP_S):
            return PendingFrame(outputs, time_s, camera_warnings=notices)
        state.looked_s = time_s
        with numpy_lock:
            small = camera_thumbnail(rgb)
            if self._scene is not None:
                # The camera is watched by all that it sees.
                notices += self._scene.push(small if state.region is None else camera_thumbnail(frame.rgb), time_s)
            moving = motion_thumbnail(small)
        if any(notice.code == "camera_cut" for notice in notices):
            outputs += self._under_expectation(self._windows.mark_cut())
        return PendingFrame(outputs, time_s, moving, notices)

    @exclusive
    def complete(self, seen: PendingFrame, predictions: Sequence[Prediction]) -> list[Event]:
        """The second half of :meth:`push`: the events that a frame brings about.

        :param predictions: the model's, of ``seen.windows``, in their order.
        """
        state = self.state
        if state.first_s is None and seen.time_s is not None:
            state.first_s = state.last_end_s = seen.time_s
            self._emitter.advance(seen.time_s)
        emitted = self._start_if_new()
        emitted += self._announce_if_changed(seen.time_s)
        if seen.time_s is not None:
            state.frames += 1
            state.late_announced = False
        answers = iter(predictions)
        for output in seen.outputs:
            emitted += self._handle(output, answers)
        if seen.time_s is not None:
            emitted += self._watch_rate(seen.time_s)
        if seen.thumbnail is not None and seen.time_s is not None:
            self._sets.add(self._repetitions.push(seen.thumbnail, seen.time_s))
        for notice in seen.camera_warnings:
            emitted += self._warn_of(notice)
        # What is on trial may turn out to be another exercise's.
        if not self._decisions.in_doubt:
            emitted += self._count(self._sets.count())
        return emitted

    @exclusive
    def warn(self, code: str, message: str) -> list[Event]:
        """Put a warning of the host's own, such as a source that broke, into the stream."""
        self._refuse_if_finished()
        at_s = self._emitter.state.media_s or 0.0
        if self._windows.last_s is not None:
            at_s = self._windows.last_s
        return [*self._start_if_new(), self._emit(events.SessionWarning(code, message, at_s, at_s))]

    @exclusive
    def finish(self, reason: Reason = "finished") -> list[Event]:
        """End the session: whatever goes on is ended, and the summary given. Nothing can be pushed afterwards."""
        self._refuse_if_finished()
        outputs = self._under_expectation(self._windows.finish())
        seen = PendingFrame(outputs, camera_warnings=self._scene_ended(outputs))
        emitted = self.complete(seen, self._model.predict(seen.windows))
        if reason == "finished":
            emitted += self._warn_if_short()
        self.state.finished = True
        return [*emitted, self._emit(self._summary(reason))]

    @exclusive
    def snapshot(self) -> bytes:
        """All that the session knows, for :meth:`resume`; it goes on as if nothing had been.

        Between two pushes, not between :meth:`prepare` and :meth:`complete`. Its size is that of the pictures that
        windows to come may show, some megabytes.
        """
        about = _About(self._config, bundle_digest(self._model), self._subject)
        return pack({"about": about, "emitter": self._emitter.state, **self._states()})

    @classmethod
    def resume(cls, model: Model, snapshot: bytes) -> Session:
        """The session whose snapshot this is, which goes on with the events that it would have given.

        :param model: of the same bundle as before.
        :raises InvalidInputError: it is no snapshot, or one of another bundle or version of fitsense.
        """
        unpacked = unpack(snapshot)
        about = unpacked.states({"about": _About})["about"]
        if about.model != bundle_digest(model):
            raise InvalidInputError("snapshot: expected one of a session of the same bundle, got one of another")
        session = cls(model, about.config, subject=about.subject)
        session._emitter.state = unpacked.states({"emitter": EmitterState})["emitter"]
        session._restore(unpacked.states(session._state_types))
        return session

    @property
    def _state_types(self) -> dict[str, type[Any]]:
        """The classes of :meth:`_states`, by name."""
        return {name: _STATES[name] for name in self._parts}

    def _states(self) -> dict[str, Any]:
        """The states of its parts, by name, for who takes snapshots of several sessions; not the emitter's."""
        return {name: part.state for name, part in self._parts.items()}

    def _restore(self, states: Mapping[str, Any]) -> None:
        """Go on from such states.

        :raises InvalidInputError: they do not belong together, or to the model's bundle.
        """
        span_s = max(spec.span_s for spec in self._specs.values())
        check_session(states, self._model.manifest, self._specs, self._config, span_s)
        for name, part in self._parts.items():
            part.state = states[name]
        self._decisions.allow(self.state.expectation.allowed(self._model.labels.exercise))

    @exclusive
    def mark_cut(self) -> list[Event]:
        """What comes now shows something else, though time goes on: what goes on is ended, as after a gap."""
        self._refuse_if_finished()
        seen = PendingFrame(self._under_expectation(self._windows.mark_cut()))
        return self.complete(seen, self._model.predict(seen.windows))

    @property
    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {
            "session": self,
            "windows": self._windows,
            "decisions": self._decisions,
            "repetitions": self._repetitions,
            "sets": self._sets,
        }
        return parts if self._scene is None else {**parts, "scene": self._scene}

    def _refuse_if_finished(self) -> None:
        if self.state.finished:
            raise FitsenseError("the session is finished; begin a new one for more frames")

    def _start_if_new(self) -> list[Event]:
        if self.state.started:
            return []
        self.state.started = True
        self.state.announced = self.state.expectation
        manifest = self._model.manifest
        return [
            self._emit(
                events.SessionStarted(
                    model=events.ModelInfo(manifest.name, manifest.version),
                    exercises=nameable(manifest.labels.exercise, self.state.expectation),
                    muscle_groups=manifest.labels.muscles,
                    window_s=max(spec.span_s for spec in self._specs.values()),
                    hop_s=self._config.hop_s,
                )
            )
        ]

    def _announce_if_changed(self, time_s: float | None) -> list[Event]:
        """State an expectation that the host has changed since the last event about it."""
        state = self.state
        if state.announced == state.expectation:
            return []
        state.announced = state.expectation
        at_s = (self._emitter.state.media_s or 0.0) if time_s is None else time_s
        self._emitter.advance(at_s)
        return [self._emit(update_of(self._model.labels.exercise, state.expectation, at_s))]

    def _under_expectation(self, outputs: list[Output]) -> list[Output]:
        """The outputs, whose windows say what the host expects."""
        expectation = self.state.expectation
        if expectation.is_neutral:
            return outputs
        return [attrs.evolve(one, expectation=expectation) if isinstance(one, Window) else one for one in outputs]

    def _handle(self, output: Output, answers: Iterator[Prediction]) -> list[Event]:
        match output:
            case Window():
                self.state.windows += 1
                self._emitter.advance(output.end_s)
                answer = next(answers)
                if self._scene is not None and self._idle is not None:
                    self._scene.predicted(output.decides_from_s, idle=float(answer.exercise[self._idle]))
                decisions = self._decisions.update(answer, output.decides_from_s, output.decides_until_s)
                return self._translated(decisions)
            case RunEnd(start_s=start_s, end_s=end_s):
                self.state.was_alone = self.state.run_frames == 1
                self.state.run_s, self.state.run_frames = None, 0
                self.state.seen_s += end_s - start_s
                self.state.last_end_s = end_s
                self._emitter.advance(end_s)
                self._sets.add(self._repetitions.end_run(end_s))
                emitted = self._translated(self._decisions.end_run(end_s))
                self._sets.forget()
                return emitted
            case Gap(start_s=start_s, end_s=end_s):
                message = f"no frames for {end_s - start_s:.1f} s; what went on before was ended"
                self._emitter.advance(end_s)
                if self.state.was_alone:
                    return self._warn_of_single_frames(start_s, end_s)
                return [self._emit(events.SessionWarning("gap", message, start_s, end_s))]
            case ClockReset(time_s=time_s, by_s=by_s):
                message = f"the source's clock was set back; {by_s:.1f} s are added to its times from now on"
                self._emitter.advance(time_s)
                return [self._emit(events.SessionWarning("clock_reset", message, time_s, time_s))]
            case LateFrame(time_s=time_s, last_s=last_s):
                self.state.late_frames += 1
                if self.state.late_announced:
                    return []
                self.state.late_announced = True
                message = f"a frame at {time_s:.3f} s came after one at {last_s:.3f} s and was dropped"
                return [self._emit(events.SessionWarning("late_frame", message, time_s, last_s))]

    def _watch_rate(self, time_s: float) -> list[Event]:
        """Warn if a run has too few frames a second to count repetitions."""
        state = self.state
        state.run_s = time_s if state.run_s is None else state.run_s
        state.run_frames += 1
        if state.run_frames != _RATE_FRAMES or (state.run_frames - 1) / (time_s - state.run_s) >= _MIN_HZ:
            return []
        rate_hz = (state.run_frames - 1) / (time_s - state.run_s)
        message = f"expected at least {_MIN_HZ:g} frames a second to count repetitions, got {rate_hz:.1f}"
        return self._warn_once("frame_rate_low", message, state.run_s, time_s)

    def _warn_of_single_frames(self, start_s: float, end_s: float) -> list[Event]:
        """Instead of a gap after each of frames that all come alone, one warning that says why they may."""
        step_s = end_s - start_s
        if step_s >= _SUSPICIOUS_S:
            message = f"expected frame times in seconds, got frames {step_s:g} s apart: are they milliseconds?"
            return self._warn_once("times_suspicious", message, start_s, end_s)
        message = f"expected at least {_MIN_HZ:g} frames a second to count repetitions, got one in {step_s:.1f} s"
        return self._warn_once("frame_rate_low", message, start_s, end_s)

    def _warn_if_short(self) -> list[Event]:
        """Warn if all frames together do not fill one window."""
        state = self.state
        window_s = max(spec.span_s for spec in self._specs.values())
        if state.first_s is None or state.last_end_s - state.first_s >= window_s or self._subject is not None:
            return []
        length_s = state.last_end_s - state.first_s
        message = f"expected at least {window_s:.1f} s of video for one prediction, got {length_s:.1f} s"
        return self._warn_once("too_short", message, state.first_s, state.last_end_s)

    def _warn_once(self, code: str, message: str, start_s: float, end_s: float) -> list[Event]:
        if code in self.state.warned:
            return []
        self.state.warned.append(code)
        return [self._emit(events.SessionWarning(code, message, start_s, end_s))]

    def _scene_ended(self, outputs: Sequence[Output]) -> list[CameraWarning]:
        """What was wrong with the picture before a gap or the end is over."""
        ended = self._scene is not None and any(isinstance(output, RunEnd) for output in outputs)
        return self._scene.end_run() if ended and self._scene is not None else []

    def _warn_of(self, notice: CameraWarning) -> list[Event]:
        self._emitter.advance(notice.end_s)
        if notice.code == "camera_moved":
            # What moved was the picture, not who is in it.
            self._sets.add(self._repetitions.end_run(notice.start_s))
        return [self._emit(warning_of(notice))]

    def _translated(self, decisions: Iterable[decided.Decision]) -> list[Event]:
        return [event for decision in decisions for event in self._translate(decision)]

    def _translate(self, decision: decided.Decision) -> list[Event]:
        match decision:
            case decided.SegmentStarted(exercise, start_s, confidence):
                self._sets.begin(exercise, start_s)
                return [self._emit(events.ExerciseStarted(exercise, start_s, confidence))]
            case decided.SegmentUpdated():
                return [
                    self._emit(
                        events.ExerciseUpdated(
                            decision.exercise,
                            decision.start_s,
                            decision.end_s,
                            decision.end_s - decision.start_s,
                            decision.confidence,
                            decision.scores,
                        )
                    )
                ]
            case decided.SegmentEnded():
                if decision.exercise != UNKNOWN and not _is_timed(decision.exercise):
                    self._sets.add(self._repetitions.end_set(decision.start_s, decision.end_s))
                counted, effort, sets = self._sets.end(decision.end_s)
                self._add_load(decision, effort)
                ended = events.ExerciseEnded(
                    exercise=decision.exercise,
                    start_s=decision.start_s,
                    end_s=decision.end_s,
                    duration_s=decision.end_s - decision.start_s,
                    confidence=decision.confidence,
                    scores=decision.scores,
                    muscles=decision.muscles,
                    sets=tuple(_summary_of(one) for one in sets),
                    **attrs.asdict(effort),
                )
                return [*self._count(counted), self._emit(ended)]
            case decided.MusclesActivated(start_s, end_s, muscles):
                return [self._emit(events.MusclesActivated(start_s, end_s, muscles))]

    def _add_load(self, segment: decided.SegmentEnded, effort: SetStats) -> None:
        state, seconds = self.state, segment.end_s - segment.start_s
        state.seconds[segment.exercise] = state.seconds.get(segment.exercise, 0.0) + seconds
        for group, activation in segment.muscles.items():
            state.load_s[group] += activation * seconds
            state.load_repetitions[group] += activation * effort.repetitions

    def _count(self, counted: Iterable[CountedRepetition]) -> list[Event]:
        emitted = []
        for one in counted:
            repetition = one.repetition
            self._emitter.advance(repetition.end_s)
            emitted.append(
                self._emit(
                    events.RepetitionCompleted(
                        one.exercise,
                        one.index,
                        repetition.start_s,
                        repetition.end_s,
                        repetition.end_s - repetition.start_s,
                        repetition.confidence,
                    )
                )
            )
        return emitted

    def _summary(self, reason: Reason) -> events.SessionEnded:
        state = self.state
        sets = self._sets.sets
        by_length = sorted(state.seconds.items(), key=lambda item: (-item[1], item[0]))
        start_s = state.first_s or 0.0
        return events.SessionEnded(
            reason=reason,
            frames=state.frames,
            late_frames=state.late_frames,
            windows=state.windows,
            exercises=tuple(
                events.ExerciseTotal(
                    exercise=exercise,
                    sets=sum(one.exercise == exercise for one in sets),
                    duration_s=seconds,
                    rest_s=sum(one.rest_before_s or 0.0 for one in sets if one.exercise == exercise),
                    **attrs.asdict(self._sets.total(exercise)),
                )
                for exercise, seconds in by_length
            ),
            sets=tuple(_summary_of(one) for one in sets),
            start_s=start_s,
            end_s=state.last_end_s,
            duration_s=state.last_end_s - start_s,
            idle_s=max(0.0, state.seen_s - sum(state.seconds.values())),
            muscle_load_s=state.load_s,
            muscle_load_repetitions=state.load_repetitions,
        )

    def _emit(self, data: EventData) -> Event:
        return self._emitter.emit(data, self._subject)


_STATES: Mapping[str, type[Any]] = {
    "session": SessionState,
    "windows": WindowSamplerState,
    "decisions": DecisionsState,
    "repetitions": RepetitionCounterState,
    "sets": SetsState,
    "scene": CameraMonitorState,
}


@attrs.frozen
class _About:
    """Whose snapshot it is."""

    config: SessionConfig
    model: str
    subject: str | None


def as_frame(rgb: UInt8Array | Frame, time_s: float | None) -> Frame:
    """What a host pushes: a frame, or a picture and its time.

    :raises InvalidInputError: a picture without a time, or one that cannot be.
    """
    if isinstance(rgb, Frame):
        return rgb
    if time_s is None:
        raise InvalidInputError("time_s: expected the frame's time in seconds, got None")
    return Frame(rgb, time_s)


def warning_of(notice: CameraWarning) -> events.SessionWarning:
    """What the events say of a notice."""
    return events.SessionWarning(notice.code, notice.message, notice.start_s, notice.end_s, over=notice.over)


def nameable(labels: Sequence[str], expectation: Expectation) -> tuple[str, ...]:
    """The labels that events may name under an expectation, without idle and ``unknown``."""
    return expectation.exercises or tuple(label for label in labels if label not in (IDLE, UNKNOWN))


def update_of(labels: Sequence[str], expectation: Expectation, at_s: float) -> events.SessionUpdated:
    """What the events say of a changed expectation."""
    return events.SessionUpdated(nameable(labels, expectation), expectation.expected, at_s)


def _is_held(exercise: str) -> bool:
    """Whether an exercise may be a set without repetitions; what the catalogue does not know may."""
    known = exercise in load_catalogue().exercises
    return _is_timed(exercise) if known else exercise != UNKNOWN


def _is_timed(exercise: str) -> bool:
    known = load_catalogue().exercises.get(exercise)
    return known is not None and known.timed


def bundle_digest(model: Model) -> str:
    """Stands for the bundle: its ``model.json`` states the sha256 of all else."""
    return sha256(model.bundle.folder / MANIFEST)


def _summary_of(one: ExerciseSet) -> events.SetSummary:
    return events.SetSummary(
        exercise=one.exercise,
        index=one.index,
        start_s=one.start_s,
        end_s=one.end_s,
        duration_s=one.end_s - one.start_s,
        rest_before_s=one.rest_before_s,
        **attrs.asdict(one.stats),
    )
