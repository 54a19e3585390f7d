"""The parts of a session, and the events that result from their findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from fitsense._internal.exclusive import one_thread
from fitsense.camera.framing import FramingMonitor
from fitsense.camera.monitor import CameraMonitor, CameraWarning
from fitsense.catalogue import IDLE
from fitsense.decisions import segments
from fitsense.decisions.config import DecisionConfig
from fitsense.decisions.decisions import Decisions
from fitsense.errors import FitsenseError
from fitsense.events import model as events
from fitsense.events.model import Event, EventData
from fitsense.expectation import Expectation
from fitsense.geometry import Region
from fitsense.inference.model import Model
from fitsense.repetitions.sets import CountedRepetition
from fitsense.session.branch_inputs import BranchInputs
from fitsense.session.config import EPOCH, SessionConfig
from fitsense.session.counting import Counting
from fitsense.session.debug_log import log_window
from fitsense.session.emitter import Emitter
from fitsense.session.event_data import (
    camera_warning,
    clock_reset,
    exercise_ended,
    exercise_updated,
    gap,
    late_frame,
    repetition_completed,
    session_started,
    session_updated,
)
from fitsense.session.expecting import Expecting
from fitsense.session.extensions import Extensions, TaskFault
from fitsense.session.frame_rate_monitor import FrameRateMonitor
from fitsense.session.heartbeat import Heartbeat
from fitsense.session.perception import Perception
from fitsense.session.person_track import PersonInFrame, person_track
from fitsense.session.presence import Presence
from fitsense.session.summary import Reason as Reason
from fitsense.session.summary import SessionSummary
from fitsense.types import Prediction
from fitsense.windowing.frame_clock import ClockReset, Gap, LateFrame
from fitsense.windowing.sampler import Output, RunEnd, Window, WindowSampler

# Added to how far back the start of a segment may lie.
_MARGIN_S = 5.0


@attrs.define
class SessionState:
    """State of a session, without that of its parts.

    :param region: part of the picture that is analysed; None for all of it.
    :param late_announced: whether a warning was given of the late frames in a row. One warning covers them all.
    :param expectation: the exercises that the host expects.
    :param announced: the expectation that events have stated.
    """

    region: Region | None
    started: bool = False
    finished: bool = False
    late_announced: bool = False
    expectation: Expectation = attrs.field(factory=Expectation)
    announced: Expectation = attrs.field(factory=Expectation)


class SessionParts(Expecting):
    """Base of :class:`fitsense.Session`: creates its parts and turns their findings into events."""

    def __init__(self, model: Model, config: SessionConfig, subject: str | None, emitter: Emitter | None) -> None:
        self._use = one_thread()
        self._model = model
        self._config = config
        self._subject = subject
        self._emitter = emitter or Emitter(config.source, config.started_at or EPOCH, model.plugins)
        self._specs = model.clips
        streaming = [branch.name for branch in model.manifest.branches if branch.stream]
        self._person = person_track(model, config)
        self._inputs = BranchInputs(model, self._person)
        self._windows = WindowSampler(
            self._specs,
            hop_s=config.hop_s,
            gap_s=config.gap_s,
            streaming=streaming,
            landmarks=self._inputs.landmarks,
        )
        labels = model.labels
        calibration = model.manifest.calibration
        decisions = config.decisions or DecisionConfig()
        enter, exit = decisions.thresholds(calibration.enter, calibration.exit)
        landmark_set = self._person.landmark_set if self._person else None
        self._counting = Counting(config.repetitions, landmark_set, config.set_rest_s)
        decisions = attrs.evolve(decisions, enter=enter, exit=exit)
        self._decisions = Decisions(labels.exercise, labels.muscles, decisions, self._counting.is_exercise)
        self._camera = CameraMonitor(config.camera) if config.camera else None
        self._framing: FramingMonitor | None = None
        if landmark_set is not None and config.framing is not None:
            self._framing = FramingMonitor(landmark_set, config.pose.people, config.framing)
        self._perception = Perception(self._camera, self._person, self._framing)
        self._presence = Presence()
        self._frame_rate = FrameRateMonitor()
        self._heartbeat = Heartbeat(config.progress_interval_s)
        self._summary = SessionSummary(labels.muscles)
        self._extensions = Extensions(model.tasks, labels, decisions.max_trial_s + 2 * self._window_s + _MARGIN_S)
        self._idle = labels.exercise.index(IDLE) if IDLE in labels.exercise else None
        expectation = Expectation.of(labels.exercise, config.exercises, config.expected)
        self.state: SessionState = SessionState(config.region, expectation=expectation)
        self._decisions.allow(expectation.allowed(labels.exercise))

    @property
    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {
            "session": self,
            "windows": self._windows,
            "decisions": self._decisions,
            **self._counting.parts,
            "summary": self._summary,
            "frame_rate": self._frame_rate,
            "heartbeat": self._heartbeat,
            "presence": self._presence,
            "perception": self._perception,
        }
        optional = {
            "camera": self._camera,
            "person": self._person,
            "framing": self._framing,
            "extensions": self._extensions if self._model.tasks else None,
        }
        return parts | {name: part for name, part in optional.items() if part is not None}

    @property
    def _window_s(self) -> float:
        """Length of a window in seconds: that of the longest clip."""
        return max(spec.span_s for spec in self._specs.values())

    def _refuse_if_finished(self) -> None:
        if self.state.finished:
            raise FitsenseError("the session is finished; begin a new one for more frames")

    def _start_if_new(self) -> list[Event]:
        if self.state.started:
            return []
        self.state.started = True
        self.state.announced = self.state.expectation
        manifest, expectation = self._model.manifest, self.state.expectation
        emitted = self._emit(session_started(manifest, expectation, self._window_s, self._config.hop_s))
        if self._model.notice:
            emitted += self._emit(events.SessionWarning("bundle_fallback", self._model.notice, 0.0, 0.0))
        return emitted

    def _announce_if_changed(self, time_s: float | None) -> list[Event]:
        """Emit an event about an expectation that the host has changed since the last event about it."""
        state = self.state
        if state.announced == state.expectation:
            return []
        state.announced = state.expectation
        at_s = (self._emitter.state.media_s or 0.0) if time_s is None else time_s
        self._emitter.advance(at_s)
        return self._emit(session_updated(self._model.labels.exercise, state.expectation, at_s))

    def _under_expectation(self, outputs: list[Output]) -> list[Output]:
        """The outputs, with the host's expectation in each window."""
        expectation = self.state.expectation
        if expectation.is_neutral:
            return outputs
        return [attrs.evolve(one, expectation=expectation) if isinstance(one, Window) else one for one in outputs]

    def _handle(self, output: Output, predictions: Iterator[Prediction]) -> list[Event]:
        match output:
            case Window():
                return self._handle_window(output, next(predictions))
            case RunEnd(start_s=start_s, end_s=end_s):
                return self._end_run(start_s, end_s)
            case Gap(start_s=start_s, end_s=end_s):
                self._emitter.advance(end_s)
                if self._frame_rate.state.last_run_was_single:
                    return self._emit_all(self._frame_rate.single_frames(start_s, end_s))
                return self._emit(gap(start_s, end_s))
            case ClockReset(time_s=time_s, offset_s=offset_s):
                self._emitter.advance(time_s)
                return self._emit(clock_reset(time_s, offset_s))
            case LateFrame(time_s=time_s, last_s=last_s):
                self._summary.add_late_frame()
                if self.state.late_announced:
                    return []
                self.state.late_announced = True
                return self._emit(late_frame(time_s, last_s))

    def _handle_window(self, window: Window, prediction: Prediction) -> list[Event]:
        self._summary.add_window()
        self._emitter.advance(window.end_s)
        if self._camera is not None and self._idle is not None:
            self._camera.predicted(window.decides_from_s, idle=float(prediction.exercise[self._idle]))
        self._extensions.add(prediction.tasks, window.decides_from_s, window.decides_until_s)
        decisions = self._decisions.update(prediction, window.decides_from_s, window.decides_until_s)
        log_window(window, prediction, self._model.labels.exercise, self._decisions)
        return [*self._handle_decisions(decisions), *self._beat(window.end_s)]

    def _beat(self, at_s: float) -> list[Event]:
        """Emit ``session.progress`` if it is due."""
        period = self._heartbeat.beat(at_s)
        if period is None:
            return []
        people = None if self._person is None else int(self._presence.state.person is not None)
        frames = self._heartbeat.state.frames
        return self._emit(events.SessionProgress(frames, *period, self._decisions.exercise, people))

    def _handle_person(self, located: PersonInFrame | None, time_s: float) -> list[Event]:
        if located is None:
            return []
        person = located.person
        return self._emit_presence(self._presence.update(None if person is None else person.name, time_s))

    def _emit_presence(self, changes: Iterable[events.PersonEntered | events.PersonLeft]) -> list[Event]:
        emitted: list[Event] = []
        for change in changes:
            self._emitter.advance(change.end_s if isinstance(change, events.PersonLeft) else change.start_s)
            emitted += self._emit(change)
        return emitted

    def _end_run(self, start_s: float, end_s: float) -> list[Event]:
        self._frame_rate.end_run()
        self._summary.add_run(start_s, end_s)
        self._emitter.advance(end_s)
        self._counting.end_run(end_s)
        emitted = self._handle_decisions(self._decisions.end_run(end_s))
        emitted += self._emit_presence(self._presence.end())
        self._counting.sets.forget()
        return emitted

    def _end_camera_run(self, outputs: Sequence[Output]) -> list[CameraWarning]:
        """Warnings that end with the run, if the outputs end it."""
        ended = any(isinstance(output, RunEnd) for output in outputs)
        return self._perception.end_run() if ended else []

    def _handle_camera_warning(self, warning: CameraWarning) -> list[Event]:
        self._emitter.advance(warning.end_s)
        if warning.code == "camera_moved":
            self._counting.camera_moved(warning.start_s)
        return self._emit(camera_warning(warning))

    def _handle_decisions(self, decisions: Iterable[segments.Decision]) -> list[Event]:
        return [event for decision in decisions for event in self._handle_decision(decision)]

    def _handle_decision(self, decision: segments.Decision) -> list[Event]:
        match decision:
            case segments.SegmentStarted(exercise, start_s, confidence):
                self._counting.sets.begin(exercise, start_s)
                self._extensions.start(start_s)
                return self._emit(events.ExerciseStarted(exercise, start_s, confidence))
            case segments.SegmentUpdated():
                person = self._person if self._config.pose.boxes else None
                box, name = (person.box, person.name) if person else (None, None)
                extensions, faults = self._extensions.update(decision.end_s)
                return [*self._warn_of(faults), *self._emit(exercise_updated(decision, box, name, extensions))]
            case segments.SegmentEnded():
                alone = self._decisions.exercise is None
                counted, stats, sets = self._counting.end_segment(
                    decision.exercise, decision.start_s, decision.end_s, alone=alone
                )
                self._summary.add_segment(decision, stats)
                extensions, faults = self._extensions.end(decision.start_s, decision.end_s)
                ended = exercise_ended(decision, stats, sets, extensions)
                return [*self._emit_repetitions(counted), *self._warn_of(faults), *self._emit(ended)]
            case segments.MusclesActivated(start_s, end_s, muscles):
                return self._emit(events.MusclesActivated(start_s, end_s, muscles))

    def _emit_repetitions(self, counted: Iterable[CountedRepetition]) -> list[Event]:
        emitted: list[Event] = []
        for one in counted:
            self._emitter.advance(one.repetition.end_s)
            emitted += self._emit(repetition_completed(one))
        return emitted

    def _warn_of(self, faults: Iterable[TaskFault]) -> list[Event]:
        """Warn of each task that a plugin fails to sum up, once."""
        return [
            event
            for fault in faults
            for event in self._emitter.warn_once(
                fault.task, f"the task {fault.task} is left out: {fault.message}", self._subject
            )
        ]

    def _emit_all(self, data: Iterable[EventData]) -> list[Event]:
        return [event for one in data for event in self._emit(one)]

    def _emit(self, data: EventData) -> list[Event]:
        return self._emitter.emit(data, self._subject)
