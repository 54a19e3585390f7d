"""Several people in one picture: a session for each, and one question to the model for all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from fitsense._internal.exclusive import exclusive, one_thread
from fitsense._internal.locks import numpy_lock
from fitsense.camera.monitor import CameraMonitor, CameraMonitorState, CameraWarning
from fitsense.camera.view_features import camera_thumbnail
from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.events.model import Event, SessionWarning
from fitsense.expectation import Expectation
from fitsense.geometry import Region
from fitsense.inference.model import Model
from fitsense.session.config import EPOCH, SessionConfig
from fitsense.session.emitter import Emitter, EmitterState
from fitsense.session.session import PendingFrame, Reason, Session, as_frame, bundle_digest, update_of, warning_of
from fitsense.session.snapshot import pack, unpack
from fitsense.session.snapshot_checks import check_expectation, check_scene
from fitsense.types import Frame, Prediction, UInt8Array
from fitsense.windowing.sampler import Window


@attrs.frozen
class _About:
    """Whose snapshot it is."""

    config: SessionConfig
    absent_s: float
    model: str


@attrs.frozen(eq=False)
class PendingFrames:
    """What a frame brings about before the model is asked, for all subjects.

    :param emitted: events of subjects who left, and about the picture.
    :param pending: by each subject's session.
    """

    emitted: Sequence[Event]
    pending: Sequence[tuple[Session, PendingFrame]]

    @property
    def windows(self) -> list[Window]:
        """What the model is to be asked about."""
        return [window for _, seen in self.pending for window in seen.windows]


@attrs.define
class MultiSessionState:
    """What several sessions share.

    :param seen_s: when each subject, by name, was last said to be somewhere.
    :param last_s: time of the newest frame.
    :param expectation: which exercises the host expects.
    :param changed: whether no event has stated that yet.
    """

    seen_s: dict[str, float] = attrs.field(factory=dict)
    last_s: float | None = None
    finished: bool = False
    expectation: Expectation = attrs.field(factory=Expectation)
    changed: bool = False


class MultiSession:
    """One stream of frames that shows several subjects.

    Each subject has a session of its own, from the first frame that it is in to the last: all events have one source
    and are numbered together, and those of a subject carry its name as ``subject``. Warnings about the picture or the
    source are about nobody. As with :class:`Session`, one thread at a time may be in it.

    :param model: what predicts, once for all subjects.
    :param config: how to look and decide, for every subject.
    :param absent_s: a subject's session ends when nobody has said for so long where it is, in seconds of media time.
    """

    def __init__(self, model: Model, config: SessionConfig | None = None, *, absent_s: float = 5.0) -> None:
        self._use = one_thread()
        if not (absent_s > 0 and math.isfinite(absent_s)):
            raise InvalidInputError(f"absent_s: expected a number above 0, got {absent_s!r}")
        self._model = model
        self._config = config or SessionConfig()
        self._absent_s = absent_s
        self._emitter = Emitter(self._config.source, self._config.started_at or EPOCH, model.plugins)
        self._scene = CameraMonitor(self._config.camera) if self._config.camera else None
        self._sessions: dict[str, Session] = {}
        expectation = Expectation.of(model.labels.exercise, self._config.exercises, self._config.expected)
        self.state = MultiSessionState(expectation=expectation)

    @property
    def subjects(self) -> list[str]:
        """Who is watched now, in the order in which they came."""
        return list(self._sessions)

    @property
    def exercises(self) -> tuple[str, ...] | None:
        """The only exercises that may be named, of every subject; as :attr:`Session.exercises`."""
        return self.state.expectation.exercises

    @exercises.setter
    def exercises(self, exercises: Iterable[str] | None) -> None:
        self._expect(self.state.expectation.with_exercises(self._model.labels.exercise, exercises))

    @property
    def expected(self) -> str | None:
        """The exercise that a guided workout asks for, of every subject; as :attr:`Session.expected`."""
        return self.state.expectation.expected

    @expected.setter
    def expected(self, expected: str | None) -> None:
        self._expect(Expectation.of(self._model.labels.exercise, self.exercises, expected))

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
        self, rgb: UInt8Array | Frame, time_s: float | None = None, *, regions: Mapping[str, Region] | None = None
    ) -> list[Event]:
        """Take one frame; give the events that it brings about.

        :param rgb: uint8 of shape (height, width, 3), or a :class:`Frame` with its own time.
        :param time_s: its presentation time in seconds of media time.
        :param regions: where each subject is, by name: new ones are watched from now on, and one that is missing is
            presumed where it was until ``absent_s`` have passed. None where nobody has looked: all stay where they are.
        :raises InvalidInputError: a picture or a time that cannot be; the sessions go on as if it had not come.
        """
        seen = self.prepare(as_frame(rgb, time_s), regions)
        return self.complete(seen, self._model.predict(seen.windows))

    @exclusive
    def prepare(self, frame: Frame, regions: Mapping[str, Region] | None = None) -> PendingFrames:
        """The first half of :meth:`push`, as of :meth:`Session.prepare`."""
        self._refuse_if_finished()
        emitted = self._announce_if_changed(frame.time_s)
        emitted += self._update(regions, frame.time_s)
        emitted += self._watch(frame, regions)
        return PendingFrames(emitted, [(session, session.prepare(frame)) for session in self._sessions.values()])

    @exclusive
    def complete(self, seen: PendingFrames, predictions: Sequence[Prediction]) -> list[Event]:
        """The second half of :meth:`push`: the events that a frame brings about.

        :param predictions: the model's, of ``seen.windows``, in their order.
        """
        answers = iter(predictions)
        told = [session.complete(one, [next(answers) for _ in one.windows]) for session, one in seen.pending]
        return [*seen.emitted, *(event for events in told for event in events)]

    @exclusive
    def warn(self, code: str, message: str) -> list[Event]:
        """Put a warning of the host's own, such as a source that broke, into the stream; it is about nobody."""
        self._refuse_if_finished()
        at_s = self.state.last_s or 0.0
        return [self._emitter.emit(SessionWarning(code, message, at_s, at_s))]

    @exclusive
    def leave(self, subject: str, reason: Reason = "finished") -> list[Event]:
        """End a subject's session.

        :raises InvalidInputError: nobody of that name is watched.
        """
        self._refuse_if_finished()
        if subject not in self._sessions:
            raise InvalidInputError(f"subject: expected one of {', '.join(self.subjects) or 'none'}, got {subject!r}")
        del self.state.seen_s[subject]
        return self._sessions.pop(subject).finish(reason)

    @exclusive
    def finish(self, reason: Reason = "finished") -> list[Event]:
        """End every subject's session. Nothing can be pushed afterwards."""
        self._refuse_if_finished()
        emitted = [event for subject in self.subjects for event in self.leave(subject, reason)]
        for notice in self._scene.end_run() if self._scene else []:
            emitted.append(self._warn_of(notice))
        self.state.finished = True
        return emitted

    @exclusive
    def snapshot(self) -> bytes:
        """All that the sessions know, for :meth:`resume`; they go on as if nothing had been."""
        return pack(self._states())

    def _states(self) -> dict[str, Any]:
        """The states of all parts, by name, for who takes a snapshot of these sessions and of more."""
        about = _About(self._config, self._absent_s, bundle_digest(self._model))
        states: dict[str, Any] = {"about": about, "shared": self.state, "emitter": self._emitter.state}
        if self._scene is not None:
            states["scene"] = self._scene.state
        for at, session in enumerate(self._sessions.values()):
            states.update({f"{at}/{name}": state for name, state in session._states().items()})
        return states

    @classmethod
    def resume(cls, model: Model, snapshot: bytes) -> MultiSession:
        """The sessions whose snapshot this is, which go on with the events that they would have given.

        :param model: of the same bundle as before.
        :raises InvalidInputError: it is no such snapshot, or one of another bundle or version of fitsense.
        """
        kinds = {"about": _About, "shared": MultiSessionState, "emitter": EmitterState}
        unpacked = unpack(snapshot)
        common = unpacked.states(kinds)
        about = common["about"]
        if about.model != bundle_digest(model):
            raise InvalidInputError("snapshot: expected one of sessions of the same bundle, got one of another")
        sessions = cls(model, about.config, absent_s=about.absent_s)
        sessions.state = common["shared"]
        sessions._emitter.state = common["emitter"]
        check_expectation(sessions.state.expectation, "shared.expectation", model.manifest)
        if sessions._scene is not None:
            sessions._scene.state = unpacked.states({"scene": CameraMonitorState})["scene"]
            check_scene(sessions._scene.state)
        for at, subject in enumerate(sessions.state.seen_s):
            session = sessions._sessions[subject] = sessions._session(subject)
            kinds = {f"{at}/{name}": kind for name, kind in session._state_types.items()}
            states = unpacked.states(kinds)
            session._restore({name: states[f"{at}/{name}"] for name in session._state_types})
        return sessions

    def _session(self, subject: str) -> Session:
        # One camera is watched once.
        expectation = self.state.expectation
        config = attrs.evolve(self._config, camera=None, exercises=expectation.exercises, expected=expectation.expected)
        return Session(self._model, config, subject=subject, emitter=self._emitter)

    def _announce_if_changed(self, time_s: float) -> list[Event]:
        """State an expectation that the host has changed; the event is about no subject."""
        if not self.state.changed:
            return []
        self.state.changed = False
        self._emitter.advance(time_s)
        return [self._emitter.emit(update_of(self._model.labels.exercise, self.state.expectation, time_s))]

    def _watch(self, frame: Frame, regions: Mapping[str, Region] | None) -> list[Event]:
        """Warnings about the picture; a cut ends what goes on."""
        time_s, last_s = frame.time_s, self.state.last_s
        self.state.last_s = time_s
        if self._scene is None:
            return []
        notices = self._scene.end_run() if last_s is not None and time_s - last_s > self._config.gap_s else []
        if regions is not None:
            self._scene.predicted(time_s, idle=0.0 if regions else 1.0, present=1.0 if regions else 0.0)
        if self._scene.due(time_s):
            with numpy_lock:
                notices += self._scene.push(camera_thumbnail(frame.rgb), time_s)
        emitted: list[Event] = []
        for notice in notices:
            if notice.code == "camera_cut":
                emitted += [event for session in self._sessions.values() for event in session.mark_cut()]
            emitted.append(self._warn_of(notice))
        return emitted

    def _warn_of(self, notice: CameraWarning) -> Event:
        self._emitter.advance(notice.end_s)
        return self._emitter.emit(warning_of(notice))

    def _update(self, regions: Mapping[str, Region] | None, time_s: float) -> list[Event]:
        """Subjects come, move and go."""
        if regions is None:
            return []
        for subject, region in regions.items():
            if subject not in self._sessions:
                self._sessions[subject] = self._session(subject)
            self._sessions[subject].region = region
            self.state.seen_s[subject] = time_s
        gone = [subject for subject, at_s in self.state.seen_s.items() if time_s - at_s > self._absent_s]
        return [event for subject in gone for event in self.leave(subject)]

    def _refuse_if_finished(self) -> None:
        if self.state.finished:
            raise FitsenseError("the sessions are finished; begin anew for more frames")
