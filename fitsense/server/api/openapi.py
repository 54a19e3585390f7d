"""The HTTP part of the server as OpenAPI 3.1, made from the schemas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import fitsense
from fitsense.server.api.components import components, reference
from fitsense.server.api.problems import MEDIA_TYPE as PROBLEM
from fitsense.server.api.problems import ProblemType

_EVENTS = "application/x-ndjson"
# What any request may be answered.
_ALWAYS = (
    ProblemType.UNAUTHORIZED,
    ProblemType.FORBIDDEN_HOST,
    ProblemType.FORBIDDEN_ORIGIN,
    ProblemType.TOO_MANY_REQUESTS,
    ProblemType.FAILED,
    ProblemType.UNAVAILABLE,
)
_AFTER = "Id of the last event that is known; what follows it is sent. Left out: all events that are kept."
_LINES = "One event a line, each as the schema event says."
_SSE = (
    "Server-Sent Events: data is an event as JSON, as the schema event says, and id is its id. Events have no name of "
    "their own, so that one listener hears all. One that is named problem says that the client was too slow, and some "
    "are not kept any more. The stream ends with the session."
)


def openapi() -> dict[str, Any]:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fitsense",
            "version": fitsense.__version__,
            "summary": "Video in, events out: exercises, repetitions, muscle groups.",
            "description": "Sessions over HTTP. Pictures are pushed over a WebSocket, which /asyncapi.json describes.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {}],
        "paths": {
            "/v1/sessions": {
                "get": _operation("listSessions", "Sessions that are open, or ended lately", {200: _json(_SESSIONS)}),
                "post": _operation(
                    "createSession",
                    "Open a session",
                    {201: _created("server.session")},
                    (
                        ProblemType.MALFORMED,
                        ProblemType.INVALID,
                        ProblemType.SOURCE,
                        ProblemType.MEDIA,
                        ProblemType.TOO_LARGE,
                        *_BUSY,
                    ),
                    body={"application/json": {"schema": reference("server.session.request"), "examples": _EXAMPLES}},
                ),
            },
            "/v1/sessions/{id}": {
                "parameters": [_ID],
                "get": _operation("showSession", "One session", {200: _json("server.session")}, _OF_ONE),
                "delete": _operation(
                    "deleteSession",
                    "End a session, or forget one that has ended",
                    {200: _json("server.session"), 204: {"description": "It had ended, and is forgotten."}},
                    _OF_ONE,
                ),
            },
            "/v1/sessions/{id}/events": {
                "parameters": [_ID],
                "get": _operation(
                    "followEvents",
                    "A session's events, as they happen",
                    {
                        200: {"description": _SSE, "content": {"text/event-stream": {"schema": {"type": "string"}}}},
                        204: {"description": "The session has ended, and all was told: do not ask again."},
                    },
                    (*_OF_ONE, ProblemType.INVALID, ProblemType.EVENTS_GONE),
                    parameters=[_query("after", _AFTER, _EVENT_ID), _LAST_EVENT_ID],
                ),
            },
            "/v1/sessions/{id}/events.ndjson": {
                "parameters": [_ID],
                "get": _operation(
                    "downloadEvents",
                    "A session's events so far",
                    {200: {"description": _LINES, "content": {_EVENTS: {"schema": {"type": "string"}}}}},
                    (*_OF_ONE, ProblemType.INVALID, ProblemType.EVENTS_GONE),
                    parameters=[_query("after", _AFTER, _EVENT_ID)],
                ),
            },
            "/v1/analyses": {
                "post": _operation(
                    "analyse",
                    "Analyse a video, which is the body; its events come as they happen",
                    {
                        200: {
                            "description": _LINES,
                            "headers": {"location": _LOCATION},
                            "content": {_EVENTS: {"schema": {"type": "string"}}},
                        }
                    },
                    (
                        ProblemType.MALFORMED,
                        ProblemType.INVALID,
                        ProblemType.MEDIA,
                        ProblemType.SOURCE,
                        ProblemType.TOO_LARGE,
                        *_BUSY,
                    ),
                    parameters=_WISHES,
                    body={"application/octet-stream": {}, "video/*": {}},
                ),
            },
            "/healthz": {
                "get": _operation("health", "Whether the process lives and works", {200: _json(_STATUS)}, open_=True)
            },
            "/readyz": {
                "get": _operation(
                    "readiness",
                    "Whether sessions can be opened",
                    {200: _json(_STATUS)},
                    open_=True,
                )
            },
            "/metrics": {
                "get": _operation(
                    "metrics",
                    "Figures for Prometheus",
                    {
                        200: {
                            "description": "Its text format.",
                            "content": {"text/plain": {"schema": {"type": "string"}}},
                        }
                    },
                )
            },
            "/openapi.json": {"get": _operation("openapi", "This document", {200: _json({"type": "object"})})},
            "/asyncapi.json": {"get": _operation("asyncapi", "The WebSocket", {200: _json({"type": "object"})})},
            "/schemas/v1/{name}": {
                "parameters": [_NAME],
                "get": _operation(
                    "schema",
                    "One of the JSON Schemas",
                    {
                        200: {
                            "description": "It.",
                            "content": {"application/schema+json": {"schema": {"type": "object"}}},
                        }
                    },
                    (ProblemType.NOT_FOUND,),
                    open_=True,
                ),
            },
            "/": {"get": _operation("playground", "A page to try the server", {200: _file("text/html")}, open_=True)},
            "/playground/{name}": {
                "parameters": [_NAME],
                "get": _operation(
                    "playgroundFile",
                    "What the page needs",
                    {200: _file("text/html", "text/css", "text/javascript", "image/svg+xml", "application/json")},
                    (ProblemType.NOT_FOUND,),
                    open_=True,
                ),
            },
        },
        "components": {
            "schemas": components(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "One of the server's tokens, if it has any; at the loopback it need not.",
                }
            },
        },
    }


def _operation(
    name: str,
    summary: str,
    answers: Mapping[int, Mapping[str, Any]],
    problems: Iterable[ProblemType] = (),
    *,
    parameters: Iterable[Mapping[str, Any]] = (),
    body: Mapping[str, Any] | None = None,
    open_: bool = False,
) -> dict[str, Any]:
    """An operation, with all the problems that it may be answered."""
    kinds: dict[int, list[ProblemType]] = {}
    for kind in dict.fromkeys((*problems, *_ALWAYS)):
        kinds.setdefault(kind.status, []).append(kind)
    responses = {str(status): dict(answer) for status, answer in answers.items()}
    responses |= {str(status): _problem(kinds[status]) for status in sorted(kinds)}
    return {
        "operationId": name,
        "summary": summary,
        **({"security": []} if open_ else {}),
        **({"parameters": list(parameters)} if parameters else {}),
        **({"requestBody": {"required": True, "content": dict(body)}} if body is not None else {}),
        "responses": responses,
    }


def _problem(kinds: Iterable[ProblemType]) -> dict[str, Any]:
    return {
        "description": "; ".join(f"{kind.title} (`{kind.type}`)" for kind in kinds),
        "content": {PROBLEM: {"schema": reference("server.problem")}},
    }


def _json(schema: str | Mapping[str, Any]) -> dict[str, Any]:
    shown = reference(schema) if isinstance(schema, str) else dict(schema)
    return {"description": "It is so.", "content": {"application/json": {"schema": shown}}}


def _file(*types: str) -> dict[str, Any]:
    return {"description": "A file.", "content": {type_: {} for type_ in types}}


def _created(name: str) -> dict[str, Any]:
    return {**_json(name), "description": "It is open.", "headers": {"location": _LOCATION}}


def _query(name: str, description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": dict(schema)}


_BUSY = (ProblemType.TOO_MANY_SESSIONS,)
_OF_ONE = (ProblemType.UNKNOWN_SESSION,)
_EVENT_ID = {"type": "string", "pattern": "^[0-9]{1,10}$"}
_LOCATION = {"description": "The session's address.", "schema": {"type": "string"}}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "The session's id."}
_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}, "description": "A file's name."}
_LAST_EVENT_ID = {"name": "Last-Event-ID", "in": "header", "description": _AFTER, "schema": _EVENT_ID}
_STATUS = {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}
_SESSIONS = {
    "type": "object",
    "required": ["sessions"],
    "properties": {"sessions": {"type": "array", "items": reference("server.session")}},
}
_WISHES = [
    _query("bundle", "As of a session.", {"type": "string"}),
    _query("hop_s", "As of a session.", {"type": "number", "minimum": 0.1, "maximum": 60}),
    _query("exercises", "Names with commas between, as of a session.", {"type": "string"}),
    _query("expected", "As of a session.", {"type": "string"}),
    _query("people", "As of a session.", {"type": "boolean"}),
    _query("region", "left,top,right,bottom, as of a session.", {"type": "string"}),
    _query("started_at", "As of a session.", {"type": "string", "format": "date-time"}),
]
_EXAMPLES = {
    "push": {"summary": "Pictures are pushed", "value": {"hop_s": 0.5}},
    "source": {"summary": "The server opens a camera", "value": {"source": "front", "people": True}},
}
