"""Requests and responses without I/O, shared by the blocking and the asynchronous client."""

from __future__ import annotations

import json
import os
import random
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import IO, Any, Literal, TypeAlias, TypedDict
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import attrs
import cattrs

from fitsense.client._errors import ConnectionError, Problem, ProblemError
from fitsense.errors import InvalidInputError, SchemaError
from fitsense.events.model import Event
from fitsense.events.parsing import OtherEvent, parse_event
from fitsense.geometry import Region
from fitsense.server.api import wire

FitsenseEvent: TypeAlias = Event | OtherEvent
"""An event from the server; ``match event.data`` distinguishes the types."""

Format: TypeAlias = Literal["image", "h264", "vp8"]
"""Encoding of a picture: a JPEG or WebP file, an access unit as an Annex B byte stream, or a VP8 frame."""

Video: TypeAlias = str | os.PathLike[str] | bytes | IO[bytes] | Iterable[bytes]
"""A video file: its path, its bytes, an open binary file, or its chunks."""

AsyncVideo: TypeAlias = Video | AsyncIterable[bytes]
"""A video for :class:`AsyncClient`: also an asynchronous iterable of chunks."""

SUBPROTOCOL = "fitsense.v1"
EVENTS_GONE = "urn:fitsense:problem:events-gone"
CHUNK_BYTES = 1 << 16
# The summary of a long session is the largest message.
MAX_MESSAGE_BYTES = 1 << 26

_TRANSIENT = (429, 500, 502, 503, 504)
_NOT_FOUND = 404
_MAX_DOUBLINGS = 30


class AnalysisRequest(TypedDict, total=False):
    """Options of an analysis; the server has defaults for missing ones."""

    bundle: str | None
    region: Region | Mapping[str, float] | None
    hop_s: float
    exercises: Sequence[str] | None
    expected: str | None
    people: bool
    started_at: datetime | str | None


class SessionRequest(AnalysisRequest, total=False):
    """Options of a session; the server has defaults for missing ones."""

    source: str | None
    policy: Literal["latest", "all"]


@attrs.frozen
class Session:
    """A session of the server.

    :param id: id in addresses.
    :param state: state; the events of an ended session are available for some minutes.
    :param reason: reason of the end; None before.
    :param mode: origin of its pictures: pushed by clients, read from a source by the server, or from an upload.
    :param bundle: name of the bundle.
    :param source: name of the source in the server's configuration.
    :param region: analysed part of the picture; None for the whole picture.
    :param hop_s: media time between predictions, in seconds.
    :param exercises: the exercises that may be named; None for all of the bundle.
    :param expected: the expected exercise; None for no expectation.
    :param people: whether it tracks several people.
    :param policy: backpressure policy when analysis is slower than the source.
    :param created_at: time of creation.
    :param event_source: ``source`` of its events.
    :param events: number of events so far.
    :param frames: number of analysed pictures.
    :param dropped_frames: number of pictures dropped because of slow analysis.
    :param restarts: how often the server continued the session after a crash.
    :param resumed_s: media time in seconds of the newest picture that the server had kept when it last did; later ones
        are lost unless they are pushed again. None if it kept none, or never continued the session.
    """

    id: str
    state: Literal["open", "ending", "ended"]
    reason: Literal["finished", "interrupted", "failed"] | None
    mode: Literal["push", "source", "upload"]
    bundle: str
    source: str | None
    region: Region | None
    hop_s: float
    exercises: tuple[str, ...] | None
    expected: str | None
    people: bool
    policy: Literal["latest", "all"]
    created_at: datetime
    event_source: str
    events: int
    frames: int
    dropped_frames: int
    restarts: int = 0
    resumed_s: float | None = None


@attrs.frozen
class Retries:
    """Retries of :meth:`Client.events` after a lost connection.

    :param first_s: longest delay before the first attempt, in seconds, unless the server requests another; it doubles
        with each failure.
    :param max_s: longest delay in seconds, unless the server requests a longer one.
    :param attempts: number of consecutive failures that raise the error.
    :param silence_s: time in seconds without data after which a connection is lost; servers send comments regularly.
    """

    first_s: float = 1.0
    max_s: float = 30.0
    attempts: int = 10
    silence_s: float = 60.0


@attrs.frozen
class Call:
    """An HTTP request."""

    method: str
    path: str
    params: Mapping[str, str] = attrs.field(factory=dict)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    content: bytes | None = None


_CONVERTER = cattrs.Converter()
_CONVERTER.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value))


def session_of(content: bytes) -> Session:
    """Parse a session from a response.

    :raises SchemaError: it is no session.
    """
    return _structured(json.loads(content))


def sessions_of(content: bytes) -> list[Session]:
    """Parse the list of sessions."""
    return [_structured(one) for one in json.loads(content)["sessions"]]


def _structured(document: Any) -> Session:
    try:
        return _CONVERTER.structure(document, Session)
    except (cattrs.BaseValidationError, ValueError) as error:
        raise SchemaError(f"expected a session, got {json.dumps(document)[:200]}") from error


