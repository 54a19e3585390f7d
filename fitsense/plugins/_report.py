"""Reports on loading plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

Status = Literal["loaded", "incompatible", "duplicate", "broken", "disabled"]


@attrs.frozen
class PluginReport:
    """Result of loading one plugin.

    A plugin is ``broken`` as a whole if it cannot be identified, declares invalid hooks, or has contributions of which
    none is valid. Otherwise it is ``loaded``, with a fault for each contribution that is not valid.

    :param name: name of the plugin, or of its entry point if the plugin gives none.
    :param status: ``loaded``, or why it is not.
    :param reason: the fault and its remedy; empty if loaded.
    :param version: version of the plugin; empty if not loaded.
    :param summary: summary of the plugin; empty if not loaded.
    :param origin: distribution and version, or ``registered``.
    :param provides: full names of the contributions, by kind.
    :param faults: one sentence per contribution that was refused; the plugin's others are available.
    :param deprecations: one sentence per deprecated hook or field that the plugin uses, with its replacement.
    """

    name: str
    status: Status
    reason: str = ""
    version: str = ""
    summary: str = ""
    origin: str = ""
    provides: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    faults: tuple[str, ...] = ()
    deprecations: tuple[str, ...] = ()
