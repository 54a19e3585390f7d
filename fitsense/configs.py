"""Plugin specs' configurations: attrs classes in Python, objects in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import cattrs

from fitsense.errors import InvalidInputError

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
        problems = "; ".join(cattrs.transform_error(error))
        raise InvalidInputError(f"configuration of {what}: {problems}") from error


def config_to_json(config: Any) -> dict[str, Any]:
    """The config as a JSON object."""
    document: dict[str, Any] = _converter.unstructure(config)
    return document
