"""Calls of the hook ``fitsense_event_emitted``, and validation of the events that observers add."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

import attrs

from fitsense.errors import FitsenseError, PluginError
from fitsense.events.model import Event
from fitsense.events.plugin_data import PluginData
from fitsense.events.schema import check_document, schemas, validator
from fitsense.plugins._discovery import described
from fitsense.plugins._trace import traced
from fitsense.plugins.specs import EventSchema, PluginEvent

if TYPE_CHECKING:
    import pluggy
    from jsonschema import Draft202012Validator

_LOGGER = logging.getLogger("fitsense.plugins")


@attrs.frozen
class ObserverReply:
    """Reply of one observer to an event.

    :param plugin: name of the observer's plugin.
    :param added: data of the events that it adds.
    :param fault: why its reply was left out; empty if it was not.
    """

    plugin: str
    added: tuple[PluginData, ...] = ()
    fault: str = ""


class Observers:
    """Calls observers one by one, so that one that fails affects no other.

    :param schemas: event schemas by type.
    """

    def __init__(self, schemas: Mapping[str, EventSchema]) -> None:
        self._schemas = schemas
        self._validators: dict[str, Draft202012Validator] = {}
        self.failures: dict[str, int] = {}

    def adds_events(self, plugin: str) -> bool:
        """True if a plugin has registered schemas of events."""
        return any(type_.startswith(f"{plugin}.") for type_ in self._schemas)

    def call(
        self, implementations: Iterable[pluggy.HookImpl], source: str, event: Event, states: MutableMapping[str, str]
    ) -> list[ObserverReply]:
        """Call observers in their order. One that fails, or adds an invalid event, adds none and keeps its state.

        :param states: JSON of each observer's state by plugin name; those of observers that ask for it are replaced.
        """
        return [reply for one in implementations if (reply := self._call(one, source, event, states)) is not None]

    def _call(
        self, implementation: pluggy.HookImpl, source: str, event: Event, states: MutableMapping[str, str]
    ) -> ObserverReply | None:
        plugin = implementation.plugin_name
        if isinstance(event.data, PluginData) and event.type.startswith(f"{plugin}."):
            return None
        state = json.loads(states.get(plugin, "{}"))
        # A copy for each observer, so that none can change the event for the others.
        arguments = {"source": source, "event": copy.deepcopy(event), "state": state}
        try:
            observe = traced(plugin, "fitsense_event_emitted", implementation.function)
            result: Any = observe(*(arguments[name] for name in implementation.argnames))
            added = tuple(self._data(plugin, event, one) for one in (() if result is None else result))
            after = json.dumps(state, allow_nan=False) if "state" in implementation.argnames else ""
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.failures[plugin] = self.failures.get(plugin, 0) + 1
            _LOGGER.exception("plugin %s failed to observe %s", plugin, event.type)
            return ObserverReply(plugin, fault=str(error) if isinstance(error, FitsenseError) else described(error))
        if state:
            states[plugin] = after
        else:
            states.pop(plugin, None)
        return ObserverReply(plugin, added)

    def _data(self, plugin: str, event: Event, added: Any) -> PluginData:
        """Validated data of an event that an observer yields."""
        if not isinstance(added, PluginEvent):
            raise PluginError(f"expected PluginEvents, got {type(added).__name__}")
        if isinstance(event.data, PluginData):
            raise PluginError(f"{added.type}: expected events in reply to those of fitsense, got one to {event.type}")
        schema = self._schemas.get(added.type)
        if schema is None or not added.type.startswith(f"{plugin}."):
            own = [type_ for type_ in self._schemas if type_.startswith(f"{plugin}.")]
            raise PluginError(
                f"expected an event of a type that the plugin registered ({', '.join(own) or 'none'}), "
                f"got {added.type!r}"
            )
        try:
            values = json.loads(json.dumps(added.data, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise PluginError(f"{added.type}: expected JSON values, got others: {error}") from error
        if not isinstance(values, dict):
            raise PluginError(f"{added.type}: expected a JSON object, got {type(added.data).__name__}")
        if schema.type not in self._validators:
            self._validators[schema.type] = validator(schema.schema, schemas().values())
        check_document(self._validators[schema.type], values, schema.type)
        return PluginData(schema.type, schema.schema["$id"], values)
