"""Both clients behind one blocking interface, so that each test runs against both."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar

import attrs
import httpx2

from fitsense.client import AsyncClient, Client, FitsenseEvent, Session

_T = TypeVar("_T")
Answer = Callable[[httpx2.Request], httpx2.Response]


class Blocking:
    """A :class:`Client`, with whole lists of events."""

    def __init__(self, url: str, *, answer: Answer | None = None, cuts: Sequence[int] = (), **more: Any) -> None:
        self.requests: list[httpx2.Request] = []
        transport: httpx2.BaseTransport
        transport = httpx2.MockTransport(answer) if answer else httpx2.HTTPTransport()
        self.client = Client(url, transport=_Cutting(transport, list(cuts), self.requests), **more)

    def create_session(self, **request: Any) -> Session:
        return self.client.create_session(**request)

    def sessions(self) -> list[Session]:
        return self.client.sessions()

    def session(self, id: str) -> Session:
        return self.client.session(id)

    def end_session(self, id: str) -> Session | None:
        return self.client.end_session(id)

    def analyze(self, video: Any, **request: Any) -> list[FitsenseEvent]:
        return list(self.client.analyze(video, **request))

    def events(self, id: str, **more: Any) -> list[FitsenseEvent]:
        return list(self.client.events(id, **more))

    def first_events(self, id: str, count: int) -> list[FitsenseEvent]:
        with contextlib.closing(self.client.events(id)) as events:  # type: ignore[type-var]
            return [next(events) for _ in range(count)]

    def events_so_far(self, id: str, **more: Any) -> list[FitsenseEvent]:
        return self.client.events_so_far(id, **more)

    def pushed(
        self, id: str, pictures: Sequence[tuple[float, bytes]], **more: Any
    ) -> tuple[list[FitsenseEvent], str | None]:
        with self.client.frames(id, **more) as frames:
            for time_s, picture in pictures:
                frames.push(picture, time_s)
            frames.finish()
            return list(frames.events()), frames.after

    def close(self) -> None:
        self.client.close()


class Asynchronous:
    """An :class:`AsyncClient`, driven to the end of each call."""

    def __init__(self, url: str, *, answer: Answer | None = None, cuts: Sequence[int] = (), **more: Any) -> None:
        self.requests: list[httpx2.Request] = []
        self.runner = asyncio.Runner()

        async def opened() -> AsyncClient:
            transport: httpx2.AsyncBaseTransport
            transport = httpx2.MockTransport(answer) if answer else httpx2.AsyncHTTPTransport()
            return AsyncClient(url, transport=_AsyncCutting(transport, list(cuts), self.requests), **more)

        try:
            self.client = self._run(opened())
        except BaseException:
            self.runner.close()
            raise

    def create_session(self, **request: Any) -> Session:
        return self._run(self.client.create_session(**request))

    def sessions(self) -> list[Session]:
        return self._run(self.client.sessions())

    def session(self, id: str) -> Session:
        return self._run(self.client.session(id))

    def end_session(self, id: str) -> Session | None:
        return self._run(self.client.end_session(id))

    def analyze(self, video: Any, **request: Any) -> list[FitsenseEvent]:
        async def read() -> list[FitsenseEvent]:
            return [event async for event in self.client.analyze(video, **request)]

        return self._run(read())

    def events(self, id: str, **more: Any) -> list[FitsenseEvent]:
        async def read() -> list[FitsenseEvent]:
            return [event async for event in self.client.events(id, **more)]

        return self._run(read())

    def first_events(self, id: str, count: int) -> list[FitsenseEvent]:
        async def read() -> list[FitsenseEvent]:
            async with contextlib.aclosing(self.client.events(id)) as events:  # type: ignore[type-var]
                return [await anext(events) for _ in range(count)]

        return self._run(read())

    def events_so_far(self, id: str, **more: Any) -> list[FitsenseEvent]:
        return self._run(self.client.events_so_far(id, **more))

    def pushed(
        self, id: str, pictures: Sequence[tuple[float, bytes]], **more: Any
    ) -> tuple[list[FitsenseEvent], str | None]:
        async def push() -> tuple[list[FitsenseEvent], str | None]:
            async with await self.client.frames(id, **more) as frames:
                for time_s, picture in pictures:
                    await frames.push(picture, time_s)
                await frames.finish()
                return [event async for event in frames.events()], frames.after

        return self._run(push())

    def close(self) -> None:
        self._run(self.client.aclose())
        self.runner.close()

    def _run(self, awaitable: Awaitable[_T]) -> _T:
        async def awaited() -> _T:
            return await awaitable

        return self.runner.run(awaited())


Driver = Blocking | Asynchronous


@attrs.define
class _Cutting(httpx2.BaseTransport):
    """Breaks connections after a number of bytes, one number for each request, as a network does."""

    inner: httpx2.BaseTransport
    cuts: list[int]
    requests: list[httpx2.Request]

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        response = self.inner.handle_request(request)
        if self.cuts:
            assert isinstance(response.stream, httpx2.SyncByteStream)
            response.stream = _Cut(response.stream, self.cuts.pop(0))
        return response

    def close(self) -> None:
        self.inner.close()


@attrs.define
class _AsyncCutting(httpx2.AsyncBaseTransport):
    inner: httpx2.AsyncBaseTransport
    cuts: list[int]
    requests: list[httpx2.Request]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        response = await self.inner.handle_async_request(request)
        if self.cuts:
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _AsyncCut(response.stream, self.cuts.pop(0))
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


@attrs.define
class _Cut(httpx2.SyncByteStream):
    inner: httpx2.SyncByteStream
    left: int

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.inner:
            yield chunk[: self.left]
            self.left -= len(chunk)
            if self.left <= 0:
                raise httpx2.ReadError("cut")

    def close(self) -> None:
        self.inner.close()


@attrs.define
class _AsyncCut(httpx2.AsyncByteStream):
    inner: httpx2.AsyncByteStream
    left: int

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        async for chunk in self.inner:
            yield chunk[: self.left]
            self.left -= len(chunk)
            if self.left <= 0:
                raise httpx2.ReadError("cut")

    async def aclose(self) -> None:
        await self.inner.aclose()
