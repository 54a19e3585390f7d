"""Validators of configuration fields; what they refuse is an :class:`InvalidInputError`, whatever its type."""

from __future__ import annotations

import numbers
import re
from collections.abc import Callable
from typing import Any

import attrs

from fitsense.errors import InvalidInputError
from fitsense.types import MAX_SECONDS

# The parts of RFC 3986's grammar: characters of a path segment, the same without a colon, of a query, an authority.
_ESCAPED = "%[0-9A-Fa-f]{2}"
_SEGMENT = f"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|{_ESCAPED})"
_NO_COLON = f"(?:[A-Za-z0-9._~!$&'()*+,;=@-]|{_ESCAPED})"
_QUERY = f"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|{_ESCAPED})"
_HOST = rf"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|{_ESCAPED})*)"
_AUTHORITY = rf"//(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|{_ESCAPED})*@)?{_HOST}(?::[0-9]*)?(?:/{_SEGMENT}*)*"
_ROOTED = f"/(?:{_SEGMENT}+(?:/{_SEGMENT}*)*)?"
_URI_REFERENCE = re.compile(
    rf"(?:[A-Za-z][A-Za-z0-9+.-]*:(?:{_AUTHORITY}|{_ROOTED}|{_SEGMENT}+(?:/{_SEGMENT}*)*|)"
    rf"|{_AUTHORITY}|{_ROOTED}|{_NO_COLON}+(?:/{_SEGMENT}*)*|)(?:\?{_QUERY}*)?(?:#{_QUERY}*)?"
)

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def number(low: float, high: float = MAX_SECONDS, *, above: bool = False, optional: bool = False) -> Validator:
    """A finite number in `low`..`high`.

    :param above: whether `low` itself is refused.
    :param optional: whether None is taken, too.
    """
    expected = f"a number above {low:g} and at most {high:g}" if above else f"a number in {low:g}..{high:g}"
    if optional:
        expected += ", or None"

    def check(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if value is None and optional:
            return
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        # Written so that NaN fails.
        if not (real and low <= value <= high and not (above and value == low)):
            raise InvalidInputError(f"{type(instance).__name__}.{attribute.name}: expected {expected}, got {value!r}")

    return check


def instance(kind: type[Any], *, optional: bool = False) -> Validator:
    """An instance of `kind`, or None where `optional`."""
    expected = f"{kind.__name__} or None" if optional else kind.__name__

    def check(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not (isinstance(value, kind) or (optional and value is None)):
            raise InvalidInputError(f"{type(instance).__name__}.{attribute.name}: expected {expected}, got {value!r}")

    return check


def is_uri_reference(value: Any) -> bool:
    """Whether it is a URI reference of RFC 3986, and not empty, as CloudEvents wants of a source."""
    return isinstance(value, str) and value != "" and _URI_REFERENCE.fullmatch(value) is not None


def uri_reference(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    """A URI reference, see :func:`is_uri_reference`."""
    if not is_uri_reference(value):
        raise InvalidInputError(
            f"{type(instance).__name__}.{attribute.name}: expected a URI reference (RFC 3986), such as urn:gym:7, got "
            f"{value!r}; percent-encode other characters, as urllib.parse.quote does"
        )
