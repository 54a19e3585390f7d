"""The WebSocket and the event stream of the server as AsyncAPI 3, generated from the schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fitsense
from fitsense.server.api.components import components, event_names, reference
from fitsense.server.api.wire import HEADER_BYTES, VERSION, Format
from fitsense.server.security import SUBPROTOCOL, TOKEN_SUBPROTOCOL

_CLOSES = (
    "Close codes of the server: 1000 when the session has ended, 4408 when the client receives nothing for long, 4409 "
    "when another connection pushes into the session, and 4410 when the client was too slow and events are lost."
)
_FRAME = (
    f"A header of {HEADER_BYTES} bytes, big-endian, then the picture: uint8 version, {VERSION}; uint8 format, "
    + ", ".join(f"{one.value} {one.name}" for one in Format)
    + "; int64 presentation time in microseconds of media time. IMAGE is a JPEG or WebP file; H264 one access unit as "
    "an Annex B byte stream, with parameter sets before each key frame; VP8 one frame. The video of a connection "
    "begins with a key frame."
)
_PROBLEM = "The server refused a message; the session continues without it."

_LOCAL = {
    "host": "127.0.0.1:8765",
    "protocol": "ws",
    "description": "Default address of fitsense serve. Only a server with tokens requires one.",
    "security": [{"$ref": "#/components/securitySchemes/token"}],
}
_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": f"A client that cannot set headers offers the subprotocols {SUBPROTOCOL} and "
    f"{TOKEN_SUBPROTOCOL}TOKEN instead.",
}
_QUERY = {
    "type": "object",
    "properties": {
        "after": {
            "type": "string",
            "pattern": "^[0-9]{1,10}$",
            "description": "Id of the last event that the client has.",
        },
        "events": {"enum": ["true", "false"], "default": "true", "description": "Whether the server sends events."},
    },
}


def asyncapi(of_plugins: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """The AsyncAPI document.

    :param of_plugins: schemas of the events that plugins add, by event type.
    """
    schemas = components(of_plugins)
    types = {**{name: f"fitsense.{name}" for name in event_names()}, **{name: name for name in of_plugins or {}}}
    events = {_key(f"event.{name}"): _event(name, type_, schemas) for name, type_ in types.items()}
    sent = {**events, "problem": _json("Problem", _PROBLEM, "server.problem")}
    pushed = {
        "frame": {
            "title": "Picture",
            "contentType": "application/octet-stream",
            "summary": _FRAME,
            "payload": {"type": "string", "format": "binary", "minLength": HEADER_BYTES + 1},
        },
        "control": _json("Control", schemas["server.control"]["description"], "server.control"),
    }
    return {
        "asyncapi": "3.0.0",
        "id": "urn:fitsense:v1",
        "info": {
            "title": "fitsense",
            "version": fitsense.__version__,
            "description": "The streams of a session. /openapi.json describes how to open one.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"local": _LOCAL},
        "channels": {
            "frames": {
                "address": "/v1/sessions/{id}/frames",
                "title": "Pictures in, events out",
                "description": _CLOSES,
                "parameters": {"id": {"$ref": "#/components/parameters/id"}},
                "messages": _references({**pushed, **sent}),
                "bindings": {"ws": {"method": "GET", "query": _QUERY}},
            },
            "events": {
                "address": "/v1/sessions/{id}/events",
                "title": "Events as Server-Sent Events",
                "description": "id is the event's id; Last-Event-ID resumes after it. Problems are named problem.",
                "parameters": {"id": {"$ref": "#/components/parameters/id"}},
                "messages": _references(sent),
                "bindings": {"http": {}},
            },
        },
        "operations": {
            "push": _operation("receive", "frames", pushed, "Pictures that a client pushes"),
            "notify": _operation("send", "frames", sent, "Events and problems"),
            "follow": _operation("send", "events", sent, "Events over HTTP"),
        },
        "components": {
            "schemas": schemas,
            "messages": {**pushed, **sent},
            "parameters": {"id": {"description": "The session's id."}},
            "securitySchemes": {"token": _TOKEN},
        },
    }


def _key(name: str) -> str:
    """A name in camel case: tools misread dots in the key of a component."""
    first, *rest = name.split(".")
    return first + "".join(part.capitalize() for part in rest)


def _event(name: str, type_: str, schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        **_json(schemas[name]["title"], schemas[name]["description"], f"event.{name}"),
        "name": type_,
    }


def _json(title: str, summary: str, schema: str) -> dict[str, Any]:
    return {"title": title, "summary": summary, "contentType": "application/json", "payload": reference(schema)}


def _references(messages: dict[str, Any]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in messages}


def _operation(action: str, channel: str, messages: dict[str, Any], summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }
