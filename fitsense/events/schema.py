"""Loads the JSON Schemas of fitsense, and validates events and documents."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from fitsense.errors import SchemaError, UnknownNameError

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

VERSION = "v1"
_SUFFIX = ".schema.json"


@functools.cache
def schemas() -> Mapping[str, Mapping[str, Any]]:
    """Load the schemas of fitsense, by name: ``envelope``, ``exercise.ended``, ``model`` …"""
    folder = resources.files("fitsense.schemas").joinpath(VERSION)
    files = sorted((file for file in folder.iterdir() if file.name.endswith(_SUFFIX)), key=lambda f: f.name)
    return {file.name.removesuffix(_SUFFIX): json.loads(file.read_text("utf-8")) for file in files}


def schema(name: str, of_plugins: Mapping[str, Mapping[str, Any]] | None = None) -> Mapping[str, Any]:
    """Find a schema by its name or its ``$id``.

    :param of_plugins: schemas of plugins by name, which are searched as well.
    :raises UnknownNameError: no schema has that name.
    """
    known = {**schemas(), **(of_plugins or {})}
    for short, document in known.items():
        if name in (short, f"fitsense.{short}", document["$id"]):
            return document
    raise UnknownNameError(f"unknown schema {name!r}; available: {', '.join(known)}")


def validate(document: Any, name: str) -> None:
    """Validate `document` against the schema `name`.

    :raises SchemaError: it violates the schema; the message has the path.
    """
    check_document(_validator(schema(name)["$id"]), document, name)


def check_document(checked: Draft202012Validator, document: Any, name: str) -> None:
    """Validate `document` with a validator, see :func:`validator`.

    :raises SchemaError: it violates the schema; the message has `name` and the path.
    """
    from jsonschema.exceptions import best_match

    error = best_match(checked.iter_errors(document))
    if error is not None:
        raise SchemaError(f"{name}: at {error.json_path}: {error.message}")


def validate_event(event: Mapping[str, Any], of_plugins: Iterable[Mapping[str, Any]] = ()) -> None:
    """Validate an event, envelope and data, against its schemas.

    :param of_plugins: schemas of the events that plugins add.
    :raises SchemaError: it violates one of them.
    :raises UnknownNameError: its schema is not known.
    """
    validate(event, "envelope")
    for document in of_plugins:
        if document["$id"] == event["dataschema"]:
            check_document(validator(document, schemas().values()), event["data"], event["type"])
            return
    validate(event["data"], event["dataschema"])


def check_schema(document: Mapping[str, Any]) -> None:
    """Validate that `document` is a JSON Schema 2020-12.

    :raises SchemaError: it is not.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError as InvalidSchema

    try:
        Draft202012Validator.check_schema(document)
    except InvalidSchema as error:
        raise SchemaError(f"not a valid JSON Schema: at {error.json_path}: {error.message}") from error


def closed(document: Any) -> Any:
    """Copy a schema and forbid properties that it does not name, for tests of producers."""
    if isinstance(document, Mapping):
        copy = {key: closed(value) for key, value in document.items()}
        if "properties" in copy and "additionalProperties" not in copy:
            copy["additionalProperties"] = False
        return copy
    if isinstance(document, list):
        return [closed(value) for value in document]
    return document


@functools.cache
def _validator(schema_id: str) -> Draft202012Validator:
    return validator(schema(schema_id), schemas().values())


def validator(document: Mapping[str, Any], others: Iterable[Mapping[str, Any]] = ()) -> Draft202012Validator:
    """Create a validator of the schema `document`, which may refer to `others` by their ``$id``."""
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    registry: Registry[Any] = Registry().with_resources(
        (other["$id"], Resource.from_contents(other)) for other in others
    )
    return Draft202012Validator(document, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER)
