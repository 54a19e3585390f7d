"""Deprecations of hooks and spec fields: declared with the definition, reported when a plugin is loaded.

A hook is declared with :func:`deprecated_hook` below its ``@hookspec``; a field of a spec with
``attrs.field(default=…, metadata=deprecated_field(…))``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import attrs

HookT = TypeVar("HookT", bound=Callable[..., Any])

_KEY = "fitsense_deprecation"


@attrs.frozen
class Deprecation:
    """A deprecation.

    :param since: the version of fitsense that deprecated it.
    :param removed_in: the first :data:`fitsense.plugins.API_VERSION` without it.
    :param instead: the replacement, to follow the word "use".
    """

    since: str
    removed_in: int
    instead: str

    def note(self, what: str) -> str:
        """Sentence for users of `what`."""
        return (
            f"{what} is deprecated since fitsense {self.since} and will be removed in plugin API {self.removed_in}: "
            f"use {self.instead}"
        )


def deprecated_hook(*, since: str, removed_in: int, instead: str) -> Callable[[HookT], HookT]:
    """Declare a hook deprecated; parameters as for :class:`Deprecation`."""

    def declare(hook: HookT) -> HookT:
        setattr(hook, _KEY, Deprecation(since, removed_in, instead))
        return hook

    return declare


def deprecated_field(*, since: str, removed_in: int, instead: str) -> Mapping[str, Deprecation]:
    """Metadata of a deprecated spec field; parameters as for :class:`Deprecation`."""
    return {_KEY: Deprecation(since, removed_in, instead)}


def of_hook(hook: Callable[..., Any]) -> Deprecation | None:
    """Deprecation of a hook; None if it is not deprecated."""
    return getattr(hook, _KEY, None)


def of_fields(spec: type[Any]) -> Mapping[str, Deprecation]:
    """Deprecations of a spec class's fields, by field name."""
    return {field.name: field.metadata[_KEY] for field in attrs.fields(spec) if _KEY in field.metadata}


def notes_on(spec: Any) -> list[str]:
    """One sentence for each deprecated field of a spec that differs from its default."""
    notes = []
    for name, deprecation in of_fields(type(spec)).items():
        default = attrs.fields_dict(type(spec))[name].default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            default = cast(Any, default).factory()
        value = getattr(spec, name)
        if value is not default and value != default:
            notes.append(deprecation.note(f"{type(spec).__name__}.{name} (of {spec.name})"))
    return notes
