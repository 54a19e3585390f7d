"""The WebSocket of a session: pictures in, events out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from fitsense.errors import InvalidInputError
from fitsense.server.api.event_stream import gone
from fitsense.server.api.problems import ProblemError, ProblemType
from fitsense.server.api.requests import parse_body
from fitsense.server.api.responses import compact
from fitsense.server.api.wire import parse
from fitsense.server.config import Limits
from fitsense.server.engine.event_buffer import EventsExpiredError
from fitsense.server.engine.frame_decoder import Decoder
from fitsense.server.engine.session_manager import ServerSession, SessionManager
from fitsense.server.metrics import Metrics
from fitsense.server.rate_limit import Bucket
from fitsense.server.security import SUBPROTOCOL
from fitsense.types import Frame

ENDED, TAKEN_OVER, EVENTS_GONE, TOO_SLOW = 1000, 4409, 4410, 4408
"""What the server closes with: the session has ended; another connection pushes now; the client was too slow to be told
all events; it takes nothing."""

_CLOSING_S = 1.0


class FrameSocket:
    """One client's connection.

    :param decoding: where pictures are decoded.
    :param number: of the first event that is sent; None for the first that is kept.
    :param events: whether any are sent.
    """

    def __init__(
        self,
        websocket: WebSocket,
        served: ServerSession,
        sessions: SessionManager,
        limits: Limits,
        metrics: Metrics,
        decoding: Executor,
        *,
        number: int | None,
        events: bool,
    ) -> None:
        self._websocket = websocket
        self._served = served
        self._sessions = sessions
        self._limits = limits
        self._metrics = metrics
        self._decoding = decoding
        self._number = number
        self._events = events
        self._decoder: Decoder | None = None
        self._bucket = Bucket(limits.rate_hz, limits.rate_hz)
        self._gives_way = asyncio.Event()

    async def run(self) -> None:
        """Talk, until the session ends or the client goes."""
        offered = self._websocket.scope.get("subprotocols") or ()
        try:
            await self._websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        except WebSocketDisconnect:
            return
        parts = (self._send_events(), self._receive(), self._give_way())
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            code = next(task for task in tasks if task in done).result()
        except (WebSocketDisconnect, OSError):
            # The client has gone.
            return
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # With the pictures of its codec.
            self._decoder = None
            if self._served.pusher is self._gives_way:
                self._served.pusher = None
        await self._close(code)

    async def _send_events(self) -> int:
        """Tell events as they come; give the code to close with."""
        if not self._events:
            await self._served.done.wait()
            return ENDED
        try:
            async with contextlib.aclosing(self._served.events.follow(self._number)) as followed:
                async for told in followed:
                    await self._send(told.json)
        except EventsExpiredError as missed:
            await self._send(compact(gone(missed).to_dict()))
            return EVENTS_GONE
        except TimeoutError:
            return TOO_SLOW
        return ENDED

    async def _receive(self) -> int:
        """Take messages; give the code to close with."""
        try:
            async for message in self._messages():
                while wait_s := self._bucket.take(time.monotonic()):
                    await asyncio.sleep(wait_s)
                try:
                    await self._take(message)
                except ProblemError as problem:
                    self._metrics.refused.inc()
                    await self._send(compact(problem.to_dict()))
        except TimeoutError:
            return TOO_SLOW
        return ENDED

    async def _give_way(self) -> int:
        await self._gives_way.wait()
        return TAKEN_OVER

    async def _messages(self) -> AsyncIterator[bytes | str]:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            content = message.get("bytes")
            yield message["text"] if content is None else content

    async def _take(self, message: bytes | str) -> None:
        if isinstance(message, str):
            await self._control(message)
            return
        if self._served.mode != "push":
            raise ProblemError(
                ProblemType.CONFLICT, f"session {self._served.id}: it reads a source, and nothing can be pushed"
            )
        if self._served.state != "open":
            raise ProblemError(
                ProblemType.CONFLICT, f"session {self._served.id}: it has ended, and nothing can be pushed"
            )
        decoder = self._own()
        try:
            picture = parse(message)
            frames = await self._in_thread(lambda: decoder.decode(picture))
        except InvalidInputError as error:
            raise ProblemError(ProblemType.PICTURE, str(error)) from error
        for frame in frames:
            await self._sessions.put(self._served, frame)

    async def _control(self, text: str) -> None:
        document = parse_body(text.encode("utf-8", "surrogatepass"))
        if document != {"op": "finish"}:
            raise ProblemError(
                ProblemType.INVALID, 'message: expected {"op": "finish"}, or a picture as a binary message'
            )
        if self._served.mode != "push":
            raise ProblemError(ProblemType.CONFLICT, f"session {self._served.id}: it reads a source; DELETE ends it")
        if self._decoder is not None:
            decoder, self._decoder = self._decoder, None
            for frame in await self._in_thread(decoder.flush):
                await self._sessions.put(self._served, frame)
        self._sessions.end(self._served, "finished")

    async def _in_thread(self, decode: Callable[[], list[Frame]]) -> list[Frame]:
        """Decode elsewhere, after what the session's other connections have begun."""
        async with self._served.decoding:
            decoded = asyncio.get_running_loop().run_in_executor(self._decoding, decode)
            try:
                return await asyncio.shield(decoded)
            except asyncio.CancelledError:
                # The thread cannot be cancelled, and a session has no second one.
                await asyncio.wait([decoded])
                raise

    def _own(self) -> Decoder:
        """Be the one that pushes. Whoever did gives way: it may be a connection that is lost, and does not know."""
        if self._served.pusher is not self._gives_way:
            if self._served.pusher is not None:
                self._served.pusher.set()
            self._served.pusher = self._gives_way
        if self._decoder is None:
            self._decoder = self._sessions.decoder(self._served)
        return self._decoder

    async def _send(self, text: str) -> None:
        await asyncio.wait_for(self._websocket.send_text(text), self._limits.send_s)

    async def _close(self, code: int) -> None:
        if self._websocket.client_state is WebSocketState.DISCONNECTED:
            return
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
            await asyncio.wait_for(self._websocket.close(code), _CLOSING_S)
