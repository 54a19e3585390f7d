"""The HTTP and WebSocket routes of the server."""

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
from fitsense.server.api.event_stream import NDJSON, Lines, cancel_on_disconnect, event_stream, events_gone
from fitsense.server.api.openapi import openapi
from fitsense.server.api.problems import ProblemError, ProblemType
from fitsense.server.api.request_body import read_body, write_body
from fitsense.server.api.requests import SessionRequest, parse_body, parse_session_request
from fitsense.server.api.responses import json_response
from fitsense.server.api.websocket import FrameSocket
from fitsense.server.config import Limits
from fitsense.server.engine.event_buffer import EventsExpiredError
from fitsense.server.engine.session import ServerSession
from fitsense.server.engine.session_manager import SessionManager
from fitsense.server.engine.uploads import Uploads
from fitsense.server.metrics import MEDIA_TYPE, Metrics
from fitsense.server.models import Bundles

_ID_DIGITS = 10
_END_TIMEOUT_S = 10.0
_CURL_HINT = "as curl --data-binary @FILE sends it"
_FLAGS = {"true": True, "false": False}


@attrs.frozen
class Routes:
    """The endpoints of a server.

    :param decoding: executor that decodes pushed pictures.
    :param uploads: folder of uploads that are being read.
    :param bundles: models of the sessions, whose plugins publish schemas too.
    """

    sessions: SessionManager
    limits: Limits
    metrics: Metrics
    decoding: Executor
    uploads: Uploads
    bundles: Bundles

    def all(self) -> list[BaseRoute]:
        """All routes; ``openapi.py`` and ``asyncapi.py`` describe them."""
        session = "/v1/sessions/{id}"
        return [
            Route("/v1/sessions", self.create, methods=["POST"]),
            Route("/v1/sessions", self.list, methods=["GET"]),
            Route(session, self.show, methods=["GET"]),
            Route(session, self.delete, methods=["DELETE"]),
            Route(f"{session}/events", self.events, methods=["GET"]),
            Route(f"{session}/events.ndjson", self.download, methods=["GET"]),
            WebSocketRoute(f"{session}/frames", self.frames),
            Route("/v1/analyses", self.analyse, methods=["POST"]),
            Route("/healthz", self.health, methods=["GET"]),
            Route("/readyz", self.readiness, methods=["GET"]),
            Route("/metrics", self.prometheus, methods=["GET"]),
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
        session = await self.sessions.open(parse_session_request(parse_body(body)))
        return json_response(session.to_dict(), 201, headers={"location": f"/v1/sessions/{session.id}"})

    async def list(self, request: Request) -> Response:
        """``GET /v1/sessions``"""
        return json_response({"sessions": [session.to_dict() for session in self.sessions]})

    async def show(self, request: Request) -> Response:
        """``GET /v1/sessions/{id}``"""
        return json_response(self._session(request).to_dict())

    async def delete(self, request: Request) -> Response:
        """``DELETE /v1/sessions/{id}``: end the session, or forget one that has ended."""
        session = self._session(request)
        if session.state == "ended":
            self.sessions.forget(session)
            return Response(status_code=204)
        self.sessions.end(session, "finished" if session.mode == "push" else "interrupted")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_TIMEOUT_S):
                await session.done.wait()
        return json_response(session.to_dict())

    async def events(self, request: Request) -> Response:
        """``GET /v1/sessions/{id}/events``"""
        session = self._session(request)
        number = _next_number(session, request.headers.get("last-event-id") or request.query_params.get("after"))
        if session.events.closed and number == session.events.next:
            # Browsers reconnect until they receive 204.
            return Response(status_code=204)
        return event_stream(session.events, number, self.limits.send_s)

    async def download(self, request: Request) -> Response:
        """``GET /v1/sessions/{id}/events.ndjson``"""
        session = self._session(request)
        number = _next_number(session, request.query_params.get("after"))
        events = session.events.since(session.events.first if number is None else number)
        return Response(
            "".join(event.json + "\n" for event in events), media_type=NDJSON, headers={"cache-control": "no-store"}
        )

    async def frames(self, websocket: WebSocket) -> None:
        """``/v1/sessions/{id}/frames``"""
        try:
            session = self.sessions.get(websocket.path_params["id"])
            query = websocket.query_params
            number = _next_number(session, query.get("after"))
            events = _flag(query, "events", default=True)
        except ProblemError as problem:
            await _deny(websocket, problem)
            return
        socket = FrameSocket(
            websocket, session, self.sessions, self.limits, self.metrics, self.decoding, number=number, events=events
        )
        await socket.run()

    async def analyse(self, request: Request) -> Response:
        """``POST /v1/analyses``"""
        session_request = _parse_query(request.query_params)
        _expect_no_form(request)
        limits = self.limits
        folder = self.uploads.new()
        try:
            path = Path(folder.name) / "upload"
            # An upload occupies a slot while it is received, so that uploads cannot fill the disk.
            with self.sessions.slot(), path.open("wb") as file:
                if not await write_body(request, file, limits.upload_bytes, limits.idle_s):
                    raise ProblemError(ProblemType.SOURCE, "expected a video as the body, got nothing")
        except BaseException:
            folder.cleanup()
            raise
        try:
            opening = self.sessions.open_upload(str(path), session_request, folder.cleanup)
            session = await cancel_on_disconnect(request.receive, opening)
        except ProblemError as problem:
            if problem.kind is not ProblemType.SOURCE:
                raise
            hint = f"{problem.detail}; expected the video itself as the body, {_CURL_HINT}"
            raise ProblemError(ProblemType.SOURCE, hint) from problem
        return Lines(
            _lines(session),
            headers={"location": f"/v1/sessions/{session.id}"},
            send_s=limits.send_s,
            on_end=lambda: self.sessions.end(session, "interrupted"),
        )

    async def health(self, request: Request) -> Response:
        """``GET /healthz``"""
        if not self.sessions.alive:
            raise ProblemError(ProblemType.UNAVAILABLE, "the worker thread has died; a new one is starting")
        return json_response({"status": "ok"})

    async def readiness(self, request: Request) -> Response:
        """``GET /readyz``"""
        if not self.sessions.ready:
            raise ProblemError(ProblemType.UNAVAILABLE, "the server is shutting down, or its worker thread has died")
        return json_response({"status": "ok"})

    async def prometheus(self, request: Request) -> Response:
        """``GET /metrics``"""
        return Response(self.metrics.page(), headers={"content-type": MEDIA_TYPE})

    async def openapi(self, request: Request) -> Response:
        """``GET /openapi.json``"""
        return json_response(openapi(self.bundles.event_schemas))

    async def asyncapi(self, request: Request) -> Response:
        """``GET /asyncapi.json``"""
        return json_response(asyncapi(self.bundles.event_schemas))

    async def schema(self, request: Request) -> Response:
        """``GET /schemas/v1/{name}``"""
        name, known = request.path_params["name"], {**self.bundles.schemas, **schemas()}
        if name not in known:
            raise ProblemError(ProblemType.NOT_FOUND, f"schema {name!r}: unknown schema; available: {', '.join(known)}")
        return json_response(known[name], media_type="application/schema+json")

    async def page(self, request: Request) -> Response:
        """``GET /`` and ``GET /playground/{name}``"""
        name = request.path_params.get("name", playground.PAGE)
        asset = playground.assets().get(name)
        if asset is None:
            raise ProblemError(ProblemType.NOT_FOUND, f"{playground.FOLDER}{name}: no such file")
        return playground.asset_response(request, asset)

    def _session(self, request: Request) -> ServerSession:
        return self.sessions.get(request.path_params["id"])


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with a problem where no route matches, also to WebSocket handshakes."""
    if scope["type"] != "websocket":
        raise HTTPException(HTTPStatus.NOT_FOUND)
    problem = ProblemError(
        ProblemType.NOT_FOUND, f"{scope['path']}: no WebSocket at this path; /asyncapi.json lists all"
    )
    await _deny(WebSocket(scope, receive, send), problem)


async def _deny(websocket: WebSocket, problem: ProblemError) -> None:
    """Refuse a WebSocket handshake."""
    # The client may have disconnected.
    with contextlib.suppress(WebSocketDisconnect):
        await websocket.send_denial_response(problem.response())


async def _lines(session: ServerSession) -> AsyncGenerator[str, None]:
    """The events of an upload as NDJSON lines."""
    try:
        async with contextlib.aclosing(session.read_events()) as events:
            async for event in events:
                yield event.json + "\n"
    except EventsExpiredError as expired:
        # Only where limits.events is smaller than the lag that pauses the analysis.
        raise events_gone(expired) from expired


def _next_number(session: ServerSession, after: str | None) -> int | None:
    """The number of the event that follows an event id; None if there is no id.

    :raises ProblemError: the id is malformed or belongs to no event so far, or the next event is no longer available.
    """
    if after is None or after == "":
        return None
    events = session.events
    if not (after.isascii() and after.isdecimal() and len(after) <= _ID_DIGITS):
        raise ProblemError(ProblemType.INVALID, f"event id: expected up to {_ID_DIGITS} digits, got {after!r}")
    number = int(after) + 1
    if number > events.next:
        raise ProblemError(
            ProblemType.INVALID,
            f"event id: expected the id of an event so far, below {events.next:010d}, got {after!r}",
        )
    if number < events.first:
        raise events_gone(EventsExpiredError(number, events.first))
    return number


def _parse_query(query: Mapping[str, str]) -> SessionRequest:
    """The session request in the query of an upload."""
    document: dict[str, Any] = dict(query)
    known = {"bundle", "region", "hop_s", "people", "started_at", "exercises", "expected"}
    if unknown := sorted(set(document) - known):
        raise ProblemError(ProblemType.INVALID, f"query: expected {', '.join(sorted(known))}, got {unknown[0]!r}")
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
    # `curl --data-binary @FILE` declares application/x-www-form-urlencoded for any file.
    if got.startswith("multipart/"):
        raise ProblemError(
            ProblemType.MEDIA,
            f"content-type: expected the video itself as the body, {_CURL_HINT}, got a form ({got})",
        )


def _expect_type(request: Request, expected: str) -> None:
    got = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if got != expected:
        raise ProblemError(ProblemType.MEDIA, f"content-type: expected {expected}, got {got or 'none'}")
