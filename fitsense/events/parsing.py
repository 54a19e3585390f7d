"""Events from the wire: JSON objects back to :class:`~fitsense.events.model.Event`."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

import attrs
import cattrs

from fitsense.errors import SchemaError
from fitsense.events.model import BuiltInData, Event

_PREFIX = "fitsense."
_SHOWN_CHARACTERS = 80


@attrs.frozen
class OtherEvent:
    """An event that this version has no class for: of a plugin, or of another version of fitsense.

    :param id: unique within `source`; a connection can be resumed after it.
    :param source: URI reference of the session.
    :param type: such as ``jumps.counted``.
    :param time: wall-clock time, if the event has one.
    :param data: as it was received.
    :param subject: the person it is about, in a session of several people.
    """

    id: str
    source: str
    type: str
    time: datetime | None
    data: Mapping[str, Any]
    subject: str | None = None


def parse_event(event: str | bytes | Mapping[str, Any]) -> Event | OtherEvent:
    """Read an event of the wire, as JSON text or as the object that it is.

    Properties that this version does not know are left out of ``data``. An event of an unknown type, or one whose data
    lacks a property that its class needs, becomes an :class:`OtherEvent`, which keeps everything.

    :raises SchemaError: it is no event; the message says why.
    """
    document = _object(event)
    data = document["data"]
    time = _time(document.get("time"))
    subject = document.get("subject")
    kind = _classes().get(document["type"])
    sequence = str(document.get("sequence", document["id"]))
    if kind is not None and time is not None and sequence.isascii() and sequence.isdigit():
        try:
            known = Event(document["source"], int(sequence), time, cattrs.structure(data, kind), subject)
        except (cattrs.BaseValidationError, AttributeError, TypeError, ValueError):
            pass
        else:
            if known.id == document["id"]:
                return known
    return OtherEvent(document["id"], document["source"], document["type"], time, data, subject)


@functools.cache
def _classes() -> Mapping[str, Any]:
    return {_PREFIX + kind.TYPE: kind for kind in get_args(BuiltInData)}


def _object(event: str | bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(event, str | bytes):
        try:
            document = json.loads(event)
        except (ValueError, RecursionError):
            raise SchemaError(f"expected an event as a JSON object, got {_shown(event)}") from None
    else:
        document = event
    if not isinstance(document, Mapping):
        raise SchemaError(f"expected an event as a JSON object, got {_shown(repr(document))}")
    for name, kind, words in (
        ("id", str, "a string"),
        ("type", str, "a string"),
        ("data", Mapping, "an object"),
    ):
        if not isinstance(document.get(name), kind):
            raise SchemaError(f"event: expected {words} as {name!r}, got {_shown(repr(document.get(name)))}")
    for name in ("source", "subject"):
        if not isinstance(document.get(name, ""), str):
            raise SchemaError(f"event: expected a string as {name!r}, got {_shown(repr(document[name]))}")
    return {"source": "", **document}


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _shown(text: str | bytes) -> str:
    shown = text.decode("utf-8", errors="replace") if isinstance(text, bytes) else text
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + "…"
