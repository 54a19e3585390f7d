"""Reports on loading plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

Status = Literal["loaded", "incompatible", "duplicate", "broken", "disabled"]


@attrs.frozen
class PluginReport:
    """Result of loading one plugin.

    :param name: name of the plugin, or of its entry point if the plugin gives none.
    :param status: ``loaded``, or why it is not.
    :param reason: the fault and its remedy; empty if loaded.
    :param version: version of the plugin; empty if not loaded.
    :param summary: summary of the plugin; empty if not loaded.
    :param origin: distribution and version, or ``registered``.
    :param provides: full names of the contributions, by kind.
    :param deprecations: one sentence per deprecated hook or field that the plugin uses, with its replacement.
    """

    name: str
    status: Status
    reason: str = ""
    version: str = ""
    summary: str = ""
    origin: str = ""
    provides: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    deprecations: tuple[str, ...] = ()
