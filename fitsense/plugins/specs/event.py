"""Events that a plugin adds to sessions, and their schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen
class EventSchema:
    """JSON Schema of an event that the plugin adds to sessions, as a :class:`PluginEvent`.

    :param type: type of the event, ``<plugin name>.<something>``.
    :param schema: a JSON Schema 2020-12 whose ``$id`` starts with ``urn:fitsense:plugin:<plugin name>:``. It may refer
        to the schemas of fitsense by their ``$id``.
    """

    type: str
    schema: Mapping[str, Any]


@attrs.frozen
class PluginEvent:
    """Event that an observer adds to a session.

    :param type: a type whose schema the plugin registered.
    :param data: a JSON object that obeys the schema.
    """

    type: str
    data: Mapping[str, Any]
