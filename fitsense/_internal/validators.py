"""Validators of attrs fields; each raises :class:`InvalidInputError` for a value of the wrong type or range."""

from __future__ import annotations

import numbers
import re
from collections.abc import Callable, Collection
from typing import Any

import attrs

from fitsense.errors import InvalidInputError
from fitsense.types import MAX_SECONDS

# Parts of the grammar in RFC 3986: path segment, the same without a colon, query, and authority.
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
    """A number in `low`..`high`.

    :param above: whether `low` itself is excluded.
    :param high: largest value; ``math.inf`` allows infinity.
    :param optional: whether None is allowed.
    """
    expected = f"a number above {low:g} and at most {high:g}" if above else f"a number in {low:g}..{high:g}"

    def accepts(value: Any) -> bool:
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        # Comparisons with NaN are false.
        return bool(real and low <= value <= high and not (above and value == low))

    return _validator(accepts, expected, optional)


def integer(low: int, high: int | None = None, *, optional: bool = False) -> Validator:
    """An integer, `low` or more.

    :param high: largest value; None for no limit.
    :param optional: whether None is allowed.
    """
    expected = f"an integer of at least {low}" if high is None else f"an integer in {low}..{high}"

    def accepts(value: Any) -> bool:
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        return whole and low <= int(value) and (high is None or int(value) <= high)

    return _validator(accepts, expected, optional)


def one_of(choices: Collection[Any], *, optional: bool = False) -> Validator:
    """One of `choices`, or None if `optional`."""
    expected = f"one of {', '.join(map(repr, choices))}"
    return _validator(lambda value: any(value == choice for choice in choices), expected, optional)


def subset_of(choices: Collection[Any]) -> Validator:
    """A tuple or list of some of `choices`."""

    def accepts(value: Any) -> bool:
        return isinstance(value, (tuple, list)) and all(item in choices for item in value)

    return _validator(accepts, f"some of {', '.join(map(str, choices))}", False)


def instance(kind: type[Any], *, optional: bool = False) -> Validator:
    """An instance of `kind`, or None if `optional`."""
    return _validator(lambda value: isinstance(value, kind), kind.__name__, optional)


def _validator(accepts: Callable[[Any], bool], expected: str, optional: bool) -> Validator:
    if optional:
        expected += " or None"

    def check(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not ((optional and value is None) or accepts(value)):
            raise InvalidInputError(f"{type(instance).__name__}.{attribute.name}: expected {expected}, got {value!r}")

    return check


def is_uri_reference(value: Any) -> bool:
    """True if `value` is a non-empty URI reference (RFC 3986), as CloudEvents requires for a source."""
    return isinstance(value, str) and value != "" and _URI_REFERENCE.fullmatch(value) is not None


def uri_reference(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    """A URI reference, see :func:`is_uri_reference`."""
    if not is_uri_reference(value):
        raise InvalidInputError(
            f"{type(instance).__name__}.{attribute.name}: expected a URI reference (RFC 3986), such as urn:gym:7, got "
            f"{value!r}; percent-encode other characters, as urllib.parse.quote does"
        )
