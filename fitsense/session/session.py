"""Session: frames with timestamps in, events out. Opens no file, starts no thread and reads no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from numpy.typing import NDArray

from fitsense import decisions as decided
from fitsense._internal.exclusive import exclusive, one_thread
from fitsense.camera.framing import FramingMonitor
from fitsense.camera.monitor import CameraMonitor, CameraWarning
from fitsense.catalogue import IDLE
from fitsense.decisions import DecisionConfig, Decisions
from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.events import model as events
from fitsense.events.model import Event, EventData
from fitsense.expectation import Expectation
from fitsense.geometry import Region
from fitsense.inference.model import Model
from fitsense.pictures import Order
from fitsense.pose.landmarks import BodyRegion, Pose
from fitsense.pose.recording import TimedPose
from fitsense.repetitions.sets import CountedRepetition
from fitsense.session.branch_inputs import BranchInputs
from fitsense.session.config import EPOCH, SessionConfig
from fitsense.session.counting import Counting
from fitsense.session.debug_log import log_window
from fitsense.session.emitter import Emitter, EmitterState
from fitsense.session.event_data import (
    camera_warning,
    check_warning,
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
from fitsense.session.pending import PendingFrame, as_frame
from fitsense.session.perception import Perception
from fitsense.session.person_track import HostPeople, Sighting, person_track
from fitsense.session.presence import Presence
from fitsense.session.snapshot import pack, unpack
from fitsense.session.snapshot_checks import check_session
from fitsense.session.snapshot_header import SnapshotHeader, bundle_digest
from fitsense.session.summary import Reason as Reason
from fitsense.session.summary import SessionSummary
from fitsense.types import MAX_SECONDS, Frame, Prediction
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


class Session(Expecting):
    """Analyses one sequence of frames, frame by frame.

    :param model: the model that predicts; sessions may share it.
    :param config: the session's configuration; None for the defaults.
    :param subject: subject of the events, for a source with several people; None for a source with one.
    :param emitter: emitter that numbers the events, for several sessions of one source; None to create one.

    The first event is ``session.started``, emitted by the first push or by :meth:`finish`; the last is
    ``session.ended``, emitted by :meth:`finish`.

    A session takes one thread at a time: a second one is refused with :class:`FitsenseError`, and the session is
    unchanged. Threads may take turns, and sessions of several threads may share a model.
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
        self._decisions = Decisions(labels.exercise, labels.muscles, attrs.evolve(decisions, enter=enter, exit=exit))
        landmark_set = self._person.landmark_set if self._person else None
        self._counting = Counting(config.repetitions, landmark_set, config.set_rest_s)
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

    @exclusive
    def _expect(self, expectation: Expectation, *, announce: bool = True) -> None:
        """Change the expectation.

        :param announce: whether this session's events state it; False if the host states it for several sessions.
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
        """Part of the picture that is analysed; None for all of it. May be set between two frames."""
        return self.state.region

    @region.setter
    def region(self, region: Region | None) -> None:
        self.state.region = region

    @property
    def pose(self) -> TimedPose | None:
        """The person's pose in the newest frame in which the session looked for it; None without landmarks."""
        return None if self._person is None else self._person.newest

    @exclusive
    def push(
        self,
        rgb: NDArray[Any] | Frame,
        time_s: float | None = None,
        *,
        order: Order = "rgb",
        poses: Sequence[Pose] | None = None,
        bodies: Sequence[BodyRegion] | None = None,
    ) -> list[Event]:
        """Analyse one frame and return the events that it causes.

        :param rgb: uint8 of shape (height, width, 3), or a :class:`Frame` with its own time.
        :param time_s: presentation time in seconds of media time. A frame that is not after the previous one is
            dropped, with a warning.
        :param order: order of the channels; ``bgr`` for pictures of OpenCV.
        :param poses: poses of all people in the picture, if the host finds them; the session's estimator then does not
            run. Needs an estimator or ``PoseConfig.landmarks``. None if the host did not look.
        :param bodies: regions of all people, if the host detects them; the session's detector then does not run.
        :raises InvalidInputError: invalid picture, time, poses or regions; the session is unchanged.
        """
        pending = self.prepare(as_frame(rgb, time_s, order), poses=poses, bodies=bodies)
        return self.complete(pending, self._model.predict(pending.windows))

    def push_many(self, frames: Iterable[Frame]) -> list[Event]:
        """Analyse several frames; the events are those of pushing them one by one."""
        return [event for frame in frames for event in self.push(frame)]

    @exclusive
    def prepare(
        self, frame: Frame, *, poses: Sequence[Pose] | None = None, bodies: Sequence[BodyRegion] | None = None
    ) -> PendingFrame:
        """Take a frame: the first half of :meth:`push`, for hosts that batch the windows of several sessions.

        :returns: the argument for :meth:`complete`, which must be called next with a prediction for each window.
        """
        return self._prepare(frame, HostPeople(poses, bodies))

    def _prepare(self, frame: Frame, host: HostPeople) -> PendingFrame:
        self._refuse_if_finished()
        if self._person is not None:
            self._person.check(host)
        elif host.poses is not None or host.bodies is not None:
            raise InvalidInputError(
                "poses, bodies: expected none, since this session has no landmarks; set SessionConfig.pose"
            )
        if not abs(frame.time_s + self._windows.offset_s) <= MAX_SECONDS:
            raise InvalidInputError(
                f"time_s: expected media time within {MAX_SECONDS:.0e} s, got {frame.time_s!r} after clock resets of "
                f"{self._windows.offset_s:.1f} s"
            )
        if self._windows.skips(frame.time_s):
            return PendingFrame(())
        state = self.state
        rgb = frame.rgb if state.region is None else state.region.crop(frame.rgb)
        self._inputs.check(rgb)
        time_s, before = self._windows.admit(frame.time_s)
        outputs = self._under_expectation(before)
        if time_s is None:
            return PendingFrame(outputs)
        ended = self._end_camera_run(outputs)
        percept = self._perception.see(frame.rgb, rgb, time_s, state.region, host)
        images = self._inputs.images(rgb, state.region, frame.rgb.shape[1::-1])
        poses = self._inputs.poses(percept.sighting if percept else None, state.region)
        outputs += self._under_expectation(self._windows.add(images, time_s, poses))
        if percept is not None and percept.is_cut:
            outputs += self._under_expectation(self._windows.mark_cut())
        return PendingFrame(outputs, time_s, percept, ended)

    @exclusive
    def complete(self, pending: PendingFrame, predictions: Sequence[Prediction]) -> list[Event]:
        """Return the events that a frame causes: the second half of :meth:`push`.

        :param predictions: the model's, one for each of ``pending.windows``, in order.
        """
        if pending.time_s is not None:
            if self._summary.state.start_s is None:
                self._emitter.advance(pending.time_s)
            self._summary.add_frame(pending.time_s)
            self._heartbeat.add_frame(pending.time_s)
            self.state.late_announced = False
        emitted = self._start_if_new()
        emitted += self._announce_if_changed(pending.time_s)
        remaining = iter(predictions)
        for output in pending.outputs:
            emitted += self._handle(output, remaining)
        if pending.time_s is not None:
            emitted += self._emit_all(self._frame_rate.add_frame(pending.time_s))
        percept = pending.percept
        if percept is not None and pending.time_s is not None:
            self._counting.push(percept.thumbnail, percept.sighting, pending.time_s)
            emitted += self._handle_sighting(percept.sighting, pending.time_s)
        for warning in (*pending.camera_warnings, *(percept.camera_warnings if percept else ())):
            emitted += self._handle_camera_warning(warning)
        # While another answer is on trial, new repetitions may turn out to be of another exercise.
        if not self._decisions.in_doubt:
            emitted += self._emit_repetitions(self._counting.sets.count())
        return emitted

    @exclusive
    def warn(self, code: str, message: str) -> list[Event]:
        """Emit a warning of the host at the newest frame's time, such as a source that broke.

        :param code: lower-case letters, digits and ``_``. The schema of ``session.warning`` lists fitsense's codes;
            give a host's own codes a prefix, such as ``myapp_door_open``, so that no later version uses them.
        :param message: for people to read, not empty.
        :raises InvalidInputError: a code or message that the schema does not allow.
        """
        self._refuse_if_finished()
        check_warning(code, message)
        at_s = self._emitter.state.media_s or 0.0
        if self._windows.last_s is not None:
            at_s = self._windows.last_s
        return [*self._start_if_new(), *self._emit(events.SessionWarning(code, message, at_s, at_s))]

    @exclusive
    def finish(self, reason: Reason = "finished") -> list[Event]:
        """End the session: close open segments and emit ``session.ended``. No frame can be pushed afterwards."""
        self._refuse_if_finished()
        outputs = self._under_expectation(self._windows.finish())
        pending = PendingFrame(outputs, camera_warnings=self._end_camera_run(outputs))
        emitted = self.complete(pending, self._model.predict(pending.windows))
        start_s = self._summary.state.start_s
        if reason == "finished" and self._subject is None and start_s is not None:
            emitted += self._emit_all(self._frame_rate.too_short(start_s, self._summary.state.end_s, self._window_s))
        self.state.finished = True
        return [*emitted, *self._emit(self._summary.event_data(reason, self._counting.sets))]

    @exclusive
    def snapshot(self) -> bytes:
        """Serialise the session's state for :meth:`resume`; the session itself continues.

        Call it between two pushes, not between :meth:`prepare` and :meth:`complete`. A snapshot takes some megabytes:
        it holds the pictures that future windows may need.
        """
        header = SnapshotHeader(self._config, bundle_digest(self._model), self._subject)
        return pack({"header": header, "emitter": self._emitter.state, **self._states()})

    @classmethod
    def resume(cls, model: Model, snapshot: bytes, *, skip_events: int = 0) -> Session:
        """Restore a session from a snapshot; it emits the events that the original would have emitted.

        :param model: a model of the same bundle.
        :param skip_events: how many numbers to leave out, so that none repeats where the frames since the snapshot
            cannot be pushed again, as with a camera: more than the events that were emitted since.
        :raises InvalidInputError: not a snapshot, or one of another bundle or version of fitsense.
        """
        unpacked = unpack(snapshot)
        header = unpacked.states({"header": SnapshotHeader})["header"]
        header.check_bundle(model)
        session = cls(model, header.config, subject=header.subject)
        session._emitter.state = unpacked.states({"emitter": EmitterState})["emitter"]
        session._emitter.state.sequence += skip_events
        session._restore(unpacked.states(session._state_types))
        return session

    @property
    def _state_types(self) -> dict[str, type[Any]]:
        """Classes of :meth:`_states`, by name."""
        return {name: type(part.state) for name, part in self._parts.items()}

    def _states(self) -> dict[str, Any]:
        """Component states by name, without the emitter's. For hosts that snapshot several sessions together."""
        return {name: part.state for name, part in self._parts.items()}

    def _restore(self, states: Mapping[str, Any]) -> None:
        """Replace the component states.

        :raises InvalidInputError: they do not fit together, or do not fit the model's bundle.
        """
        landmark_set = self._person.landmark_set if self._person else None
        check_session(
            states,
            self._model.manifest,
            self._specs,
            self._config,
            self._window_s,
            landmark_set,
            self._inputs.landmarks,
        )
        if "extensions" in states:
            self._extensions.check(states["extensions"])
        for name, part in self._parts.items():
            part.state = states[name]
        self._decisions.allow(self.state.expectation.allowed(self._model.labels.exercise))

    @exclusive
    def mark_cut(self) -> list[Event]:
        """Mark a scene cut: close open segments as after a gap. Media time continues."""
        self._refuse_if_finished()
        pending = PendingFrame(self._under_expectation(self._windows.mark_cut()))
        return self.complete(pending, self._model.predict(pending.windows))

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

    def _handle_sighting(self, sighting: Sighting | None, time_s: float) -> list[Event]:
        if sighting is None:
            return []
        person = sighting.person
        return self._emit_presence(self._presence.see(None if person is None else person.name, time_s))

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
            # The picture moved, not the person in it.
            self._counting.end_run(warning.start_s)
        return self._emit(camera_warning(warning))

    def _handle_decisions(self, decisions: Iterable[decided.Decision]) -> list[Event]:
        return [event for decision in decisions for event in self._handle_decision(decision)]

    def _handle_decision(self, decision: decided.Decision) -> list[Event]:
        match decision:
            case decided.SegmentStarted(exercise, start_s, confidence):
                self._counting.sets.begin(exercise, start_s)
                self._extensions.start(start_s)
                return self._emit(events.ExerciseStarted(exercise, start_s, confidence))
            case decided.SegmentUpdated():
                person = self._person if self._config.pose.boxes else None
                box, name = (person.box, person.name) if person else (None, None)
                extensions, faults = self._extensions.update(decision.end_s)
                return [*self._warn_of(faults), *self._emit(exercise_updated(decision, box, name, extensions))]
            case decided.SegmentEnded():
                counted, stats, sets = self._counting.end_segment(decision.exercise, decision.start_s, decision.end_s)
                self._summary.add_segment(decision, stats)
                extensions, faults = self._extensions.end(decision.start_s, decision.end_s)
                ended = exercise_ended(decision, stats, sets, extensions)
                return [*self._emit_repetitions(counted), *self._warn_of(faults), *self._emit(ended)]
            case decided.MusclesActivated(start_s, end_s, muscles):
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
