"""Selects the installed entry points that a plugin host loads: those of fitsense first, then others by name.

An entry point is selected by its name, by its distribution's name (all entry points of that distribution), or by both:
``distribution:name``. The names of fitsense's own entry points mean these alone, whatever else is installed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from importlib import metadata

import attrs

from fitsense.errors import AmbiguousNameError, UnknownNameError

ENTRY_POINT_GROUP = "fitsense"
_OWN_DISTRIBUTION = "fitsense"


@attrs.frozen
class Candidate:
    """An installed entry point and the distribution that declares it.

    :param distribution: its normalised name; empty where the entry point does not say.
    :param version: the distribution's.
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
        """Whether it comes with fitsense."""
        return self.distribution == _OWN_DISTRIBUTION

    @property
    def full_name(self) -> str:
        """``distribution:name``."""
        return f"{self.distribution}:{self.name}"

    @property
    def origin(self) -> str:
        """The distribution and its version, for reports."""
        return f"{self.distribution} {self.version}" if self.distribution else self.entry_point.value

    def is_called(self, name: str) -> bool:
        """Whether `name` is the entry point's, its distribution's, or both: ``distribution:name``."""
        distribution, colon, entry_point = name.partition(":")
        if colon:
            return (_normalised(distribution), entry_point) == (self.distribution, self.name)
        return name == self.name or (bool(self.distribution) and _normalised(name) == self.distribution)


def installed() -> list[Candidate]:
    """Every installed entry point, fitsense's own first, then in the order of names."""
    candidates = map(Candidate.of, metadata.entry_points(group=ENTRY_POINT_GROUP))
    return sorted(candidates, key=lambda one: (not one.built_in, one.name, one.distribution))


def allowed(candidates: Collection[Candidate], names: Iterable[str]) -> frozenset[Candidate]:
    """The candidates that `names` select.

    :raises UnknownNameError: nothing has one of the names; the message lists what there is.
    :raises AmbiguousNameError: other distributions share one of the names; the message lists how to name each.
    """
    selected: set[Candidate] = set()
    unknown = []
    for name in sorted(set(names)):
        found = [one for one in candidates if one.is_called(name)]
        own = [one for one in found if one.built_in]
        if not found:
            unknown.append(name)
        elif not own and len({one.distribution for one in found}) > 1:
            raise AmbiguousNameError(
                f"allow: expected a name that one distribution has, got {name!r}, which several have; "
                f"use one of: {', '.join(one.full_name for one in found)}"
            )
        selected.update(own or found)
    if unknown:
        there = [one.name if one.built_in else one.full_name for one in candidates]
        raise UnknownNameError(
            f"allow: no installed entry point or distribution is called {' or '.join(map(repr, unknown))}; "
            f"there are: {', '.join(there) or 'none'}"
        )
    return frozenset(selected)


def _normalised(distribution: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
