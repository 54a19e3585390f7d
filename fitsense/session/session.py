"""Session: frames with timestamps in, events out. Opens no file, starts no thread and reads no clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from fitsense._internal.exclusive import exclusive
from fitsense.errors import InvalidInputError
from fitsense.events import model as events
from fitsense.events.model import Event
from fitsense.expectation import Expectation
from fitsense.geometry import Region
from fitsense.inference.model import Model
from fitsense.pictures import Order
from fitsense.pose.landmarks import BodyRegion, Pose
from fitsense.pose.recording import TimedPose
from fitsense.session.config import SessionConfig
from fitsense.session.emitter import Emitter, EmitterState
from fitsense.session.event_data import (
    check_warning,
)
from fitsense.session.parts import SessionParts
from fitsense.session.pending import PendingFrame, PerceivedFrame, as_frame
from fitsense.session.person_track import HostPeople
from fitsense.session.snapshot import pack, unpack
from fitsense.session.snapshot_checks import check_session
from fitsense.session.snapshot_header import SnapshotHeader, bundle_digest
from fitsense.session.summary import Reason as Reason
from fitsense.types import MAX_SECONDS, Frame, Prediction


class Session(SessionParts):
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
        super().__init__(model, config or SessionConfig(), subject, emitter)

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
        percept = self._perception.perceive(frame.rgb, rgb, time_s, state.region, host)
        images = self._inputs.images(rgb, state.region, frame.rgb.shape[1::-1])
        poses = self._inputs.poses(percept.person if percept else None, state.region)
        if percept is not None and percept.cut_s is not None:
            outputs += self._under_expectation(self._windows.mark_cut(percept.cut_s))
        outputs += self._under_expectation(self._windows.add(images, time_s, poses))
        return PerceivedFrame(outputs, time_s, ended, percept)

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
        percept = pending.percept if isinstance(pending, PerceivedFrame) else None
        if percept is not None and pending.time_s is not None:
            self._counting.push(percept.thumbnail, percept.person, pending.time_s, percept.box)
            emitted += self._handle_person(percept.person, pending.time_s)
        for warning in (*pending.camera_warnings, *(percept.camera_warnings if percept else ())):
            emitted += self._handle_camera_warning(warning)
        # While another answer is on trial, new repetitions may turn out to be of another exercise.
        counted = [] if self._decisions.in_doubt else self._counting.count()
        if counted and pending.time_s is not None:
            self._emitter.advance(pending.time_s)
        emitted += self._emit_repetitions(counted)
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

    def _skip_events(self, count: int) -> None:
        """Leave out numbers of events, for hosts that number the events of several processes."""
        self._emitter.state.sequence += count

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
    def mark_cut(self, at_s: float = math.inf) -> list[Event]:
        """Mark a scene cut: close open segments as after a gap. Media time continues.

        :param at_s: time of the first frame after the cut, in seconds of media time, if it was pushed already.
            By default the cut is before the next frame, and whoever that shows is another person.
        :raises InvalidInputError: the time is not a number; the session is unchanged.
        """
        self._refuse_if_finished()
        if math.isnan(at_s):
            raise InvalidInputError(f"at_s: expected a number of seconds, got {at_s}")
        if at_s == math.inf:
            self._perception.mark_cut()
        pending = PendingFrame(self._under_expectation(self._windows.mark_cut(at_s)))
        return self.complete(pending, self._model.predict(pending.windows))