def base_url(url: str) -> str:
    """The address of the server with a slash at its end; the path of a proxy stays.

    :raises InvalidInputError: `url` is no http or https address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidInputError(f"url: expected an address such as http://127.0.0.1:8765, got {url!r}")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + "/", "", ""))


def session_path(id: str) -> str:
    """The path of a session, relative to the server's address."""
    return f"v1/sessions/{quote(id, safe='')}"


def open_call(request: SessionRequest) -> Call:
    """The request that opens a session."""
    document = {name: _json_value(value) for name, value in request.items()}
    headers = {"content-type": "application/json"}
    return Call("POST", "v1/sessions", headers=headers, content=json.dumps(document).encode())


def analysis_call(request: AnalysisRequest) -> Call:
    """The request that uploads a video, without the video."""
    params = {}
    for name, value in request.items():
        plain = _json_value(value)
        if isinstance(plain, dict):
            plain = ",".join(str(plain[side]) for side in ("left", "top", "right", "bottom"))
        elif isinstance(plain, (list, tuple)):
            plain = ",".join(plain)
        if plain is not None:
            params[name] = json.dumps(plain) if isinstance(plain, bool) else str(plain)
    return Call("POST", "v1/analyses", params=params)


def _json_value(value: Any) -> Any:
    if isinstance(value, Region):
        return attrs.asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return dict(value) if isinstance(value, Mapping) else value


def frames_url(base: str, id: str, after: str | None, events: bool) -> str:
    """The address of a session's WebSocket."""
    query = {} if after is None else {"after": after}
    if not events:
        query["events"] = "false"
    return "ws" + base.removeprefix("http") + f"{session_path(id)}/frames" + ("?" + urlencode(query) if query else "")


def pack(picture: bytes | bytearray | memoryview, time_s: float, format: Format = "image") -> bytes:
    """Pack a picture for the server's WebSocket: a header of ten bytes, then the picture.

    :param picture: the encoded picture.
    :param time_s: its time in seconds of media time.
    :param format: its encoding.
    :raises InvalidInputError: the format is unknown.
    """
    try:
        number = wire.Format[format.upper()]
    except KeyError:
        known = ", ".join(one.name.lower() for one in wire.Format)
        raise InvalidInputError(f"format: expected one of {known}, got {format!r}") from None
    return wire.pack(number, time_s, bytes(picture))


FINISH = json.dumps({"op": "finish"})


def message_of(text: str | bytes) -> FitsenseEvent | Problem:
    """Parse a message of the server's WebSocket: an event or a problem."""
    document = json.loads(text)
    if isinstance(document, dict) and "specversion" not in document and "status" in document:
        return cattrs.structure(document, Problem)
    return parse_event(document)


class Resumption:
    """Place and time of the next attempt to resume an event stream; no I/O.

    :param after: id of the last known event.
    :param jitter: random numbers in 0..1, so that clients do not reconnect at the same moment.
    """

    def __init__(self, retries: Retries, after: str | None, jitter: Callable[[], float] = random.random) -> None:
        self._retries = retries
        self._after = after
        self._jitter = jitter
        self._first_s = retries.first_s
        self._failures = 0
        self._received = False
        self._ended = False

    def call(self, id: str) -> Call:
        """The next request for a session's events."""
        self._received = False
        headers = {"accept": "text/event-stream", "cache-control": "no-store"}
        if self._after is not None:
            headers["last-event-id"] = self._after
        return Call("GET", f"{session_path(id)}/events", headers=headers)

    def connected(self) -> None:
        """Record a response of the server."""
        self._failures = 0

    def event_of(self, name: str, data: str, id: str, retry_ms: int | None) -> FitsenseEvent | None:
        """Parse the event of a message; None for a message without one.

        :raises ProblemError: the message is a problem.
        :raises SchemaError: it is neither.
        """
        if retry_ms is not None:
            self._first_s = retry_ms / 1000
        if not data:
            return None
        if name == "problem":
            raise ProblemError(cattrs.structure(json.loads(data), Problem))
        event = parse_event(data)
        self._after = id or event.id
        self._ended = event.type == "fitsense.session.ended"
        self._received = True
        return event

    def is_over(self, error: ProblemError | ConnectionError) -> bool:
        """True if all events of the session were received and the server no longer has it.

        :raises ProblemError: `error`, if it is permanent.
        :raises ConnectionError: `error`, if there were too many consecutive ones.
        """
        if not isinstance(error, ProblemError):
            transient = True
        elif self._ended and error.problem.status == _NOT_FOUND:
            return True
        else:
            transient = error.problem.status in _TRANSIENT
        if not transient or self._failures >= self._retries.attempts:
            raise error
        return False

    def pause_s(self, error: ProblemError | ConnectionError | None) -> float:
        """Seconds to wait before the next request; `error` ended the last one."""
        if self._received:
            # The stream is complete, or a connection was lost; the next response shows which.
            return 0.0
        pause_s = min(self._retries.max_s, self._first_s * 2.0 ** min(self._failures, _MAX_DOUBLINGS))
        self._failures += 1
        asked_s = error.retry_after_s if isinstance(error, ProblemError) else 0.0
        return max(asked_s, pause_s * (1 + self._jitter()) / 2)
