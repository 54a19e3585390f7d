"""What is answered at which path."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import Executor
from http import HTTPStatus
from pathlib import Path
from typing import Any

import attrs
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from fitsense.events.schema import schemas
from fitsense.server import playground
from fitsense.server.api.asyncapi import asyncapi
from fitsense.server.api.event_stream import NDJSON, Lines, event_stream, gone, unless_gone
from fitsense.server.api.openapi import openapi
from fitsense.server.api.problems import ProblemError, ProblemType
from fitsense.server.api.request_body import read_body, write_body
from fitsense.server.api.requests import SessionRequest, parse_body, parse_session_request
from fitsense.server.api.responses import json_reply
from fitsense.server.api.websocket import FrameSocket
from fitsense.server.config import Limits
from fitsense.server.engine.event_buffer import EventsExpiredError
from fitsense.server.engine.session_manager import ServerSession, SessionManager
from fitsense.server.engine.uploads import Uploads
from fitsense.server.metrics import MEDIA_TYPE, Metrics

_ID_DIGITS = 10
_STOPPING_S = 10.0
_AS_WITH_CURL = "as curl --data-binary @FILE sends it"
_FLAGS = {"true": True, "false": False}


@attrs.frozen
class Routes:
    """A server's endpoints.

    :param decoding: where pushed pictures are decoded.
    :param uploads: where uploads are kept while they are read.
    """

    sessions: SessionManager
    limits: Limits
    metrics: Metrics
    decoding: Executor
    uploads: Uploads

    def all(self) -> list[BaseRoute]:
        """Every route; ``openapi.py`` and ``asyncapi.py`` describe them."""
        one = "/v1/sessions/{id}"
        return [
            Route("/v1/sessions", self.create, methods=["POST"]),
            Route("/v1/sessions", self.list, methods=["GET"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(f"{one}/events", self.events, methods=["GET"]),
            Route(f"{one}/events.ndjson", self.download, methods=["GET"]),
            WebSocketRoute(f"{one}/frames", self.frames),
            Route("/v1/analyses", self.analyse, methods=["POST"]),
            Route("/healthz", self.health, methods=["GET"]),
            Route("/readyz", self.readiness, methods=["GET"]),
            Route("/metrics", self.figures, methods=["GET"]),
            Route("/openapi.json", self.openapi, methods=["GET"]),
            Route("/asyncapi.json", self.asyncapi, methods=["GET"]),
            Route("/schemas/v1/{name}", self.schema, methods=["GET"]),
            Route("/", self.page, methods=["GET"]),
            Route(playground.FOLDER + "{name}", self.page, methods=["GET"]),
        ]

    async def create(self, request: Request) -> Response:
        """``POST /v1/sessions``"""
        _expect_type(request, "application/json")
        body = await read_body(request, self.limits.body_bytes, self.limits.idle_s)
        served = await self.sessions.open(parse_session_request(parse_body(body)))
        return json_reply(served.to_dict(), 201, headers={"location": f"/v1/sessions/{served.id}"})

    async def list(self, request: Request) -> Response:
        """``GET /v1/sessions``"""
        return json_reply({"sessions": [served.to_dict() for served in self.sessions]})

    async def show(self, request: Request) -> Response:
        """``GET /v1/sessions/{id}``"""
        return json_reply(self._served(request).to_dict())

    async def delete(self, request: Request) -> Response:
        """``DELETE /v1/sessions/{id}``: end it, or forget it if it has ended."""
        served = self._served(request)
        if served.state == "ended":
            self.sessions.forget(served)
            return Response(status_code=204)
        self.sessions.end(served, "finished" if served.mode == "push" else "interrupted")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(served.done.wait(), _STOPPING_S)
        return json_reply(served.to_dict())

    async def events(self, request: Request) -> Response:
        """``GET /v1/sessions/{id}/events``"""
        served = self._served(request)
        number = _next_number(served, request.headers.get("last-event-id") or request.query_params.get("after"))
        if served.events.closed and number == served.events.next:
            # Browsers ask again until they are told not to.
            return Response(status_code=204)
        return event_stream(served.events, number, self.limits.send_s)

    async def download(self, request: Request) -> Response:
        """``GET /v1/sessions/{id}/events.ndjson``"""
        served = self._served(request)
        number = _next_number(served, request.query_params.get("after"))
        told = served.events.since(served.events.first if number is None else number)
        return Response(
            "".join(one.json + "\n" for one in told), media_type=NDJSON, headers={"cache-control": "no-store"}
        )

    async def frames(self, websocket: WebSocket) -> None:
        """``/v1/sessions/{id}/frames``"""
        try:
            served = self.sessions.get(websocket.path_params["id"])
            query = websocket.query_params
            number = _next_number(served, query.get("after"))
            events = _flag(query, "events", default=True)
        except ProblemError as problem:
            await _deny(websocket, problem)
            return
        socket = FrameSocket(
            websocket, served, self.sessions, self.limits, self.metrics, self.decoding, number=number, events=events
        )
        await socket.run()

    async def analyse(self, request: Request) -> Response:
        """``POST /v1/analyses``"""
        wish = _request_of_query(request.query_params)
        _expect_no_form(request)
        limits = self.limits
        folder = self.uploads.new()
        try:
            path = Path(folder.name) / "upload"
            # Uploads to come must not fill the disk either.
            with self.sessions.slot(), path.open("wb") as file:
                if not await write_body(request, file, limits.upload_bytes, limits.idle_s):
                    raise ProblemError(ProblemType.SOURCE, "expected a video as the body, got nothing")
        except BaseException:
            folder.cleanup()
            raise
        try:
            served = await unless_gone(request.receive, self.sessions.open_upload(str(path), wish, folder.cleanup))
        except ProblemError as problem:
            if problem.kind is not ProblemType.SOURCE:
                raise
            hint = f"{problem.detail}; expected the video itself as the body, {_AS_WITH_CURL}"
            raise ProblemError(ProblemType.SOURCE, hint) from problem
        return Lines(
            _lines(served),
            headers={"location": f"/v1/sessions/{served.id}"},
            send_s=limits.send_s,
            left=lambda: self.sessions.end(served, "interrupted"),
        )

    async def health(self, request: Request) -> Response:
        """``GET /healthz``"""
        if not self.sessions.alive:
            raise ProblemError(ProblemType.UNAVAILABLE, "the worker thread has ended; another one is about to start")
        return json_reply({"status": "ok"})

    async def readiness(self, request: Request) -> Response:
        """``GET /readyz``"""
        if not self.sessions.ready:
            raise ProblemError(ProblemType.UNAVAILABLE, "the server is about to stop, or its worker has")
        return json_reply({"status": "ok"})

    async def figures(self, request: Request) -> Response:
        """``GET /metrics``"""
        return Response(self.metrics.page(), headers={"content-type": MEDIA_TYPE})

    async def openapi(self, request: Request) -> Response:
        """``GET /openapi.json``"""
        return json_reply(openapi())

    async def asyncapi(self, request: Request) -> Response:
        """``GET /asyncapi.json``"""
        return json_reply(asyncapi())

    async def schema(self, request: Request) -> Response:
        """``GET /schemas/v1/{name}``"""
        name = request.path_params["name"]
        if name not in schemas():
            raise ProblemError(
                ProblemType.NOT_FOUND, f"schema {name!r}: there is none; there are: {', '.join(schemas())}"
            )
        return json_reply(schemas()[name], media_type="application/schema+json")

    async def page(self, request: Request) -> Response:
        """``GET /`` and what the page needs."""
        name = request.path_params.get("name", playground.PAGE)
        asset = playground.assets().get(name)
        if asset is None:
            raise ProblemError(ProblemType.NOT_FOUND, f"{playground.FOLDER}{name}: there is no such file")
        return playground.answer(request, asset)

    def _served(self, request: Request) -> ServerSession:
        return self.sessions.get(request.path_params["id"])


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer where no route fits: by a problem, also to a client that wants to open a WebSocket."""
    if scope["type"] != "websocket":
        raise HTTPException(HTTPStatus.NOT_FOUND)
    problem = ProblemError(
        ProblemType.NOT_FOUND, f"{scope['path']}: there is no WebSocket here; /asyncapi.json has them"
    )
    await _deny(WebSocket(scope, receive, send), problem)


