"""Conversion of plugin configurations between attrs classes and JSON objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs
import cattrs
from cattrs.v import format_exception

from fitsense._internal.suggestions import suggestion
from fitsense.errors import FitsenseError, InvalidInputError

ConfigT = TypeVar("ConfigT")

_converter = cattrs.Converter(forbid_extra_keys=True)


def config_from_json(kind: type[ConfigT], document: Mapping[str, Any], what: str) -> ConfigT:
    """Create an instance of a config class from a JSON object.

    :param what: name of the configured object, for messages.
    :raises InvalidInputError: an unknown key, or a value of the wrong type.
    """
    try:
        return _converter.structure(document, kind)
    except Exception as error:
        texts = cattrs.transform_error(error, format_exception=_problem)
        # The path $ is the whole document.
        problems = "; ".join(text.removesuffix(" @ $") for text in texts)
        raise InvalidInputError(f"configuration of {what}: {problems}") from error


def _problem(error: BaseException, kind: type | None) -> str:
    """Text of a problem: the message of a FitsenseError, else cattrs' description."""
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        known = attrs.fields_dict(error.cl)
        unknown = ", ".join(f"{name!r}{suggestion(name, known)}" for name in sorted(error.extra_fields))
        return f"expected keys among {', '.join(known)}, got {unknown}"
    return str(error) if isinstance(error, FitsenseError) else format_exception(error, kind)


def config_to_json(config: Any) -> dict[str, Any]:
    """Convert a config to a JSON object."""
    document: dict[str, Any] = _converter.unstructure(config)
    return document
