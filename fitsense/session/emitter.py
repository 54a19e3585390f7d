"""Emitter: numbers events and adds their wall-clock time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import attrs

from fitsense.errors import InvalidInputError
from fitsense.events.model import Event, EventData, SessionEnded, SessionWarning, event_time
from fitsense.plugins._manager import PluginManager
from fitsense.plugins._observers import ObserverReply
from fitsense.session.debug_log import log_event


@attrs.define
class EmitterState:
    """State of an :class:`Emitter`.

    :param sequence: number of the next event.
    :param media_s: current media time in seconds; None before the first frame.
    :param observers: JSON of each observer's state, by plugin name.
    :param failed: plugins and tasks of whose failure a warning was given.
    """

    sequence: int = 0
    media_s: float | None = None
    observers: dict[str, str] = attrs.field(factory=dict)
    failed: list[str] = attrs.field(factory=list)

    @observers.validator
    def _are_objects(self, attribute: attrs.Attribute[Any], value: dict[str, str]) -> None:
        for plugin, state in value.items():
            if not isinstance(json.loads(state), dict):
                raise InvalidInputError(f"observers[{plugin}]: expected a JSON object, got {state[:40]}")


class Emitter:
    """Creates the events of one source.

    :param source: the source's name, a URI reference.
    :param started_at: wall-clock time of media time 0.
    :param plugins: plugins whose observers get each event, and may add others.
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

    def emit(self, data: EventData, subject: str | None = None) -> list[Event]:
        """Create an event at the current media time, and those that observers add in reply.

        Observers get each event before it is returned. Added events follow the event, or precede ``session.ended``,
        after which there are none.
        """
        if not isinstance(data, SessionEnded):
            event = self._number(data, subject)
            return [event, *self._add(self._plugins.notify(self._source, event, self.state.observers), subject)]
        # Plugins that add events get it first, with the number that it has if they add none.
        draft = self._event(data, subject)
        added = self._add(self._plugins.notify(self._source, draft, self.state.observers, adding=True), subject)
        event = self._number(data, subject)
        self._plugins.notify(self._source, event, self.state.observers, adding=False)
        return [*added, event]

    def _add(self, replies: Iterable[ObserverReply], subject: str | None) -> list[Event]:
        """Events of observers' replies, and a warning for each plugin whose reply was the first to be left out."""
        emitted: list[Event] = []
        for reply in replies:
            for data in reply.added:
                event = self._number(data, subject)
                emitted.append(event)
                emitted += self._add(self._plugins.notify(self._source, event, self.state.observers), subject)
            if reply.fault and self._plugins.adds_events(reply.plugin):
                message = f"events of the plugin {reply.plugin} are left out: {reply.fault}"
                emitted += self.warn_once(reply.plugin, message, subject)
        return emitted

    def warn_once(self, cause: str, message: str, subject: str | None) -> list[Event]:
        """Warn of a failing plugin, the first time that `cause`, the name of a plugin or a task, fails."""
        if cause in self.state.failed:
            return []
        self.state.failed.append(cause)
        at_s = self.state.media_s or 0.0
        return self.emit(SessionWarning("plugin_failed", message, at_s, at_s), subject)

    def _number(self, data: EventData, subject: str | None) -> Event:
        event = self._event(data, subject)
        self.state.sequence += 1
        log_event(event)
        return event

    def _event(self, data: EventData, subject: str | None) -> Event:
        if self.state.media_s is None:
            self.state.media_s = 0.0
        time = event_time(self._started_at, self.state.media_s)
        return Event(self._source, self.state.sequence, time, data, subject)
