"""Connections that a client can neither hold idle, nor flood, nor leave stalled: uvicorn's protocols, with bounds.

What a client sends is handled in slices, with a turn for other connections between two of them, so that no client
delays the others by more than a slice's work, however small the pieces are of which its data consist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

import h11
from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.frames import Frame
from websockets.http11 import Request, Response

from fitsense.server.api.problems import ProblemError, ProblemType
from fitsense.server.config import Limits
from fitsense.server.headers import SECURITY_HEADERS
from fitsense.server.rate_limit import Bucket

# Bytes that are handled in one turn: at most some 3,000 WebSocket frames or 6,000 chunks of a body.
_SLICE_BYTES = 16 << 10
# Connections beside those of `limits.connections`: for health checks, and for clients that are about to be refused.
_SPARE_CONNECTIONS = 64
# Control frames, and continuation frames of less than so many bytes, that a client may send a second, and at once.
_SMALL_FRAME_BYTES = 1024
_SMALL_FRAMES_PER_S, _SMALL_FRAMES_AT_ONCE = 100.0, 1000.0
# Fragments of a message are joined when there are so many: each costs more memory than its bytes.
_MAX_FRAGMENTS = 1024
INVALID_TEXT, TOO_MANY_FRAMES = 1007, 1008
"""What a client is closed with that sends text which is none, or too many frames that carry nothing."""
_SWITCHING_PROTOCOLS = 101


class _Slices:
    """What has come through a connection and waits to be handled, in the event loop's thread.

    :param protocol: whose connection it is.
    """

    def __init__(self, protocol: HttpConnection | WebSocketConnection) -> None:
        self._protocol = protocol
        self._pending = bytearray()
        self._turn: asyncio.Handle | None = None

    def __bool__(self) -> bool:
        return bool(self._pending)

    def add(self, data: bytes) -> None:
        """Put bytes behind those that wait; handle a slice unless its turn is still to come."""
        self._pending += data
        if self._turn is None:
            self.advance()

    def take_all(self) -> bytes:
        """Everything that waits, which is the caller's from now on."""
        rest = bytes(self._pending)
        self._pending.clear()
        return rest

    def advance(self) -> None:
        """Handle a slice if the protocol allows, and read on as soon as nothing waits."""
        self._cancel()
        protocol = self._protocol
        if self._pending and not protocol.is_held:
            piece = bytes(self._pending[:_SLICE_BYTES])
            del self._pending[:_SLICE_BYTES]
            protocol.handle_slice(piece)
        if protocol.transport.is_closing():
            self._pending.clear()
        elif self._pending or protocol.is_held:
            protocol.transport.pause_reading()
            if not protocol.is_held:
                self.resume()
        else:
            protocol.transport.resume_reading()

    def resume(self) -> None:
        """Go on in a turn of the event loop that is to come, after a hold."""
        if self._turn is None:
            self._turn = self._protocol.loop.call_soon(self.advance)

    def _cancel(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None


class _Deadline:
    """A timer of a connection, which drops it.

    :param protocol: whose connection it is.
    :param seconds: from the start to the end.
    """

    def __init__(self, protocol: HttpConnection | WebSocketConnection, seconds: float) -> None:
        self._protocol = protocol
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._timer is None:
            self._timer = self._protocol.loop.call_later(self._seconds, self._protocol.transport.abort)

    def cancel(self) -> None:
        """End without dropping anything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Flow(FlowControl):
    """Uvicorn's flow control, which handles what waits before it reads on."""

    def __init__(self, transport: asyncio.Transport, slices: _Slices) -> None:
        super().__init__(transport)
        self._slices = slices

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self._slices.resume()


class HttpConnection(H11Protocol):
    """An HTTP connection.

    A connection that sends no whole request head within ``limits.request_s``, or takes nothing for ``limits.send_s``,
    is closed. Where there are too many, the one that has been idle for longest makes room for a new one.
    """

    def __init__(self, limits: Limits, **more: Any) -> None:
        super().__init__(**more)
        self._limits = limits
        self._slices = _Slices(self)
        self._request = _Deadline(self, limits.request_s)
        self._sending = _Deadline(self, limits.send_s)
        self._upgraded: WebSocketConnection | None = None
        self.idle_since_s: float | None = None

    @property
    def is_held(self) -> bool:
        """Whether nothing more may be handled for now."""
        return self.flow.read_paused

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport, self._slices)
        self._note_idle()
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._request.cancel()
        self._sending.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._slices.add(data)

    def handle_slice(self, data: bytes) -> None:
        """Handle some of what has come."""
        super().data_received(data)
        if self._upgraded is not None:
            self._request.cancel()
            self._sending.cancel()
            if rest := self._slices.take_all():
                self._upgraded.data_received(rest)
        elif self._is_busy:
            self.idle_since_s = None
            self._request.cancel()

    def on_response_complete(self) -> None:
        self._note_idle()
        super().on_response_complete()
        if self._is_busy:
            # The next request was there already.
            self.idle_since_s = None
            self._request.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._sending.start()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._sending.cancel()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        super().handle_websocket_upgrade(event)
        self._upgraded = cast("WebSocketConnection", self.transport.get_protocol())

    def send_400_response(self, msg: str) -> None:
        response = ProblemError(ProblemType.MALFORMED, f"expected a valid HTTP request: {msg}").response()
        headers = [*response.raw_headers, *_encoded(SECURITY_HEADERS), (b"connection", b"close")]
        for event in (
            h11.Response(status_code=response.status_code, headers=headers),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    @property
    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _note_idle(self) -> None:
        self.idle_since_s = self.loop.time()
        self._request.cancel()
        self._request.start()

    def _should_upgrade(self) -> bool:
        # A WebSocket's handshake is a GET; in another request, the header means nothing.
        return self.scope["method"] == "GET" and super()._should_upgrade()

    def _make_room(self) -> None:
        if len(self.connections) <= self._limits.connections + _SPARE_CONNECTIONS:
            return
        idle = [
            (one.idle_since_s, number, one)
            for number, one in enumerate(self.connections)
            if isinstance(one, HttpConnection) and one.idle_since_s is not None and one is not self
        ]
        dropped = min(idle)[-1] if idle else self
        # It is still counted until the event loop has closed it, and must not be chosen twice.
        dropped.idle_since_s = None
        dropped.transport.abort()


class WebSocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket connection.

    A client that takes nothing for ``limits.send_s`` is dropped, and one that floods it with frames that carry nothing
    is refused (1008). While the server does not read, since a session has no room, a client's silence is not held
    against it.
    """

    def __init__(self, limits: Limits, **more: Any) -> None:
        super().__init__(**more)
        self._slices = _Slices(self)
        self._sending = _Deadline(self, limits.send_s)
        self._small_frames = Bucket(_SMALL_FRAMES_PER_S, _SMALL_FRAMES_AT_ONCE)
        self._heard_s = 0.0

    @property
    def is_held(self) -> bool:
        """Whether nothing more may be handled for now: the session has no room, or the client does not read."""
        return self.read_paused or not self.writable.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._heard_s = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._sending.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._sending.start()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._sending.cancel()
        self._slices.resume()

    def data_received(self, data: bytes) -> None:
        self._heard_s = self.loop.time()
        self._slices.add(data)

    def handle_slice(self, data: bytes) -> None:
        """Handle some of what has come."""
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            self._deny(str(self.conn.handshake_exc))

    async def receive(self) -> ASGIReceiveEvent:
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            # What the client sent meanwhile is still to be read.
            self._heard_s = self.loop.time()
            self._slices.resume()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            # The answer that refuses the handshake ends it; uvicorn would log an error.
            self.handshake_complete = True
        if self._slices:
            # Closing lets go of a hold.
            self._slices.resume()

    def handle_connect(self, event: Request) -> None:
        response = self.conn.accept(event)
        if response.status_code != _SWITCHING_PROTOCOLS:
            self._deny((response.body or b"").decode("utf-8", "replace").strip())
            return
        super().handle_connect(event)

    def handle_cont(self, event: Frame) -> None:
        if len(event.data) < _SMALL_FRAME_BYTES and not self._takes_small_frame():
            return
        if len(self.frames) >= _MAX_FRAGMENTS:
            self.frames = [b"".join(self.frames)]
        super().handle_cont(event)

    def handle_ping(self) -> None:
        if self._takes_small_frame():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if self._takes_small_frame():
            super().handle_pong(event)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self._fail(INVALID_TEXT, "text is not UTF-8")
                return
        super().send_receive_event_to_app()

    def keepalive_timeout(self) -> None:
        waits = self.read_paused or bool(self._slices)
        left_s = self.ping_timeout if waits else self._heard_s + (self.ping_timeout or 0.0) - self.loop.time()
        if left_s is not None and left_s > 0:
            # The answer may be among what the server has not read; and a client that sends anything is there.
            self.pong_timer = self.loop.call_later(left_s, self.keepalive_timeout)
            return
        super().keepalive_timeout()

    def _takes_small_frame(self) -> bool:
        """Whether the client may send one more frame that carries (next to) nothing; refuses the client if not."""
        if self.close_sent:
            return False
        if self._small_frames.take(self.loop.time()):
            self._fail(TOO_MANY_FRAMES, "too many small frames")
            return False
        return True

    def _fail(self, code: int, reason: str) -> None:
        """Close since the client broke a rule."""
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.fail(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()

    def _deny(self, detail: str) -> None:
        """Answer a handshake that is not one."""
        problem = ProblemError(ProblemType.MALFORMED, f"expected a WebSocket's handshake: {detail}").response()
        headers = Headers(SECURITY_HEADERS | dict(problem.headers) | {"connection": "close"})
        response = Response(problem.status_code, "Bad Request", headers, bytes(problem.body))
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        self.transport.write(response.serialize())
        self.transport.close()


def _encoded(headers: dict[str, str]) -> Iterable[tuple[bytes, bytes]]:
    return ((name.encode(), value.encode()) for name, value in headers.items())
