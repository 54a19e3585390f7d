"""fitsense's JSON Schemas as the components of one document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fitsense.events.schema import closed, schemas

_HOME = "urn:fitsense:v1:"
_SCHEMAS = "#/components/schemas/"
SERVER = "server."
"""What the names of the server's own schemas begin with; the others are of events."""

_NO_EVENTS = ("common", "envelope", "model")


def event_names() -> list[str]:
    """The events that there are, such as ``exercise.ended``."""
    return [name for name in schemas() if name not in _NO_EVENTS and not name.startswith(SERVER)]


def reference(name: str) -> dict[str, str]:
    """A reference to a component."""
    return {"$ref": _SCHEMAS + name}


def components() -> dict[str, Any]:
    """Every schema that goes over the wire by its name, each event with its envelope as ``event.NAME``, and
    ``event``, which is any of them."""
    documents: dict[str, Any] = {}
    for name, document in schemas().items():
        if name != "model":
            written = closed(document) if name == "server.session.request" else document
            documents[name] = _placed(written, name)
    for name in event_names():
        documents[f"event.{name}"] = {
            "title": documents[name]["title"],
            "description": documents[name]["description"],
            "allOf": [
                reference("envelope"),
                {"properties": {"type": {"const": f"fitsense.{name}"}, "data": reference(name)}},
            ],
        }
    documents["event"] = {
        "title": "Event",
        "description": "One event; others may come, which consumers ignore.",
        "anyOf": [*(reference(f"event.{name}") for name in event_names()), reference("envelope")],
    }
    return documents


def _placed(document: Any, name: str) -> Any:
    """A schema without a name of its own, whose references lead to components."""
    if isinstance(document, Mapping):
        return {
            key: _target(value, name) if key == "$ref" else _placed(value, name)
            for key, value in document.items()
            if key not in ("$schema", "$id")
        }
    if isinstance(document, (list, tuple)):
        return [_placed(value, name) for value in document]
    return document


def _target(target: str, name: str) -> str:
    home, _, pointer = target.partition("#")
    return _SCHEMAS + (home.removeprefix(_HOME) if home else name) + pointer
