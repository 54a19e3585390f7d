"""Multi-person session: detect, track, and run one session per track."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from numpy.typing import NDArray

from fitsense._internal.exclusive import exclusive, one_thread
from fitsense.events.model import Event
from fitsense.geometry import Region
from fitsense.inference.detector import Detector
from fitsense.inference.model import Model
from fitsense.pictures import Order
from fitsense.session.config import SessionConfig
from fitsense.session.multi import MultiSession, PendingFrames
from fitsense.session.pending import as_frame
from fitsense.session.snapshot import pack, unpack
from fitsense.session.summary import Reason
from fitsense.tracking import Tracker, TrackerConfig, TrackerState
from fitsense.types import Frame, Prediction


class TrackedSession:
    """Analyses one sequence of frames that shows people who come and go.

    :param model: the model that predicts, for all people together.
    :param detect: person detector, from :func:`fitsense.inference.detector.load_detector`.
    :param config: the configuration of each person's session; None for the defaults.
    :param tracker: the tracker's configuration; None for the defaults.
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
        self._tracker = Tracker(tracker)
        # A session ends with its track.
        self._sessions = MultiSession(model, config, absent_s=tracker.max_lost_s)

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
        frame = as_frame(rgb, time_s, order)
        return self._sessions.push(frame, regions=self._regions(frame))

    @exclusive
    def prepare(self, frame: Frame) -> PendingFrames:
        """Take a frame: the first half of :meth:`push`, as for :meth:`fitsense.Session.prepare`."""
        return self._sessions.prepare(frame, self._regions(frame))

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
        return pack({**self._sessions._states(), "tracker_config": self._config, "tracker": self._tracker.state})

    @classmethod
    def resume(cls, model: Model, detect: Detector, snapshot: bytes, *, skip_events: int = 0) -> TrackedSession:
        """Restore a session from a snapshot; it emits the events that the original would have emitted.

        :param model: a model of the same bundle.
        :param detect: the same detector.
        :param skip_events: as for :meth:`fitsense.Session.resume`.
        :raises InvalidInputError: not a snapshot of a :class:`TrackedSession`, or one of another bundle or version of
            fitsense.
        """
        types = {"tracker_config": TrackerConfig, "tracker": TrackerState}
        states = unpack(snapshot).states(types)
        session = cls(model, detect, tracker=states["tracker_config"])
        session._tracker.state = states["tracker"]
        session._sessions = MultiSession.resume(model, snapshot, skip_events=skip_events)
        return session

    def _regions(self, frame: Frame) -> dict[str, Region] | None:
        """Each person's region, by name; None if the detector is not due."""
        if not self._tracker.due(frame.time_s):
            return None
        return self._tracker.update(self._detect(frame.rgb), frame.time_s)
