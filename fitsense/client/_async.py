"""The client for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Unpack

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from fitsense._internal.closing import AsyncClosing
from fitsense.client import _wire
from fitsense.client._errors import ENDED, ClosedError, ConnectionError, Problem, ProblemError
from fitsense.client._http import authorization, client_settings, handshake_error, reading_timeout, refusal, translated
from fitsense.client._sync import close_code
from fitsense.client._wire import (
    EVENTS_GONE,
    FINISH,
    AnalysisRequest,
    AsyncVideo,
    FitsenseEvent,
    Format,
    Resumption,
    Retries,
    Session,
    SessionRequest,
)
from fitsense.events.parsing import parse_event


class AsyncClient(AsyncClosing):
    """A client of ``fitsense serve`` for asyncio, with the methods of :class:`Client`.

    :param url: as of :class:`Client`.
    :param token: likewise.
    :param retries: likewise.
    :param timeout_s: likewise.
    :param transport: another asynchronous transport of httpx2.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        retries: Retries | None = None,
        timeout_s: float = 30.0,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._base = _wire.base_url(url)
        self._token = token
        self._retries = retries or Retries()
        self._timeout_s = timeout_s
        self._http = httpx2.AsyncClient(**client_settings(token, timeout_s, transport))

    async def create_session(self, **request: Unpack[SessionRequest]) -> Session:
        """Open a session: pictures are pushed into it, unless the request names a source."""
        return _wire.session_of(await self._answer(_wire.open_call(request)))

    async def sessions(self) -> list[Session]:
        """The open and the recently ended sessions."""
        return _wire.sessions_of(await self._answer(_wire.Call("GET", "v1/sessions")))

    async def session(self, id: str) -> Session:
        """One session."""
        return _wire.session_of(await self._answer(_wire.Call("GET", _wire.session_path(id))))

    async def end_session(self, id: str) -> Session | None:
        """End a session and return it; remove an ended session and return None."""
        content = await self._answer(_wire.Call("DELETE", _wire.session_path(id)))
        return _wire.session_of(content) if content else None

    async def analyze(self, video: AsyncVideo, **request: Unpack[AnalysisRequest]) -> AsyncIterator[FitsenseEvent]:
        """Upload a video; iterate over its events as they happen. Closing the iterator ends the analysis.

        :param video: the path of a file, its bytes, an open binary file, or its chunks.
        """
        call = _wire.analysis_call(request)
        async with contextlib.AsyncExitStack() as stack:
            if isinstance(video, str | os.PathLike):
                video = stack.enter_context(await asyncio.to_thread(Path(video).open, "rb"))
            content = video if isinstance(video, bytes) else _chunks(video)
            # During the analysis of a long video there may be no event.
            response = await stack.enter_async_context(self._streamed(call, None, content))
            with translated(self._base):
                async for line in response.aiter_lines():
                    if line:
                        yield parse_event(line)

    async def events(self, id: str, *, after: str | None = None) -> AsyncIterator[FitsenseEvent]:
        """Iterate over a session's events as they happen, until it has ended.

        A lost connection is reopened after the last event, so that no event repeats and none is missing.

        :param after: id of the last known event; None for all events.
        """
        resumption = Resumption(self._retries, after)
        while True:
            failure: ProblemError | ConnectionError | None = None
            try:
                async with self._streamed(resumption.call(id), self._retries.silence_s) as response:
                    if response.status_code == httpx2.codes.NO_CONTENT:
                        return
                    resumption.connected()
                    with translated(self._base):
                        async for message in httpx2.EventSource(response):
                            event = resumption.event_of(message.event, message.data, message.id, message.retry)
                            if event is not None:
                                yield event
            except (ProblemError, ConnectionError) as error:
                if resumption.is_over(error):
                    return
                failure = error
            await asyncio.sleep(resumption.pause_s(failure))

    async def events_so_far(self, id: str, *, after: str | None = None) -> list[FitsenseEvent]:
        """A session's events so far.

        :param after: id of the last known event; None for all events.
        """
        params = {} if after is None else {"after": after}
        content = await self._answer(_wire.Call("GET", f"{_wire.session_path(id)}/events.ndjson", params=params))
        return [parse_event(line) for line in content.split(b"\n") if line]

    async def frames(
        self,
        id: str,
        *,
        after: str | None = None,
        events: bool = True,
        on_problem: Callable[[Problem], None] | None = None,
    ) -> AsyncFrames:
        """Open the WebSocket of a session, to push pictures into it and to read its events.

        :param after: id of the last known event; None for all events.
        :param events: whether the server sends events.
        :param on_problem: called with each refusal that does not end the session, such as that of a damaged picture;
            without it, a refusal ends the iteration over events.
        """
        try:
            socket = await connect(
                _wire.frames_url(self._base, id, after, events),
                additional_headers=authorization(self._token),
                subprotocols=[Subprotocol(_wire.SUBPROTOCOL)],
                compression=None,
                open_timeout=self._timeout_s,
                max_size=_wire.MAX_MESSAGE_BYTES,
                # Events wait here while pictures are pushed.
                max_queue=None,
            )
        except (WebSocketException, OSError) as error:
            raise handshake_error(error, self._base) from error
        return AsyncFrames(socket, after, on_problem)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _answer(self, call: _wire.Call) -> bytes:
        async with self._streamed(call, self._timeout_s, call.content) as response:
            with translated(self._base):
                return await response.aread()

    @contextlib.asynccontextmanager
    async def _streamed(
        self, call: _wire.Call, read_s: float | None, content: bytes | AsyncIterable[bytes] | None = None
    ) -> AsyncIterator[httpx2.Response]:
        """The response to a call before its body is read; closed at the end."""
        request = self._http.build_request(
            call.method,
            self._base + call.path,
            params=dict(call.params),
            headers=dict(call.headers),
            content=content,
            timeout=reading_timeout(self._timeout_s, read_s),
        )
        with translated(self._base):
            response = await self._http.send(request, stream=True)
            try:
                if not response.is_success:
                    await response.aread()
            except BaseException:
                await response.aclose()
                raise
        try:
            if not response.is_success:
                raise refusal(response)
            yield response
        finally:
            await response.aclose()


