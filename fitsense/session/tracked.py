"""Whoever is in the picture: found by a detector, followed, and each watched by a session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fitsense._internal.exclusive import exclusive, one_thread
from fitsense.events.model import Event
from fitsense.geometry import Region
from fitsense.inference.detector import Detector
from fitsense.inference.model import Model
from fitsense.session.config import SessionConfig
from fitsense.session.multi import MultiSession, PendingFrames
from fitsense.session.session import Reason
from fitsense.session.snapshot import pack, unpack
from fitsense.tracking import Tracker, TrackerConfig, TrackerState
from fitsense.types import Frame, Prediction


class TrackedSession:
    """One stream of frames that shows people who come and go.

    :param model: what predicts, once for all people.
    :param detect: what finds people in a picture; from :func:`fitsense.inference.detector.load_detector`.
    :param config: how to look and decide, for everybody.
    :param tracker: how people are followed.
    """

    def __init__(
        self,
        model: Model,
        detect: Detector,
        config: SessionConfig | None = None,
        tracker: TrackerConfig | None = None,
    ) -> None:
        self._use = one_thread()
        self._config = tracker = tracker or TrackerConfig()
        self._detect = detect
        self._following = Tracker(tracker)
        # Whoever is no longer followed is no longer watched.
        self._sessions = MultiSession(model, config, absent_s=tracker.max_lost_s)

    @property
    def exercises(self) -> tuple[str, ...] | None:
        """The only exercises that may be named, of everybody; as :attr:`fitsense.Session.exercises`."""
        return self._sessions.exercises

    @exercises.setter
    def exercises(self, exercises: Iterable[str] | None) -> None:
        self._sessions.exercises = exercises

    @property
    def expected(self) -> str | None:
        """The exercise that a guided workout asks for, of everybody; as :attr:`fitsense.Session.expected`."""
        return self._sessions.expected

    @expected.setter
    def expected(self, expected: str | None) -> None:
        self._sessions.expected = expected

    @exclusive
    def push(self, frame: Frame) -> list[Event]:
        """Take one frame; give the events that it brings about, each with its person's name as its subject."""
        return self._sessions.push(frame, regions=self._regions(frame))

    @exclusive
    def prepare(self, frame: Frame) -> PendingFrames:
        """The first half of :meth:`push`, as of :meth:`fitsense.Session.prepare`; people are looked for in it."""
        return self._sessions.prepare(frame, self._regions(frame))

    @exclusive
    def complete(self, seen: PendingFrames, predictions: Sequence[Prediction]) -> list[Event]:
        """The second half of :meth:`push`."""
        return self._sessions.complete(seen, predictions)

    @exclusive
    def warn(self, code: str, message: str) -> list[Event]:
        """Put a warning of the host's own, such as a source that broke, into everybody's events."""
        return self._sessions.warn(code, message)

    @exclusive
    def finish(self, reason: Reason = "finished") -> list[Event]:
        """End everybody's session. Nothing can be pushed afterwards."""
        return self._sessions.finish(reason)

    @exclusive
    def snapshot(self) -> bytes:
        """All that is known, for :meth:`resume`; it goes on as if nothing had been."""
        return pack({**self._sessions._states(), "config": self._config, "following": self._following.state})

    @classmethod
    def resume(cls, model: Model, detect: Detector, snapshot: bytes) -> TrackedSession:
        """The session whose snapshot this is, which goes on with the events that it would have given.

        :param model: of the same bundle as before.
        :param detect: the same detector as before.
        :raises InvalidInputError: it is no such snapshot, or one of another bundle or version of fitsense.
        """
        kinds = {"config": TrackerConfig, "following": TrackerState}
        states = unpack(snapshot).states(kinds)
        session = cls(model, detect, tracker=states["config"])
        session._following.state = states["following"]
        session._sessions = MultiSession.resume(model, snapshot)
        return session

    def _regions(self, frame: Frame) -> dict[str, Region] | None:
        """Where everybody is; None where it is too soon to look again."""
        if not self._following.due(frame.time_s):
            return None
        return self._following.update(self._detect(frame.rgb), frame.time_s)
