"""Identity of a plugin, and the version of the hooks and specs for which it was written."""

from __future__ import annotations

import attrs

API_VERSION = 1
"""Version of the hooks and specs. Each plugin states the one for which it was written."""


@attrs.frozen
class PluginInfo:
    """Identity of a plugin.

    :param name: lower-case letters, digits and hyphens; the part before the slash in ``plugin/name``.
    :param version: version of the plugin.
    :param api_version: the :data:`API_VERSION` for which it was written, as a literal number.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    version: str
    api_version: int = 1
    summary: str = ""
