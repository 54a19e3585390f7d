"""Multi-person session: find and track people, and run one session per person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs
from numpy.typing import NDArray

from fitsense._internal.exclusive import exclusive, one_thread
from fitsense.events.model import Event, SessionWarning
from fitsense.inference.model import Model
from fitsense.inference.people import PeopleSource
from fitsense.pictures import Order
from fitsense.pose.recording import TimedPose
from fitsense.session.config import SessionConfig
from fitsense.session.multi import MultiSession, PendingFrames
from fitsense.session.pending import as_frame
from fitsense.session.people import SeenPeopleState, people_finder
from fitsense.session.person_checks import check_tracker
from fitsense.session.snapshot import pack, unpack
from fitsense.session.summary import Reason
from fitsense.tracking import TrackerConfig
from fitsense.types import MAX_SECONDS, Frame, Prediction


class TrackedSession:
    """Analyses one sequence of frames that shows people who come and go.

    :param model: the model that predicts, for all people together.
    :param people: finds the people: a pose estimator or a person detector, from :func:`fitsense.load_people`. With a
        pose estimator, a person's region contains the body that was found, and its landmarks are found once.
    :param config: the configuration of each person's session; None for the defaults.
    :param tracker: the tracker's configuration; None for the defaults.
    """

    def __init__(
        self,
        model: Model,
        people: PeopleSource,
        config: SessionConfig | None = None,
        tracker: TrackerConfig | None = None,
    ) -> None:
        self._use = one_thread()
        self._config = tracker = tracker or TrackerConfig()
        self._people = people_finder(people, tracker)
        if (landmark_set := self._people.landmark_set) is not None:
            config = config or SessionConfig()
            pose = attrs.evolve(config.pose, enabled="off", landmarks=landmark_set)
            config = attrs.evolve(config, pose=pose)
        # A session ends with its track.
        self._sessions = MultiSession(model, config, absent_s=tracker.max_lost_s)

    @property
    def poses(self) -> dict[str, TimedPose]:
        """Each person's pose in the newest frame in which people were sought, by name; none with a detector."""
        return self._sessions.poses

    @property
    def exercises(self) -> tuple[str, ...] | None:
        """The only exercises that may be named, for all people; as :attr:`fitsense.Session.exercises`."""
        return self._sessions.exercises

    @exercises.setter
    def exercises(self, exercises: Iterable[str] | None) -> None:
        self._sessions.exercises = exercises

    @property
    def expected(self) -> str | None:
        """The exercise that a guided workout asks for, for all people; as :attr:`fitsense.Session.expected`."""
        return self._sessions.expected

    @expected.setter
    def expected(self, expected: str | None) -> None:
        self._sessions.expected = expected

    @exclusive
    def push(self, rgb: NDArray[Any] | Frame, time_s: float | None = None, *, order: Order = "rgb") -> list[Event]:
        """Analyse one frame and return the events that it causes; a person's name is the subject of its events.

        The parameters are those of :meth:`fitsense.Session.push`.
        """
        pending = self._prepare(as_frame(rgb, time_s, order))
        return self._sessions.complete(pending, self._sessions._model.predict(pending.windows))

    @exclusive
    def prepare(self, frame: Frame) -> PendingFrames:
        """Take a frame: the first half of :meth:`push`, as for :meth:`fitsense.Session.prepare`."""
        return self._prepare(frame)

    def _prepare(self, frame: Frame) -> PendingFrames:
        found = self._people.find(frame)
        if found is None:
            pending = self._sessions.prepare(frame)
        else:
            pending = self._sessions._prepare(frame, found.regions, found.poses)
        if any(isinstance(event.data, SessionWarning) and event.data.code == "camera_cut" for event in pending.emitted):
            self._people.mark_cut()
        return pending

    @exclusive
    def complete(self, pending: PendingFrames, predictions: Sequence[Prediction]) -> list[Event]:
        """Return the events that a frame causes: the second half of :meth:`push`."""
        return self._sessions.complete(pending, predictions)

    @exclusive
    def warn(self, code: str, message: str) -> list[Event]:
        """Emit a warning of the host as :meth:`fitsense.Session.warn` does; it has no subject."""
        return self._sessions.warn(code, message)

    @exclusive
    def finish(self, reason: Reason = "finished") -> list[Event]:
        """End every person's session. No frame can be pushed afterwards."""
        return self._sessions.finish(reason)

    @exclusive
    def snapshot(self) -> bytes:
        """Serialise the state for :meth:`resume`; the session itself continues."""
        return pack({**self._sessions._states(), "tracker_config": self._config, "people": self._people.state})

    @classmethod
    def resume(cls, model: Model, people: PeopleSource, snapshot: bytes, *, skip_events: int = 0) -> TrackedSession:
        """Restore a session from a snapshot; it emits the events that the original would have emitted.

        :param model: a model of the same bundle.
        :param people: the same pose estimator or detector.
        :param skip_events: as for :meth:`fitsense.Session.resume`.
        :raises InvalidInputError: not a snapshot of a :class:`TrackedSession`, or one of another bundle or version of
            fitsense.
        """
        unpacked = unpack(snapshot)
        session = cls(model, people, tracker=unpacked.states({"tracker_config": TrackerConfig})["tracker_config"])
        state = unpacked.states({"people": type(session._people.state)})["people"]
        if isinstance(state, SeenPeopleState):
            check_tracker(state.tracker, "people.tracker", MAX_SECONDS)
        session._people.state = state
        session._sessions = MultiSession.resume(model, snapshot, skip_events=skip_events)
        return session

    def _skip_events(self, count: int) -> None:
        """Leave out numbers of events, as for :class:`fitsense.Session`."""
        self._sessions._skip_events(count)
