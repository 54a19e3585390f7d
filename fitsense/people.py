"""Whoever is in the picture: found by a detector, followed, and each watched by a session."""

from __future__ import annotations

from fitsense.events import Event
from fitsense.following import Following, FollowingConfig, FollowingState
from fitsense.model import Model
from fitsense.multisession import MultiSession
from fitsense.runtime.detection import Detector
from fitsense.session import Reason, SessionConfig
from fitsense.snapshots import pack, unpack
from fitsense.types import Frame


class PeopleSession:
    """One stream of frames that shows people who come and go.

    :param model: what predicts, once for all people.
    :param detect: what finds people in a picture; from :func:`fitsense.runtime.detection.load_detector`.
    :param config: how to look and decide, for everybody.
    :param following: how people are followed.
    """

    def __init__(
        self,
        model: Model,
        detect: Detector,
        config: SessionConfig | None = None,
        following: FollowingConfig | None = None,
    ) -> None:
        self._config = following = following or FollowingConfig()
        self._detect = detect
        self._following = Following(following)
        # Whoever is no longer followed is no longer watched.
        self._sessions = MultiSession(model, config, absent_s=following.lost_s)

    def push(self, frame: Frame) -> list[Event]:
        """Take one frame; give the events that it brings about, each with its person's name as its subject."""
        regions = None
        if self._following.due(frame.time_s):
            regions = self._following.update(self._detect(frame.rgb), frame.time_s)
        return self._sessions.push(frame, regions=regions)

    def warn(self, code: str, message: str) -> list[Event]:
        """Put a warning of the host's own, such as a source that broke, into everybody's events."""
        return self._sessions.warn(code, message)

    def finish(self, reason: Reason = "finished") -> list[Event]:
        """End everybody's session. Nothing can be pushed afterwards."""
        return self._sessions.finish(reason)

    def snapshot(self) -> bytes:
        """All that is known, for :meth:`resume`; it goes on as if nothing had been."""
        return pack({**self._sessions.states(), "config": self._config, "following": self._following.state})

    @classmethod
    def resume(cls, model: Model, detect: Detector, snapshot: bytes) -> PeopleSession:
        """The session whose snapshot this is, which goes on with the events that it would have given.

        :param model: of the same bundle as before.
        :param detect: the same detector as before.
        :raises InvalidInputError: it is no such snapshot, or one of another bundle or version of fitsense.
        """
        kinds = {"config": FollowingConfig, "following": FollowingState}
        states = unpack(snapshot).states(kinds)
        session = cls(model, detect, following=states["config"])
        session._following.state = states["following"]
        session._sessions = MultiSession.resume(model, snapshot)
        return session
