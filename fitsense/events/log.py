"""Reads event logs, the NDJSON that ``fitsense analyze`` writes.

A log may be of an older or a newer fitsense, may contain events of plugins and of several sessions or people, may
repeat events that a resumed session emitted again, and may break off in the middle of a line. None of
these is an error.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

import attrs

from fitsense.errors import SchemaError

Envelope = Mapping[str, Any]
"""An event as a JSON object: CloudEvents attributes and ``data``."""

_PREFIX = "fitsense."

# Events that are emitted no earlier than the end of what they report.
_EMITTED_AFTERWARDS = (
    "exercise.updated",
    "exercise.ended",
    "repetition.completed",
    "muscles.activated",
    "session.ended",
)

_SHOWN_CHARACTERS = 60
_MAX_DIGITS = 300


@attrs.frozen
class EventLog:
    """The events of one session about one person.

    :param source: the session's source, as its host named it.
    :param subject: the subject of the events, for a session of several people; else None.
    :param events: envelopes in the order of the file, each once; unknown types are included.
    """

    source: str
    subject: str | None
    events: tuple[Envelope, ...]

    @property
    def complete(self) -> bool:
        """True if the log has ``session.ended``; a log that breaks off does not."""
        return self.last("session.ended") is not None

    def data(self, name: str) -> list[Mapping[str, Any]]:
        """``data`` of the events of a type, such as ``exercise.ended``, in order."""
        return [event["data"] for event in self.events if event["type"] == _PREFIX + name]

    def last(self, name: str) -> Mapping[str, Any] | None:
        """``data`` of the last event of a type, or None."""
        return next(reversed(self.data(name)), None)

    @property
    def started_at(self) -> datetime | None:
        """Wall-clock time of media time 0, in the events' time zone; None if no event determines it.

        An event's ``time`` is this plus the media time of its emission, which is never before the end of what it
        reports. In a log without ``session.ended``, the result may be late by the delay of the events.
        """
        names = [_PREFIX + name for name in _EMITTED_AFTERWARDS]
        starts = [_start(event) for event in self.events if event["type"] in names]
        return min((start for start in starts if start is not None), default=None)


def read_log(lines: Iterable[str | bytes]) -> list[EventLog]:
    """Read the sessions of an event log, in the order of their first events; one per person for several people.

    :param lines: NDJSON, one event a line; bytes are UTF-8. Empty lines are skipped, and the last may be cut off.
    :raises SchemaError: a line is not an event (the message has its number), or there are no events.
    """
    groups: list[list[Envelope]] = []
    current: dict[tuple[str, str | None], tuple[list[Envelope], set[str]]] = {}
    for event in _events(lines):
        key = event["source"], event.get("subject")
        if key not in current or event["type"] == "fitsense.session.started":
            current[key] = [], set()
            groups.append(current[key][0])
        events, ids = current[key]
        if "id" in event:
            if event["id"] in ids:
                continue
            ids.add(event["id"])
        events.append(event)
    return [EventLog(events[0]["source"], events[0].get("subject"), tuple(events)) for events in groups]


def load_log(file: Path | IO[bytes]) -> list[EventLog]:
    """Read the sessions of a file or an open binary stream, see :func:`read_log`; UTF-16 of some shells is accepted.

    :raises SchemaError: not an event log.
    :raises OSError: the file cannot be read.
    """
    content = file.read_bytes() if isinstance(file, Path) else file.read()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if wide:
        return read_log(content.decode("utf-16", errors="replace").split("\n"))
    return read_log(content.removeprefix(codecs.BOM_UTF8).split(b"\n"))


def _events(lines: Iterable[str | bytes]) -> Iterator[Envelope]:
    """Parse the events of lines; an invalid last line is ignored if there are events before it."""
    cut_off: SchemaError | None = None
    number, found = 0, False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if cut_off is not None:
            raise cut_off
        try:
            event = json.loads(line, parse_int=_integer, parse_constant=_refuse)
        except (ValueError, RecursionError):
            cut_off = SchemaError(f"line {number}: expected an event as a JSON object, got {_shown(line)}")
            continue
        _check(event, number)
        found = True
        yield event
    if not found:
        raise cut_off or SchemaError(f"expected events, one a line, got {number} empty lines")


def _check(event: Any, number: int) -> None:
    if not isinstance(event, dict):
        raise SchemaError(f"line {number}: expected an event as a JSON object, got {_shown(json.dumps(event))}")
    for name, kind in (("type", str), ("source", str), ("data", dict)):
        if not isinstance(event.get(name), kind):
            what = "an object" if kind is dict else "a string"
            got = _shown(json.dumps(event[name])) if name in event else "none"
            raise SchemaError(f"line {number}: an event has {what} as {name!r}; got {got}")
    for name in ("subject", "id", "time"):
        if not isinstance(event.get(name, ""), str):
            raise SchemaError(
                f"line {number}: an event has a string as {name!r}; got {_shown(json.dumps(event[name]))}"
            )


def _start(event: Envelope) -> datetime | None:
    end_s = event["data"].get("end_s")
    try:
        start = datetime.fromisoformat(event["time"]) - timedelta(milliseconds=round(end_s * 1000))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return start if start.tzinfo is not None else None


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError("more than a float can hold")
    return int(digits)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _shown(line: str | bytes) -> str:
    text = line.decode("utf-8", errors="replace") if isinstance(line, bytes) else line
    text = text.strip()
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")
