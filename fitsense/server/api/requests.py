"""What clients ask for when they open a session."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
import cattrs

from fitsense.errors import FitsenseError, InvalidInputError, SchemaError
from fitsense.events.schema import closed, schema, schemas, validator
from fitsense.geometry import Region
from fitsense.server.api.problems import ProblemError, ProblemType
from fitsense.video.frame_queue import Policy

# Years whose times, with all media times, are within the calendar.
_YEARS = range(1970, 2200)


@attrs.frozen
class SessionRequest:
    """A session as it is asked for; the schema ``server.session.request`` says what each means."""

    bundle: str | None = None
    source: str | None = None
    region: Region | None = None
    hop_s: float = 1.0
    exercises: tuple[str, ...] | None = None
    expected: str | None = None
    people: bool = False
    policy: Policy = "latest"
    started_at: datetime | None = None


def parse_session_request(document: Any) -> SessionRequest:
    """A wish, if it is a proper one.

    :raises ProblemError: it does not obey its schema, or contradicts itself.
    """
    try:
        _check(document)
        wish = _converter.structure(document, SessionRequest)
    except FitsenseError as error:
        raise ProblemError(ProblemType.INVALID, str(error)) from error
    if wish.people and wish.region is not None:
        raise ProblemError(
            ProblemType.INVALID, "people: expected no region beside it, since everybody has one of their own"
        )
    return wish


def parse_body(body: bytes) -> Any:
    """A request's JSON.

    :raises ProblemError: it is none.
    """
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ProblemError(ProblemType.MALFORMED, f"expected JSON: {error}") from error


def _check(document: Any) -> None:
    from jsonschema.exceptions import best_match

    # A word that is misspelt should not be passed over.
    ours = closed(schema("server.session.request"))
    error = best_match(validator(ours, schemas().values()).iter_errors(document))
    if error is not None:
        raise SchemaError(f"at {error.json_path}: {error.message}")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _moment(text: str, _: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.year not in _YEARS:
        raise InvalidInputError(
            f"started_at: expected a time of the years {_YEARS.start} to {_YEARS.stop - 1}, with its zone, got {text!r}"
        )
    return moment


def _region(box: Mapping[str, float], _: Any) -> Region:
    return Region(**box)


# What is wrong is said by whoever finds it.
_converter = cattrs.Converter(detailed_validation=False)
_converter.register_structure_hook(datetime, _moment)
_converter.register_structure_hook(Region, _region)
