"""Plugin specs' configurations: attrs classes in Python, objects in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import cattrs
from cattrs.v import format_exception

from fitsense.errors import FitsenseError, InvalidInputError

ConfigT = TypeVar("ConfigT")

_converter = cattrs.Converter(forbid_extra_keys=True)


def config_from_json(kind: type[ConfigT], document: Mapping[str, Any], what: str) -> ConfigT:
    """An instance of a config class.

    :param what: whose configuration it is, for the message.
    :raises InvalidInputError: a key that the class does not know, or a value that does not fit.
    """
    try:
        return _converter.structure(document, kind)
    except Exception as error:
        problems = "; ".join(cattrs.transform_error(error, format_exception=_said))
        raise InvalidInputError(f"configuration of {what}: {problems}") from error


def _said(error: BaseException, kind: type | None) -> str:
    """What is wrong; in its own words, if a class of ours found it."""
    return str(error) if isinstance(error, FitsenseError) else format_exception(error, kind)


def config_to_json(config: Any) -> dict[str, Any]:
    """The config as a JSON object."""
    document: dict[str, Any] = _converter.unstructure(config)
    return document
