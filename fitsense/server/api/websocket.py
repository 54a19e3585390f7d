"""The WebSocket of a session: it receives frames and sends events."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from fitsense.errors import InvalidInputError
from fitsense.server.api.event_stream import events_gone
from fitsense.server.api.problems import ProblemError, ProblemType
from fitsense.server.api.requests import parse_body
from fitsense.server.api.responses import compact
from fitsense.server.api.wire import parse
from fitsense.server.config import Limits
from fitsense.server.engine.event_buffer import EventsExpiredError
from fitsense.server.engine.frame_decoder import Decoder
from fitsense.server.engine.session import ServerSession
from fitsense.server.engine.session_manager import SessionManager
from fitsense.server.metrics import Metrics
from fitsense.server.rate_limit import Bucket
from fitsense.server.security import SUBPROTOCOL
from fitsense.types import Frame

ENDED, TAKEN_OVER, EVENTS_GONE, TOO_SLOW = 1000, 4409, 4410, 4408
"""Close codes of the server: the session has ended; another connection pushes into it; the client was too slow for the
event buffer; the client receives nothing."""

_CLOSE_TIMEOUT_S = 1.0


class FrameSocket:
    """One connection of a client.

    :param decoding: executor that decodes frames.
    :param number: number of the first event to send; None for the oldest event that is kept.
    :param events: whether to send events.
    """

    def __init__(
        self,
        websocket: WebSocket,
        session: ServerSession,
        sessions: SessionManager,
        limits: Limits,
        metrics: Metrics,
        decoding: Executor,
        *,
        number: int | None,
        events: bool,
    ) -> None:
        self._websocket = websocket
        self._session = session
        self._sessions = sessions
        self._limits = limits
        self._metrics = metrics
        self._decoding = decoding
        self._number = number
        self._events = events
        self._decoder: Decoder | None = None
        self._bucket = Bucket(limits.rate_hz, limits.rate_hz)
        self._push = session.push_role.register()

    async def run(self) -> None:
        """Serve the connection until the session ends or the client disconnects."""
        offered = self._websocket.scope.get("subprotocols") or ()
        try:
            await self._websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        except WebSocketDisconnect:
            return
        parts = (self._send_events(), self._receive(), self._wait_for_takeover())
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            code = next(task for task in tasks if task in done).result()
        except (WebSocketDisconnect, OSError):
            # The client has disconnected.
            return
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # Release the codec and the frames that it holds.
            self._decoder = None
        await self._close(code)

    async def _send_events(self) -> int:
        """Send events as they come; return the close code."""
        if not self._events:
            await self._session.done.wait()
            return ENDED
        try:
            async with contextlib.aclosing(self._session.events.follow(self._number)) as events:
                async for event in events:
                    await self._send(event.json)
        except EventsExpiredError as expired:
            await self._send(compact(events_gone(expired).to_dict()))
            return EVENTS_GONE
        except TimeoutError:
            return TOO_SLOW
        return ENDED

    async def _receive(self) -> int:
        """Receive messages; return the close code."""
        try:
            async for message in self._messages():
                while wait_s := self._bucket.take(time.monotonic()):
                    await asyncio.sleep(wait_s)
                try:
                    await self._handle(message)
                except ProblemError as problem:
                    self._metrics.refused.inc()
                    await self._send(compact(problem.to_dict()))
        except TimeoutError:
            return TOO_SLOW
        return ENDED

    async def _wait_for_takeover(self) -> int:
        await self._push.taken_over.wait()
        return TAKEN_OVER

    async def _messages(self) -> AsyncIterator[bytes | str]:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            content = message.get("bytes")
            yield message["text"] if content is None else content

    async def _handle(self, message: bytes | str) -> None:
        if isinstance(message, str):
            await self._handle_control(message)
            return
        if self._session.mode != "push":
            raise ProblemError(
                ProblemType.CONFLICT,
                f"session {self._session.id}: expected a session for pushed pictures, got one that reads a source",
            )
        if self._session.state != "open":
            raise ProblemError(
                ProblemType.CONFLICT, f"session {self._session.id}: expected an open session, got one that has ended"
            )
        if not self._session.push_role.claim(self._push):
            # The connection is being closed.
            return
        if self._decoder is None:
            self._decoder = self._sessions.decoder(self._session)
        decoder = self._decoder
        try:
            picture = parse(message)
            frames = await self._decode(lambda: decoder.decode(picture))
        except InvalidInputError as error:
            raise ProblemError(ProblemType.PICTURE, str(error)) from error
        for frame in frames:
            await self._sessions.put(self._session, frame)

    async def _handle_control(self, text: str) -> None:
        document = parse_body(text.encode("utf-8", "surrogatepass"))
        if document != {"op": "finish"}:
            raise ProblemError(
                ProblemType.INVALID, 'message: expected {"op": "finish"}, or a picture as a binary message'
            )
        if self._session.mode != "push":
            raise ProblemError(
                ProblemType.CONFLICT,
                f"session {self._session.id}: expected a session for pushed pictures, got one that reads a source; "
                "end it by DELETE",
            )
        if self._push.taken_over.is_set():
            return
        if self._decoder is not None:
            decoder, self._decoder = self._decoder, None
            for frame in await self._decode(decoder.flush):
                await self._sessions.put(self._session, frame)
        self._sessions.end(self._session, "finished")

    async def _decode(self, decode: Callable[[], list[Frame]]) -> list[Frame]:
        """Decode in the executor, after the decodes that other connections of the session have begun."""
        async with self._session.decoding:
            decoded = asyncio.get_running_loop().run_in_executor(self._decoding, decode)
            try:
                return await asyncio.shield(decoded)
            except asyncio.CancelledError:
                # The thread cannot be cancelled, and a session must not use a second one.
                await asyncio.wait([decoded])
                raise

    async def _send(self, text: str) -> None:
        async with asyncio.timeout(self._limits.send_s):
            await self._websocket.send_text(text)

    async def _close(self, code: int) -> None:
        if self._websocket.client_state is WebSocketState.DISCONNECTED:
            return
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._websocket.close(code)
