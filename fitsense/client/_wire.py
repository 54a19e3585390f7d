"""What goes to the server and what comes back, without any I/O; the blocking and the asynchronous client share it."""

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
"""An event as it comes from the server; ``match event.data`` tells the types apart."""

Format: TypeAlias = Literal["image", "h264", "vp8"]
"""How a picture is encoded: a JPEG or WebP file, an access unit as an Annex B byte stream, or a VP8 frame."""

Video: TypeAlias = str | os.PathLike[str] | bytes | IO[bytes] | Iterable[bytes]
"""A video file: its path, its bytes, an open binary file, or its chunks."""

AsyncVideo: TypeAlias = Video | AsyncIterable[bytes]
"""What :class:`AsyncClient` takes as a video: also chunks that come asynchronously."""

SUBPROTOCOL = "fitsense.v1"
EVENTS_GONE = "urn:fitsense:problem:events-gone"
CHUNK_BYTES = 1 << 16
# The summary of a long session is the largest message.
MAX_MESSAGE_BYTES = 1 << 26

_TRANSIENT = (429, 500, 502, 503, 504)
_NOT_FOUND = 404
_MAX_DOUBLINGS = 30


class AnalysisRequest(TypedDict, total=False):
    """What an analysis can be asked for beside its video; what is left out has the server's default."""

    bundle: str | None
    region: Region | Mapping[str, float] | None
    hop_s: float
    exercises: Sequence[str] | None
    expected: str | None
    people: bool
    started_at: datetime | str | None


class SessionRequest(AnalysisRequest, total=False):
    """What a session can be asked for; what is left out has the server's default."""

    source: str | None
    policy: Literal["latest", "all"]


@attrs.frozen
class Session:
    """A session of the server.

    :param id: its name in addresses.
    :param state: whether it goes on; one that ended can be read for some minutes.
    :param reason: why it ended; None before.
    :param mode: where its pictures come from: clients push them, the server reads a source, or an upload.
    :param bundle: the bundle that it runs.
    :param source: the source that it reads, by its name in the server's configuration.
    :param region: where in the picture it looks; None for everywhere.
    :param hop_s: media time between predictions, in seconds.
    :param exercises: the exercises that may be named; None for all of the bundle.
    :param expected: the exercise that is expected most; None for no preference.
    :param people: whether everybody in the picture is followed.
    :param policy: what happens when analysis is slower than what comes.
    :param created_at: when it was opened.
    :param event_source: ``source`` of its events.
    :param events: number of events so far.
    :param frames: number of pictures that were analysed.
    :param dropped_frames: number of pictures that were dropped because analysis is slower.
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


@attrs.frozen
class Retries:
    """When :meth:`Client.events` opens a lost connection again.

    :param first_s: longest pause before the first attempt, in seconds, unless the server asks for another; it doubles
        with each failure.
    :param max_s: longest pause, unless the server asks for a longer one.
    :param attempts: number of failures in a row after which the error is raised.
    :param silence_s: a connection on which nothing comes for this long is lost; servers send comments meanwhile.
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
    """A session from the server's answer.

    :raises SchemaError: it is none.
    """
    return _structured(json.loads(content))


def sessions_of(content: bytes) -> list[Session]:
    """The sessions of the server's list."""
    return [_structured(one) for one in json.loads(content)["sessions"]]


def _structured(document: Any) -> Session:
    try:
        return _CONVERTER.structure(document, Session)
    except (cattrs.BaseValidationError, ValueError) as error:
        raise SchemaError(f"expected a session, got {json.dumps(document)[:200]}") from error


def base_url(url: str) -> str:
    """The server's address with a slash at its end, also with a path that a proxy put before the server's own.

    :raises InvalidInputError: it is no http or https address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidInputError(f"url: expected an address such as http://127.0.0.1:8765, got {url!r}")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + "/", "", ""))


def session_path(id: str) -> str:
    """The path of a session, below the server's address."""
    return f"v1/sessions/{quote(id, safe='')}"


def open_call(request: SessionRequest) -> Call:
    """The request that opens a session."""
    document = {name: _json_value(value) for name, value in request.items()}
    headers = {"content-type": "application/json"}
    return Call("POST", "v1/sessions", headers=headers, content=json.dumps(document).encode())


def analysis_call(request: AnalysisRequest) -> Call:
    """The request that uploads a video, without it."""
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
    """A picture as the server's WebSocket expects it: a header of ten bytes, and the picture.

    :param picture: the encoded picture.
    :param time_s: its time in seconds of media time.
    :param format: how it is encoded.
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
    """A message of the server's WebSocket: an event or a problem."""
    document = json.loads(text)
    if isinstance(document, dict) and "specversion" not in document and "status" in document:
        return cattrs.structure(document, Problem)
    return parse_event(document)


class Resumption:
    """Where to resume an event stream and when: decisions without I/O.

    :param after: id of the last event that is known.
    :param jitter: gives numbers in 0..1; clients that lost the same server should not come back at the same moment.
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
        """The server answered."""
        self._failures = 0

    def event_of(self, name: str, data: str, id: str, retry_ms: int | None) -> FitsenseEvent | None:
        """The event of a message; None for one without.

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
        """True if the server has forgotten a session all of whose events were received.

        :raises ProblemError: the error, if it will not pass.
        :raises ConnectionError: the error, if there were too many in a row.
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
        """Seconds to wait before the next request; `error` is what ended the last one."""
        if self._received:
            # A stream that ended may be over, or was cut on the way: the server knows.
            return 0.0
        pause_s = min(self._retries.max_s, self._first_s * 2.0 ** min(self._failures, _MAX_DOUBLINGS))
        self._failures += 1
        asked_s = error.retry_after_s if isinstance(error, ProblemError) else 0.0
        return max(asked_s, pause_s * (1 + self._jitter()) / 2)
