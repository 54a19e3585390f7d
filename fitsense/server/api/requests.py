"""Session requests: parsing and validation."""

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

# Years in which started_at plus any media time stays within the range of datetime.
_YEARS = range(1970, 2200)


@attrs.frozen
class SessionRequest:
    """A client's request for a session; the schema ``server.session.request`` describes the fields."""

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
    """Parse and validate a session request.

    :raises ProblemError: the document violates its schema or contradicts itself.
    """
    try:
        _check(document)
        request = _converter.structure(document, SessionRequest)
    except FitsenseError as error:
        raise ProblemError(ProblemType.INVALID, str(error)) from error
    if request.people and request.region is not None:
        raise ProblemError(
            ProblemType.INVALID, "people: expected no region, because each tracked person has a separate one"
        )
    return request


def parse_body(body: bytes) -> Any:
    """Parse the JSON body of a request.

    :raises ProblemError: the body is no valid JSON.
    """
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ProblemError(ProblemType.MALFORMED, f"expected JSON: {error}") from error


def _check(document: Any) -> None:
    from jsonschema.exceptions import best_match

    # Refuse unknown keys, so that a misspelt key is reported.
    closed_schema = closed(schema("server.session.request"))
    error = best_match(validator(closed_schema, schemas().values()).iter_errors(document))
    if error is not None:
        raise SchemaError(f"at {error.json_path}: {error.message}")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not valid JSON")


def _started_at(text: str, _: Any) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None or time.year not in _YEARS:
        raise InvalidInputError(
            f"started_at: expected an ISO 8601 timestamp with UTC offset, {_YEARS.start}–{_YEARS.stop - 1}, "
            f"got {text!r}"
        )
    return time


def _region(box: Mapping[str, float], _: Any) -> Region:
    return Region(**box)


# Without detailed validation, errors of the hooks pass through unchanged.
_converter = cattrs.Converter(detailed_validation=False)
_converter.register_structure_hook(datetime, _started_at)
_converter.register_structure_hook(Region, _region)
