"""Settings of sinks, from TOML files and command lines."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.configs import config_from_json
from fitsense.errors import InvalidInputError
from fitsense.plugins._manager import PluginManager
from fitsense.sinks.delivery import Delivery, DeliveryConfig


@checks_arguments
@attrs.frozen
class SinkSettings:
    """Settings of a sink in a configuration file.

    :param sink: name of the sink, in full or in short.
    :param config: fields of the sink's configuration that differ from its defaults.
    :param delivery: how events are queued and retried.
    """

    sink: str
    config: Mapping[str, Any] = attrs.field(factory=dict)
    delivery: DeliveryConfig = attrs.field(factory=DeliveryConfig)

    @classmethod
    def read(cls, file: Path) -> SinkSettings:
        """Read a TOML file.

        :raises InvalidInputError: the file cannot be read, or its content is invalid.
        """
        try:
            document = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidInputError(f"{file}: expected a sink's configuration as TOML: {error}") from error
        return config_from_json(cls, document, str(file))

    def open(self) -> Delivery:
        """Open the sink with the installed plugins, see :func:`open_sink`."""
        return open_sink(self.sink, self.config, delivery=self.delivery)


def open_sink(
    name: str,
    config: Mapping[str, Any] | None = None,
    *,
    delivery: DeliveryConfig | None = None,
    plugins: PluginManager | None = None,
) -> Delivery:
    """Start delivery of events to a plugin's sink.

    :param name: name such as ``webhook``, in full or, if it is unique, in short.
    :param config: fields of the sink's configuration that differ from its defaults, such as ``{"url": …}``.
    :param delivery: how events are queued and retried; None for the defaults.
    :param plugins: None for the installed ones.
    :raises UnknownNameError: no plugin provides the sink.
    :raises InvalidInputError: the configuration is invalid, or a secret is missing.
    :raises MissingExtraError: the sink needs a package that is not installed.
    """
    plugins = plugins or PluginManager.discover()
    full = plugins.full_name("sink", name)
    spec = plugins.sink(full)
    settings = config_from_json(spec.config, config or {}, full)
    return Delivery(spec.open(settings), full, delivery, batch=spec.batch(settings))
