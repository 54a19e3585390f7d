"""The JSON Schemas as components of an OpenAPI or AsyncAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fitsense.events.schema import closed, schemas

_URN_PREFIX = "urn:fitsense:v1:"
_SCHEMAS = "#/components/schemas/"
SERVER = "server."
"""Prefix of the names of the server's schemas; the other schemas describe events."""

_NOT_EVENTS = ("common", "envelope", "model")


def event_names() -> list[str]:
    """Names of all event types, such as ``exercise.ended``."""
    return [name for name in schemas() if name not in _NOT_EVENTS and not name.startswith(SERVER)]


def reference(name: str) -> dict[str, str]:
    """A ``$ref`` to the component of a schema."""
    return {"$ref": _SCHEMAS + name}


def components(of_plugins: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """The schemas of the wire by name; also each event with its envelope as ``event.NAME``, and their union as
    ``event``.

    :param of_plugins: schemas of the events that plugins add, by event type.
    """
    names = {**{name: f"fitsense.{name}" for name in event_names()}, **{name: name for name in of_plugins or {}}}
    documents: dict[str, Any] = {}
    for name, document in schemas().items():
        if name != "model":
            source = closed(document) if name == "server.session.request" else document
            documents[name] = _as_component(source, name)
    for name, document in (of_plugins or {}).items():
        documents[name] = {"title": name, "description": "", **_as_component(document, name, document["$id"])}
    for name, type_ in names.items():
        documents[f"event.{name}"] = {
            "title": documents[name]["title"],
            "description": documents[name]["description"],
            "allOf": [
                reference("envelope"),
                {"properties": {"type": {"const": type_}, "data": reference(name)}},
            ],
        }
    documents["event"] = {
        "title": "Event",
        "description": "One event. Consumers ignore unknown types.",
        "anyOf": [*(reference(f"event.{name}") for name in names), reference("envelope")],
    }
    return documents


def _as_component(document: Any, name: str, own: str = "") -> Any:
    """A schema without ``$schema`` and ``$id``, whose references point to components.

    :param own: the schema's ``$id``, if it refers to itself by that.
    """
    if isinstance(document, Mapping):
        return {
            key: _target(value.removeprefix(own), name) if key == "$ref" else _as_component(value, name, own)
            for key, value in document.items()
            if key not in ("$schema", "$id")
        }
    if isinstance(document, (list, tuple)):
        return [_as_component(value, name, own) for value in document]
    return document


def _target(target: str, name: str) -> str:
    urn, _, pointer = target.partition("#")
    return _SCHEMAS + (urn.removeprefix(_URN_PREFIX) if urn else name) + pointer
