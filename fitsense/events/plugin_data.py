"""Data of events that plugins add."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen
class PluginData:
    """Data of an event that a plugin adds; a JSON object that obeys the schema that the plugin registered.

    :param type: type of the event, ``<plugin name>.<something>``.
    :param schema: ``$id`` of the schema.
    :param values: the JSON object.
    """

    type: str
    schema: str
    values: Mapping[str, Any]
