"""Event logs: what ``fitsense analyze`` writes as NDJSON, read back.

A log may be of an older or a newer fitsense, may hold events of plugins and of several sessions or people, may repeat
events that a resumed session told again, and may break off in the middle of a line: none of that is an error.
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
"""One event as the JSON object that it is on the wire, CloudEvents attributes and ``data``."""

_PREFIX = "fitsense."

# Events whose media time cannot be later than the moment at which they are told.
_TOLD_AFTERWARDS = ("exercise.updated", "exercise.ended", "repetition.completed", "muscles.activated", "session.ended")

_SHOWN_CHARACTERS = 60
_MAX_DIGITS = 300


@attrs.frozen
class EventLog:
    """The events of one session about one person.

    :param source: the session, as its host named it.
    :param subject: whom it is about, where a session tells several apart.
    :param events: envelopes in the order of the file, each once; types that nobody knows are among them.
    """

    source: str
    subject: str | None
    events: tuple[Envelope, ...]

    @property
    def complete(self) -> bool:
        """Whether the session came to its end; a log that breaks off has no ``session.ended``."""
        return self.last("session.ended") is not None

    def data(self, name: str) -> list[Mapping[str, Any]]:
        """``data`` of the events of a type, such as ``exercise.ended``, in order."""
        return [event["data"] for event in self.events if event["type"] == _PREFIX + name]

    def last(self, name: str) -> Mapping[str, Any] | None:
        """``data`` of the last event of a type, or None."""
        return next(reversed(self.data(name)), None)

    @property
    def started_at(self) -> datetime | None:
        """Wall-clock time of media time 0, in the events' own time zone; None where no event tells it.

        An event's ``time`` is this plus the media time at which it was told, never before the end of what it tells.
        In a log without ``session.ended`` it may come out later than it was, by at most as long as telling took.
        """
        names = [_PREFIX + name for name in _TOLD_AFTERWARDS]
        starts = [_start(event) for event in self.events if event["type"] in names]
        return min((start for start in starts if start is not None), default=None)


def read_log(lines: Iterable[str | bytes]) -> list[EventLog]:
    """The sessions of an event log, in the order in which they begin; sessions of several people come once for each.

    :param lines: NDJSON, one event a line; bytes are UTF-8. Empty lines are skipped, and the last may be cut off.
    :raises SchemaError: if a line is no event, or there is none; names the line.
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
    """:func:`read_log` of a file or an open binary stream; also as UTF-16, which some shells redirect to.

    :raises SchemaError: if it is no event log.
    :raises OSError: if it cannot be read.
    """
    content = file.read_bytes() if isinstance(file, Path) else file.read()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if wide:
        return read_log(content.decode("utf-16", errors="replace").split("\n"))
    return read_log(content.removeprefix(codecs.BOM_UTF8).split(b"\n"))


def _events(lines: Iterable[str | bytes]) -> Iterator[Envelope]:
    """Events of lines; one that cannot be read is forgiven if nothing follows it and something came before it."""
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