class AsyncFrames(AsyncClosing):
    """The WebSocket of a session, for pictures and events. Use :meth:`AsyncClient.frames`.

    One task may push while another reads events.
    """

    def __init__(
        self, socket: ClientConnection, after: str | None, on_problem: Callable[[Problem], None] | None
    ) -> None:
        self._socket = socket
        self._on_problem = on_problem
        self._left = False
        self._after = after

    @property
    def after(self) -> str | None:
        """Id of the last received event, after which a new connection can resume."""
        return self._after

    async def push(self, picture: bytes | bytearray | memoryview, time_s: float, format: Format = "image") -> None:
        """Push a picture; wait until there is room for the next one.

        :param picture: the encoded picture.
        :param time_s: its time in seconds of media time, later than that of the previous picture.
        :param format: its encoding. The video of a connection begins with a key frame.
        :raises ClosedError: the connection or the session is over.
        """
        await self._send(_wire.pack(picture, time_s, format))

    async def finish(self) -> None:
        """Announce the end of the pictures. Queued ones are analysed; the last event is ``fitsense.session.ended``."""
        await self._send(FINISH)

    async def events(self) -> AsyncIterator[FitsenseEvent]:
        """Iterate over the events as they happen, until the session ends. Closing the iterator closes the connection.

        :raises ProblemError: the server refused a message, and there is no `on_problem`.
        :raises ClosedError: the connection ended before the session; open a new one after :attr:`after`.
        """
        try:
            while (event := await self._next()) is not None:
                yield event
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the connection. The session continues until it is idle for too long."""
        self._left = True
        await self._socket.close()

    async def _next(self) -> FitsenseEvent | None:
        """The next event; None when the session has ended or the connection was closed here."""
        while True:
            try:
                message = _wire.message_of(await self._socket.recv())
            except ConnectionClosed as error:
                code = close_code(error)
                if self._left or code == ENDED:
                    return None
                raise ClosedError(code) from error
            if not isinstance(message, Problem):
                self._after = message.id
                return message
            if self._on_problem is None or message.type == EVENTS_GONE:
                await self.aclose()
                raise ProblemError(message)
            self._on_problem(message)

    async def _send(self, message: bytes | str) -> None:
        if self._left:
            raise ClosedError(ENDED)
        try:
            await self._socket.send(message)
        except ConnectionClosed as error:
            raise ClosedError(close_code(error)) from error


async def _chunks(video: object) -> AsyncIterator[bytes]:
    if isinstance(video, AsyncIterable):
        async for chunk in video:
            yield chunk
        return
    read = getattr(video, "read", None)
    if read is None:
        assert isinstance(video, Iterable)
        for chunk in video:
            yield chunk
        return
    while chunk := await asyncio.to_thread(read, _wire.CHUNK_BYTES):
        yield chunk