async def _deny(websocket: WebSocket, problem: ProblemError) -> None:
    """Refuse a WebSocket before it is one."""
    # The client may have gone.
    with contextlib.suppress(WebSocketDisconnect):
        await websocket.send_denial_response(problem.reply())


async def _lines(served: ServerSession) -> AsyncGenerator[str, None]:
    """An upload's events; the analysis waits for whoever reads them."""
    try:
        async for told in served.events.follow():
            served.read = told.number
            yield told.json + "\n"
    except EventsExpiredError as missed:
        # It cannot be, as long as more are kept than may be unread.
        raise gone(missed) from missed


def _next_number(served: ServerSession, after: str | None) -> int | None:
    """The number of the event behind the one with that id; None where none is given.

    :raises ProblemError: the id is none, or one that is not there yet, or what follows it is not kept any more.
    """
    if after is None or after == "":
        return None
    feed = served.events
    if not (after.isascii() and after.isdecimal() and len(after) <= _ID_DIGITS):
        raise ProblemError(ProblemType.INVALID, f"event id: expected up to {_ID_DIGITS} digits, got {after!r}")
    number = int(after) + 1
    if number > feed.next:
        raise ProblemError(
            ProblemType.INVALID, f"event id: expected one of those told, below {feed.next:010d}, got {after!r}"
        )
    if number < feed.first:
        raise gone(EventsExpiredError(number, feed.first))
    return number


