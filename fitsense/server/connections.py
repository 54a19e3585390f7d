"""Uvicorn's protocols with limits: clients cannot hold connections idle, flood them, or leave them stalled.

Received data is handled in slices, and other connections have a turn between two slices. So no client delays the others
by more than the work of one slice, however small its frames or chunks are.
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

# Bytes handled in one turn: at most about 3,000 WebSocket frames or 6,000 chunks of a body.
_SLICE_BYTES = 16 << 10
# Connections in addition to `limits.connections`: for health checks, and for clients that the guard will refuse.
_SPARE_CONNECTIONS = 64
# Rate and burst of control frames and of continuation frames below this size.
_SMALL_FRAME_BYTES = 1024
_SMALL_FRAMES_PER_S, _SMALL_FRAMES_BURST = 100.0, 1000.0
# Number of fragments of a message at which they are joined: each costs more memory than its bytes.
_MAX_FRAGMENTS = 1024
INVALID_TEXT, TOO_MANY_FRAMES = 1007, 1008
"""Close codes for text that is not UTF-8, and for too many (nearly) empty frames."""
_SWITCHING_PROTOCOLS = 101


class _Slices:
    """The received data of a connection that waits to be handled, in the event loop's thread.

    :param protocol: the connection.
    """

    def __init__(self, protocol: HttpConnection | WebSocketConnection) -> None:
        self._protocol = protocol
        self._pending = bytearray()
        self._turn: asyncio.Handle | None = None

    def __bool__(self) -> bool:
        return bool(self._pending)

    def add(self, data: bytes) -> None:
        """Append bytes; handle a slice unless a turn is scheduled."""
        self._pending += data
        if self._turn is None:
            self.advance()

    def take_all(self) -> bytes:
        """Remove and return all waiting bytes."""
        rest = bytes(self._pending)
        self._pending.clear()
        return rest

    def advance(self) -> None:
        """Handle a slice if the protocol allows it, and resume reading once nothing waits."""
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
        """Schedule the next slice for the next turn of the event loop."""
        if self._turn is None:
            self._turn = self._protocol.loop.call_soon(self.advance)

    def _cancel(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None


class _Deadline:
    """A timer that drops a connection.

    :param protocol: the connection.
    :param seconds: time from the start to the drop.
    """

    def __init__(self, protocol: HttpConnection | WebSocketConnection, seconds: float) -> None:
        self._protocol = protocol
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start the timer unless it runs."""
        if self._timer is None:
            self._timer = self._protocol.loop.call_later(self._seconds, self._protocol.transport.abort)

    def cancel(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Flow(FlowControl):
    """Uvicorn's flow control that handles waiting data before it resumes reading."""

    def __init__(self, transport: asyncio.Transport, slices: _Slices) -> None:
        super().__init__(transport)
        self._slices = slices

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self._slices.resume()


class HttpConnection(H11Protocol):
    """An HTTP connection.

    Closes a connection that sends no whole request head within ``limits.request_s`` or receives nothing for
    ``limits.send_s``. If there are too many connections, the longest idle one makes room for a new one.
    """

    def __init__(self, limits: Limits, **options: Any) -> None:
        super().__init__(**options)
        self._limits = limits
        self._slices = _Slices(self)
        self._request = _Deadline(self, limits.request_s)
        self._sending = _Deadline(self, limits.send_s)
        self._upgraded: WebSocketConnection | None = None
        self.idle_since_s: float | None = None

    @property
    def is_held(self) -> bool:
        """True if handling is paused."""
        return self.flow.read_paused

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport, self._slices)
        self._start_idle()
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._request.cancel()
        self._sending.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._slices.add(data)

    def handle_slice(self, data: bytes) -> None:
        """Handle a slice of the received data."""
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
        self._start_idle()
        super().on_response_complete()
        if self._is_busy:
            # The next request had been received already.
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

    def _start_idle(self) -> None:
        self.idle_since_s = self.loop.time()
        self._request.cancel()
        self._request.start()

    def _should_upgrade(self) -> bool:
        # The handshake of a WebSocket is a GET; other methods ignore the header.
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
        # The connection counts until the event loop has closed it, and must not be chosen twice.
        dropped.idle_since_s = None
        dropped.transport.abort()


class WebSocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket connection.

    Drops a client that receives nothing for ``limits.send_s``, and refuses one that floods it with (nearly) empty
    frames (1008). While the server does not read because a session has no room, the keep-alive timeout is suspended.
    """

    def __init__(self, limits: Limits, **options: Any) -> None:
        super().__init__(**options)
        self._slices = _Slices(self)
        self._sending = _Deadline(self, limits.send_s)
        self._small_frames = Bucket(_SMALL_FRAMES_PER_S, _SMALL_FRAMES_BURST)
        self._last_received_s = 0.0

    @property
    def is_held(self) -> bool:
        """True if handling is paused: the session has no room, or the client does not read."""
        return self.read_paused or not self.writable.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._last_received_s = self.loop.time()

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
        self._last_received_s = self.loop.time()
        self._slices.add(data)

    def handle_slice(self, data: bytes) -> None:
        """Handle a slice of the received data."""
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            self._deny(str(self.conn.handshake_exc))

    async def receive(self) -> ASGIReceiveEvent:
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            # Data that the client sent meanwhile is still unread.
            self._last_received_s = self.loop.time()
            self._slices.resume()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            # A refusal ends the handshake; uvicorn would log an error.
            self.handshake_complete = True
        if self._slices:
            # Closing ends a pause.
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
        unread = self.read_paused or bool(self._slices)
        remaining_s = (
            self.ping_timeout if unread else self._last_received_s + (self.ping_timeout or 0.0) - self.loop.time()
        )
        if remaining_s is not None and remaining_s > 0:
            # The pong may be in unread data, and any received data proves that the client is alive.
            self.pong_timer = self.loop.call_later(remaining_s, self.keepalive_timeout)
            return
        super().keepalive_timeout()

    def _takes_small_frame(self) -> bool:
        """True if the client may send one more (nearly) empty frame; refuses the client if not."""
        if self.close_sent:
            return False
        if self._small_frames.take(self.loop.time()):
            self._fail(TOO_MANY_FRAMES, "too many small frames")
            return False
        return True

    def _fail(self, code: int, reason: str) -> None:
        """Close the connection because the client violated the protocol or a limit."""
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.fail(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()

    def _deny(self, detail: str) -> None:
        """Refuse an invalid handshake."""
        problem = ProblemError(ProblemType.MALFORMED, f"expected a WebSocket's handshake: {detail}").response()
        headers = Headers(SECURITY_HEADERS | dict(problem.headers) | {"connection": "close"})
        response = Response(problem.status_code, "Bad Request", headers, bytes(problem.body))
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        self.transport.write(response.serialize())
        self.transport.close()


def _encoded(headers: dict[str, str]) -> Iterable[tuple[bytes, bytes]]:
    return ((name.encode(), value.encode()) for name, value in headers.items())
