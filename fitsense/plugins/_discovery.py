"""Selection of installed entry points: built-in ones first, then others by name.

An entry point is selected by its name, by its distribution's name (all entry points of that distribution), or by both:
``distribution:name``. The name of a built-in entry point selects only that one, whatever else is installed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from importlib import metadata
from typing import Any

import attrs

from fitsense.errors import AmbiguousNameError, PluginError, UnknownNameError

ENTRY_POINT_GROUP = "fitsense"
_OWN_DISTRIBUTION = "fitsense"


@attrs.frozen
class Candidate:
    """An installed entry point and the distribution that declares it.

    :param distribution: normalised name of the distribution; empty if unknown.
    :param version: version of the distribution.
    """

    entry_point: metadata.EntryPoint
    distribution: str
    version: str

    @classmethod
    def of(cls, entry_point: metadata.EntryPoint) -> Candidate:
        distribution = entry_point.dist
        if distribution is None:
            return cls(entry_point, "", "")
        return cls(entry_point, _normalised(distribution.name), distribution.version)

    @property
    def name(self) -> str:
        """The entry point's name."""
        return self.entry_point.name

    @property
    def built_in(self) -> bool:
        """True if the distribution is fitsense."""
        return self.distribution == _OWN_DISTRIBUTION

    @property
    def full_name(self) -> str:
        """``distribution:name``."""
        return f"{self.distribution}:{self.name}"

    @property
    def origin(self) -> str:
        """The distribution and its version, for reports."""
        return f"{self.distribution} {self.version}" if self.distribution else self.entry_point.value

    def matches(self, name: str) -> bool:
        """True if `name` is the name of the entry point, of its distribution, or ``distribution:name``."""
        distribution, colon, entry_point = name.partition(":")
        if colon:
            return (_normalised(distribution), entry_point) == (self.distribution, self.name)
        return name == self.name or (bool(self.distribution) and _normalised(name) == self.distribution)

    def load(self) -> Any:
        """Import the plugin.

        :raises PluginError: importing it fails, whatever it raises; only an interrupt by the user is not converted.
        """
        try:
            return self.entry_point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PluginError(f"importing {self.entry_point.value} failed: {described(error)}") from error


def described(error: BaseException) -> str:
    """Type and message of an error; errors of plugins may fail to format."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def installed() -> list[Candidate]:
    """Installed entry points: built-in ones first, then by name."""
    candidates = map(Candidate.of, metadata.entry_points(group=ENTRY_POINT_GROUP))
    return sorted(candidates, key=lambda one: (not one.built_in, one.name, one.distribution))


def allowed(candidates: Collection[Candidate], names: Iterable[str]) -> frozenset[Candidate]:
    """The candidates that `names` select.

    :raises UnknownNameError: a name is not installed; the message lists the installed names.
    :raises AmbiguousNameError: several distributions share a name; the message lists their full names.
    """
    selected: set[Candidate] = set()
    unknown = []
    for name in sorted(set(names)):
        found = [one for one in candidates if one.matches(name)]
        own = [one for one in found if one.built_in]
        if not found:
            unknown.append(name)
        elif not own and len({one.distribution for one in found}) > 1:
            raise AmbiguousNameError(
                f"allow: expected a name of one distribution, got {name!r}, which several share; "
                f"use one of: {', '.join(one.full_name for one in found)}"
            )
        selected.update(own or found)
    if unknown:
        available = [one.name if one.built_in else one.full_name for one in candidates]
        raise UnknownNameError(
            f"allow: no installed entry point or distribution is named {' or '.join(map(repr, unknown))}; "
            f"available: {', '.join(available) or 'none'}"
        )
    return frozenset(selected)


def _normalised(distribution: str) -> str:
    """Name of a distribution as package indexes normalise it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
