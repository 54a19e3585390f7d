"""Emitter: numbers events and adds their wall-clock time."""

from __future__ import annotations

from datetime import datetime

import attrs

from fitsense.events.model import Event, EventData, event_time
from fitsense.plugins._manager import PluginManager


@attrs.define
class EmitterState:
    """State of an :class:`Emitter`.

    :param sequence: number of the next event.
    :param media_s: current media time in seconds; None before the first frame.
    """

    sequence: int = 0
    media_s: float | None = None


class Emitter:
    """Creates the events of one source.

    :param source: the source's name, a URI reference.
    :param started_at: wall-clock time of media time 0.
    :param plugins: plugins whose observers get each event.
    """

    def __init__(self, source: str, started_at: datetime, plugins: PluginManager) -> None:
        self._source = source
        self._started_at = started_at
        self._plugins = plugins
        self.state = EmitterState()

    def advance(self, media_s: float) -> None:
        """Advance media time to `media_s` seconds; it never runs backwards."""
        now_s = self.state.media_s
        self.state.media_s = media_s if now_s is None else max(now_s, media_s)

    def emit(self, data: EventData, subject: str | None = None) -> Event:
        """Create an event at the current media time; observers get it before it is returned."""
        if self.state.media_s is None:
            self.state.media_s = 0.0
        time = event_time(self._started_at, self.state.media_s)
        event = Event(self._source, self.state.sequence, time, data, subject)
        self.state.sequence += 1
        self._plugins.notify(self._source, event)
        return event
