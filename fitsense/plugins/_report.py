"""Reports on plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    pass


Status = Literal["loaded", "incompatible", "duplicate", "broken", "disabled"]


@attrs.frozen
class PluginReport:
    """What became of one plugin.

    :param name: its own name where it could be asked, else its entry point's.
    :param status: ``loaded``, or why not.
    :param reason: what was wrong and what to do; empty when loaded.
    :param origin: the distribution and version that it came from, or ``registered``.
    :param provides: full names of what it offers, by kind.
    :param deprecations: what it uses that is deprecated, since when, until when, and what to use instead.
    """

    name: str
    status: Status
    reason: str = ""
    version: str = ""
    summary: str = ""
    origin: str = ""
    provides: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    deprecations: tuple[str, ...] = ()
