"""One session per subject; windows of all subjects are batched into one model call."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from numpy.typing import NDArray

from fitsense._internal.exclusive import exclusive, one_thread
from fitsense._internal.locks import numpy_lock
from fitsense.camera.monitor import CameraMonitor, CameraMonitorState, CameraWarning
from fitsense.camera.view_features import camera_thumbnail
from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.events.model import Event, SessionProgress, SessionWarning
from fitsense.expectation import Expectation
from fitsense.geometry import Region
from fitsense.inference.model import Model
from fitsense.pictures import Order
from fitsense.pose.recording import TimedPose
from fitsense.pose.tracker import TrackedPerson
from fitsense.session.config import EPOCH, SessionConfig
from fitsense.session.emitter import Emitter, EmitterState
from fitsense.session.event_data import camera_warning, check_warning, session_updated
from fitsense.session.expecting import Expecting
from fitsense.session.heartbeat import Heartbeat, HeartbeatState
from fitsense.session.pending import PendingFrame, as_frame
from fitsense.session.person_track import HostPeople
from fitsense.session.session import Session
from fitsense.session.snapshot import pack, unpack
from fitsense.session.snapshot_checks import check_camera, check_expectation
from fitsense.session.snapshot_header import SnapshotHeader, bundle_digest
from fitsense.session.summary import Reason
from fitsense.types import Frame, Prediction
from fitsense.windowing.sampler import Window


@attrs.frozen(eq=False)
class PendingFrames:
    """A frame before the model's predictions for it, for all subjects.

    :param emitted: events of subjects who left, and about the picture.
    :param pending: each subject's session and its pending frame.
    """

    emitted: Sequence[Event]
    pending: Sequence[tuple[Session, PendingFrame]]

    @property
    def windows(self) -> list[Window]:
        """Windows to predict, of all subjects."""
        return [window for _, frame in self.pending for window in frame.windows]


@attrs.define
class MultiSessionState:
    """State that the sessions share.

    :param located_s: time of each subject's newest region, in seconds of media time, by name.
    :param last_s: time of the newest frame, in seconds of media time.
    :param expectation: the exercises that the host expects.
    :param changed: whether an event has yet to state that the expectation changed.
    """

    located_s: dict[str, float] = attrs.field(factory=dict)
    last_s: float | None = None
    finished: bool = False
    expectation: Expectation = attrs.field(factory=Expectation)
    changed: bool = False


class MultiSession(Expecting):
    """Analyses one sequence of frames that shows several subjects.

    Each subject has a session, from its first frame to its last. All events have one source and one numbering; those
    of a subject carry its name as ``subject``. Warnings about the picture or the source have no subject. As with
    :class:`Session`, it takes one thread at a time.

    :param model: the model that predicts, for all subjects together.
    :param config: the configuration of each subject's session; None for the defaults.
    :param absent_s: a subject's session ends this many seconds of media time after its newest region.
    """

    def __init__(self, model: Model, config: SessionConfig | None = None, *, absent_s: float = 5.0) -> None:
        self._use = one_thread()
        if not (absent_s > 0 and math.isfinite(absent_s)):
            raise InvalidInputError(f"absent_s: expected a number above 0, got {absent_s!r}")
        self._model = model
        self._config = config or SessionConfig()
        self._absent_s = absent_s
        self._emitter = Emitter(self._config.source, self._config.started_at or EPOCH, model.plugins)
        self._camera = CameraMonitor(self._config.camera) if self._config.camera else None
        self._heartbeat = Heartbeat(self._config.progress_interval_s)
        self._sessions: dict[str, Session] = {}
        expectation = Expectation.of(model.labels.exercise, self._config.exercises, self._config.expected)
        self.state: MultiSessionState = MultiSessionState(expectation=expectation)

    @property
    def subjects(self) -> list[str]:
        """Names of the subjects with a session, in the order of their first frames."""
        return list(self._sessions)

    @property
    def poses(self) -> dict[str, TimedPose]:
        """Each subject's pose in the newest frame in which people were sought, by name; none without landmarks."""
        found = {name: session.pose for name, session in self._sessions.items()}
        return {name: pose for name, pose in found.items() if pose is not None}

    @exclusive
    def _expect(self, expectation: Expectation) -> None:
        self._refuse_if_finished()
        if expectation == self.state.expectation:
            return
        self.state.expectation = expectation
        self.state.changed = self.state.last_s is not None
        for session in self._sessions.values():
            session._expect(expectation, announce=False)

    @exclusive
    def push(
        self,
        rgb: NDArray[Any] | Frame,
        time_s: float | None = None,
        *,
        regions: Mapping[str, Region] | None = None,
        order: Order = "rgb",
    ) -> list[Event]:
        """Analyse one frame and return the events that it causes.

        :param rgb: uint8 of shape (height, width, 3), or a :class:`Frame` with its own time.
        :param time_s: presentation time in seconds of media time.
        :param regions: each subject's region, by name. A new name begins a session; a subject that is missing keeps
            its region until ``absent_s`` have passed. None if no detector ran: all subjects keep their regions.
        :param order: order of the channels; ``bgr`` for pictures of OpenCV.
        :raises InvalidInputError: invalid picture or time; the sessions are unchanged.
        """
        pending = self.prepare(as_frame(rgb, time_s, order), regions)
        return self.complete(pending, self._model.predict(pending.windows))

    @exclusive
    def prepare(self, frame: Frame, regions: Mapping[str, Region] | None = None) -> PendingFrames:
        """Take a frame: the first half of :meth:`push`, as for :meth:`Session.prepare`."""
        return self._prepare(frame, regions)

    def _prepare(
        self,
        frame: Frame,
        regions: Mapping[str, Region] | None,
        people: Mapping[str, TrackedPerson] | None = None,
    ) -> PendingFrames:
        """Take a frame.

        :param people: poses of the found subjects by name; None without a search.
        """
        self._refuse_if_finished()
        emitted = self._announce_if_changed(frame.time_s)
        emitted += self._update(regions, frame.time_s)
        emitted += self._monitor_camera(frame, regions)
        emitted += self._beat(frame.time_s)
        pending = []
        for subject, session in self._sessions.items():
            tracked = None if people is None else [people[subject]] if subject in people else []
            pending.append((session, session._prepare(frame, HostPeople(tracked=tracked))))
        return PendingFrames(emitted, pending)

    @exclusive
    def complete(self, pending: PendingFrames, predictions: Sequence[Prediction]) -> list[Event]:
        """Return the events that a frame causes: the second half of :meth:`push`.

        :param predictions: the model's, one for each of ``pending.windows``, in order.
        """
        remaining = iter(predictions)
        emitted = list(pending.emitted)
        for session, frame in pending.pending:
            emitted += session.complete(frame, [next(remaining) for _ in frame.windows])
        return emitted

    @exclusive
    def warn(self, code: str, message: str) -> list[Event]:
        """Emit a warning of the host as :meth:`Session.warn` does; it has no subject."""
        self._refuse_if_finished()
        check_warning(code, message)
        at_s = self.state.last_s or 0.0
        return self._emitter.emit(SessionWarning(code, message, at_s, at_s))

    @exclusive
    def leave(self, subject: str, reason: Reason = "finished") -> list[Event]:
        """End a subject's session.

        :raises InvalidInputError: no subject of that name has a session.
        """
        self._refuse_if_finished()
        if subject not in self._sessions:
            raise InvalidInputError(f"subject: expected one of {', '.join(self.subjects) or 'none'}, got {subject!r}")
        del self.state.located_s[subject]
        return self._sessions.pop(subject).finish(reason)

    @exclusive
    def finish(self, reason: Reason = "finished") -> list[Event]:
        """End every subject's session. No frame can be pushed afterwards."""
        self._refuse_if_finished()
        emitted = [event for subject in self.subjects for event in self.leave(subject, reason)]
        for warning in self._camera.end_run() if self._camera else []:
            emitted += self._emit_camera_warning(warning)
        self.state.finished = True
        return emitted

    @exclusive
    def snapshot(self) -> bytes:
        """Serialise the sessions' state for :meth:`resume`; the sessions themselves continue."""
        return pack(self._states())

    def _states(self) -> dict[str, Any]:
        """Component states by name, for hosts that snapshot more than these sessions."""
        header = SnapshotHeader(self._config, bundle_digest(self._model), absent_s=self._absent_s)
        states: dict[str, Any] = {
            "header": header,
            "shared": self.state,
            "emitter": self._emitter.state,
            "heartbeat": self._heartbeat.state,
        }
        if self._camera is not None:
            states["camera"] = self._camera.state
        for at, session in enumerate(self._sessions.values()):
            states.update({f"{at}/{name}": state for name, state in session._states().items()})
        return states

    @classmethod
    def resume(cls, model: Model, snapshot: bytes, *, skip_events: int = 0) -> MultiSession:
        """Restore sessions from a snapshot; they emit the events that the originals would have emitted.

        :param model: a model of the same bundle.
        :param skip_events: as for :meth:`Session.resume`.
        :raises InvalidInputError: not a snapshot of a :class:`MultiSession`, or one of another bundle or version of
            fitsense.
        """
        unpacked = unpack(snapshot)
        types = {
            "header": SnapshotHeader,
            "shared": MultiSessionState,
            "emitter": EmitterState,
            "heartbeat": HeartbeatState,
        }
        common = unpacked.states(types)
        header = common["header"]
        header.check_bundle(model)
        if header.absent_s is None:
            raise InvalidInputError("snapshot: expected one of a MultiSession, got one of a Session")
        sessions = cls(model, header.config, absent_s=header.absent_s)
        sessions.state = common["shared"]
        sessions._emitter.state = common["emitter"]
        sessions._emitter.state.sequence += skip_events
        sessions._heartbeat.state = common["heartbeat"]
        check_expectation(sessions.state.expectation, "shared.expectation", model.manifest)
        if sessions._camera is not None:
            sessions._camera.state = unpacked.states({"camera": CameraMonitorState})["camera"]
            check_camera(sessions._camera.state)
        for at, subject in enumerate(sessions.state.located_s):
            session = sessions._sessions[subject] = sessions._session(subject)
            states = unpacked.states({f"{at}/{name}": type_ for name, type_ in session._state_types.items()})
            session._restore({name: states[f"{at}/{name}"] for name in session._state_types})
        return sessions

    def _skip_events(self, count: int) -> None:
        """Leave out numbers of events, as for :class:`Session`."""
        self._emitter.state.sequence += count

    def _session(self, subject: str) -> Session:
        # One camera needs one monitor, and one source one heartbeat.
        expectation = self.state.expectation
        config = attrs.evolve(
            self._config,
            camera=None,
            progress_interval_s=None,
            exercises=expectation.exercises,
            expected=expectation.expected,
        )
        return Session(self._model, config, subject=subject, emitter=self._emitter)

    def _announce_if_changed(self, time_s: float) -> list[Event]:
        """Emit an event about an expectation that the host has changed; it has no subject."""
        if not self.state.changed:
            return []
        self.state.changed = False
        self._emitter.advance(time_s)
        return self._emitter.emit(session_updated(self._model.labels.exercise, self.state.expectation, time_s))

    def _monitor_camera(self, frame: Frame, regions: Mapping[str, Region] | None) -> list[Event]:
        """Emit warnings about the picture; a scene cut closes the open segments of all subjects."""
        time_s, last_s = frame.time_s, self.state.last_s
        self.state.last_s = time_s
        if self._camera is None:
            return []
        warnings = self._camera.end_run() if last_s is not None and time_s - last_s > self._config.gap_s else []
        if regions is not None:
            self._camera.predicted(time_s, idle=0.0 if regions else 1.0, present=1.0 if regions else 0.0)
        if self._camera.due(time_s):
            with numpy_lock:
                warnings += self._camera.push(camera_thumbnail(frame.rgb), time_s)
        emitted: list[Event] = []
        for warning in warnings:
            if warning.code == "camera_cut":
                emitted += [event for session in self._sessions.values() for event in session.mark_cut(warning.end_s)]
            emitted += self._emit_camera_warning(warning)
        return emitted

    def _beat(self, time_s: float) -> list[Event]:
        """Emit ``session.progress`` if it is due; it has no subject."""
        self._heartbeat.add_frame(time_s)
        period = self._heartbeat.beat(time_s)
        if period is None:
            return []
        self._emitter.advance(time_s)
        progress = SessionProgress(self._heartbeat.state.frames, *period, people=len(self._sessions))
        return self._emitter.emit(progress)

    def _emit_camera_warning(self, warning: CameraWarning) -> list[Event]:
        self._emitter.advance(warning.end_s)
        return self._emitter.emit(camera_warning(warning))

    def _update(self, regions: Mapping[str, Region] | None, time_s: float) -> list[Event]:
        """Begin, move and end sessions."""
        if regions is None:
            return []
        for subject, region in regions.items():
            if subject not in self._sessions:
                self._sessions[subject] = self._session(subject)
            self._sessions[subject].region = region
            self.state.located_s[subject] = time_s
        gone = [subject for subject, at_s in self.state.located_s.items() if time_s - at_s > self._absent_s]
        return [event for subject in gone for event in self.leave(subject)]

    def _refuse_if_finished(self) -> None:
        if self.state.finished:
            raise FitsenseError("the sessions are finished; begin anew for more frames")
