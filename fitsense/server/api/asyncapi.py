"""The streams of the server as AsyncAPI 3, made from the schemas."""

from __future__ import annotations

from typing import Any

import fitsense
from fitsense.server.api.components import components, event_names, reference
from fitsense.server.api.wire import HEADER_BYTES, VERSION, Format
from fitsense.server.security import SUBPROTOCOL, TOKEN_SUBPROTOCOL

_CLOSES = (
    "The server closes with 1000 when the session has ended, 4408 when the client takes nothing for long, 4409 when "
    "another connection pushes into the session, and 4410 when the client was too slow to be told all events."
)
_FRAME = (
    f"A header of {HEADER_BYTES} bytes, big-endian, and the picture: uint8 version, {VERSION}; uint8 format, "
    + ", ".join(f"{one.value} {one.name}" for one in Format)
    + "; int64 presentation time in microseconds of media time. IMAGE is a JPEG or WebP file; H264 one access unit as "
    "an Annex B byte stream, with parameter sets before each key frame; VP8 one frame. A connection's video begins "
    "with a key frame."
)
_PROBLEM = "A message was refused; the session goes on without it."


def asyncapi() -> dict[str, Any]:
    """The document."""
    schemas = components()
    events = {_key(f"event.{name}"): _event(name, schemas) for name in event_names()}
    told = {**events, "problem": _json("Problem", _PROBLEM, "server.problem")}
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
            "description": "The streams of a session, which /openapi.json tells how to open.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8765",
                "protocol": "ws",
                "description": "Where fitsense serve listens by default. Tokens are needed only if the server has any.",
                "security": [{"$ref": "#/components/securitySchemes/token"}],
            }
        },
        "channels": {
            "frames": {
                "address": "/v1/sessions/{id}/frames",
                "title": "Pictures in, events out",
                "description": _CLOSES,
                "parameters": {"id": {"$ref": "#/components/parameters/id"}},
                "messages": _references({**pushed, **told}),
                "bindings": {
                    "ws": {
                        "method": "GET",
                        "query": {
                            "type": "object",
                            "properties": {
                                "after": {
                                    "type": "string",
                                    "pattern": "^[0-9]{1,10}$",
                                    "description": "Id of the last event that is known.",
                                },
                                "events": {
                                    "enum": ["true", "false"],
                                    "default": "true",
                                    "description": "Whether events are sent.",
                                },
                            },
                        },
                    }
                },
            },
            "events": {
                "address": "/v1/sessions/{id}/events",
                "title": "Events as Server-Sent Events",
                "description": "id is the event's, which Last-Event-ID asks for what follows. A problem has that name.",
                "parameters": {"id": {"$ref": "#/components/parameters/id"}},
                "messages": _references(told),
                "bindings": {"http": {}},
            },
        },
        "operations": {
            "push": _operation("receive", "frames", pushed, "Pictures that a client pushes"),
            "tell": _operation("send", "frames", told, "Events, and what was refused"),
            "follow": _operation("send", "events", told, "Events, over HTTP"),
        },
        "components": {
            "schemas": schemas,
            "messages": {**pushed, **told},
            "parameters": {"id": {"description": "The session's id."}},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"Whoever cannot set headers offers the subprotocols {SUBPROTOCOL} and "
                    f"{TOKEN_SUBPROTOCOL}TOKEN instead.",
                }
            },
        },
    }


def _key(name: str) -> str:
    """A name without dots: in a component's key they mislead tools."""
    first, *rest = name.split(".")
    return first + "".join(part.capitalize() for part in rest)


def _event(name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        **_json(schemas[name]["title"], schemas[name]["description"], f"event.{name}"),
        "name": f"fitsense.{name}",
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