def _request_of_query(query: Mapping[str, str]) -> SessionRequest:
    """What is asked for beside an upload."""
    document: dict[str, Any] = dict(query)
    known = {"bundle", "region", "hop_s", "people", "started_at", "exercises", "expected"}
    if strange := sorted(set(document) - known):
        raise ProblemError(ProblemType.INVALID, f"query: expected {', '.join(sorted(known))}, got {strange[0]!r}")
    if "hop_s" in document:
        document["hop_s"] = _number("hop_s", document["hop_s"])
    if "exercises" in document:
        document["exercises"] = [name.strip() for name in document["exercises"].split(",")]
    if "people" in document:
        document["people"] = _flag(query, "people", default=False)
    if "region" in document:
        sides = ("left", "top", "right", "bottom")
        numbers = [_number("region", text) for text in document["region"].split(",")]
        if len(numbers) != len(sides):
            raise ProblemError(
                ProblemType.INVALID, f"region: expected left,top,right,bottom, got {document['region']!r}"
            )
        document["region"] = dict(zip(sides, numbers, strict=True))
    return parse_session_request(document)


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ProblemError(ProblemType.INVALID, f"{name}: expected a number, got {text!r}")
    return number


def _flag(query: Mapping[str, str], name: str, *, default: bool) -> bool:
    if name not in query:
        return default
    if query[name] not in _FLAGS:
        raise ProblemError(ProblemType.INVALID, f"{name}: expected true or false, got {query[name]!r}")
    return _FLAGS[query[name]]


def _expect_no_form(request: Request) -> None:
    got = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # `curl --data-binary @FILE` says application/x-www-form-urlencoded of whatever it sends.
    if got.startswith("multipart/"):
        raise ProblemError(
            ProblemType.MEDIA,
            f"content-type: expected the video itself as the body, {_AS_WITH_CURL}, got a form ({got})",
        )


def _expect_type(request: Request, wanted: str) -> None:
    got = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if got != wanted:
        raise ProblemError(ProblemType.MEDIA, f"content-type: expected {wanted}, got {got or 'none'}")
