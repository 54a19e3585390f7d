"""The plan of a session: its checked request and the models that it needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs

from fitsense.errors import InvalidInputError, SourceError
from fitsense.expectation import Expectation
from fitsense.inference.model import Model
from fitsense.inference.people import PeopleSource
from fitsense.pipeline.analysis import zoom_for
from fitsense.server.api.problems import ProblemError, ProblemType
from fitsense.server.api.requests import SessionRequest
from fitsense.server.engine.session import Mode
from fitsense.server.engine.session_queue import AnySession
from fitsense.server.engine.source_reader import SourceReader
from fitsense.session.config import SessionConfig
from fitsense.session.session import Session
from fitsense.session.tracked import TrackedSession
from fitsense.types import Frame


@attrs.frozen
class SessionPlan:
    """The checked request of a session that is being opened.

    :param requested_at: wall-clock time of the request.
    :param requested_s: the same in seconds of the monotonic clock.
    :param people: for sessions that track several people.
    """

    mode: Mode
    request: SessionRequest
    model: Model
    people: PeopleSource | None
    requested_at: datetime
    requested_s: float

    @property
    def zoom(self) -> float:
        return zoom_for(self.request.region, people=self.request.people)

    def create_session(self, source: str, started_at: datetime | None, frame: Frame | None) -> AnySession:
        """Create the analysis session from its first frame.

        :param started_at: wall-clock time of media time 0; None if the first frame arrives as it is taken.
        """
        config = SessionConfig(
            hop_s=self.request.hop_s,
            source=source,
            started_at=start_of(frame) if started_at is None else started_at,
            region=self.request.region,
            exercises=self.request.exercises,
            expected=self.request.expected,
        )
        if self.people is None:
            return Session(self.model, config)
        return TrackedSession(self.model, self.people, config)

    def check(self) -> None:
        """Refuse exercises that the model does not know.

        :raises ProblemError: there are such.
        """
        try:
            Expectation.of(self.model.labels.exercise, self.request.exercises, self.request.expected)
        except InvalidInputError as error:
            raise ProblemError(ProblemType.INVALID, str(error)) from error

    def resume_session(self, snapshot: bytes) -> AnySession:
        """Restore the analysis session of a previous process.

        :raises InvalidInputError: the snapshot is of another bundle or version of fitsense.
        """
        if self.people is None:
            return Session.resume(self.model, snapshot)
        return TrackedSession.resume(self.model, self.people, snapshot)


async def open_source(reader: SourceReader, request: SessionRequest, timeout_s: float) -> datetime | None:
    name = request.source or "of the request"
    try:
        return await reader.open(timeout_s)
    except SourceError as error:
        # FFmpeg's reason without the path or the address, which may contain a password.
        reason = str(error).rsplit(": ", 1)[-1]
        raise ProblemError(ProblemType.SOURCE, f"source {name}: {reason}") from error
    except TimeoutError as error:
        raise ProblemError(
            ProblemType.SOURCE, f"source {name}: expected a first frame within {timeout_s:g} s, got none"
        ) from error


def start_of(frame: Frame | None) -> datetime:
    """Wall-clock time of media time 0, from a frame that has just arrived."""
    now = datetime.now(UTC)
    return now if frame is None else now - timedelta(seconds=frame.time_s)
