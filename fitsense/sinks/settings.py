"""Sinks by their settings, as files and commands give them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from fitsense._internal.configs import config_from_json
from fitsense.errors import InvalidInputError
from fitsense.plugins._manager import PluginManager
from fitsense.sinks.delivery import Delivery, DeliveryConfig


@attrs.frozen
class SinkSettings:
    """A sink as a configuration file names it.

    :param sink: its name, in full or in short.
    :param config: what differs from its configuration's defaults.
    """

    sink: str
    config: Mapping[str, Any] = attrs.field(factory=dict)
    delivery: DeliveryConfig = attrs.field(factory=DeliveryConfig)

    @classmethod
    def read(cls, file: Path) -> SinkSettings:
        """What a TOML file says.

        :raises InvalidInputError: it cannot be read, or is not such a configuration.
        """
        try:
            document = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidInputError(f"{file}: expected a sink's configuration as TOML: {error}") from error
        return config_from_json(cls, document, str(file))

    def open(self) -> Delivery:
        """:func:`open_sink`, of the installed plugins."""
        return open_sink(self.sink, self.config, delivery=self.delivery)


def open_sink(
    name: str,
    config: Mapping[str, Any] | None = None,
    *,
    delivery: DeliveryConfig | None = None,
    plugins: PluginManager | None = None,
) -> Delivery:
    """Begin to deliver events to a plugin's sink.

    :param name: its name, such as ``webhook``, in full or, where only one has it, in short.
    :param config: what differs from its configuration's defaults, such as ``{"url": …}``.
    :param delivery: how events are kept and tried again; None for the defaults.
    :param plugins: None for the installed ones.
    :raises UnknownNameError: nobody offers it.
    :raises InvalidInputError: its configuration cannot be, or a secret is missing.
    :raises MissingExtraError: a package that it needs is not installed.
    """
    plugins = plugins or PluginManager.discover()
    full = plugins.full_name("sink", name)
    spec = plugins.sink(full)
    settings = config_from_json(spec.config, config or {}, full)
    return Delivery(spec.open(settings), full, delivery, batch=spec.batch(settings))
