"""The HTTP API as OpenAPI 3.1: ``openapi.json``, completed by the schemas, the version and the problem responses.

An operation of ``openapi.json`` lists its own problems under ``x-problems``, by the last part of their ``type``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import fitsense
from fitsense.server.api.components import components, reference
from fitsense.server.api.problems import MEDIA_TYPE, ProblemType

_PROBLEMS = "x-problems"
# Problems of every operation.
_COMMON_PROBLEMS = (
    ProblemType.UNAUTHORIZED,
    ProblemType.FORBIDDEN_HOST,
    ProblemType.FORBIDDEN_ORIGIN,
    ProblemType.TOO_MANY_REQUESTS,
    ProblemType.FAILED,
    ProblemType.UNAVAILABLE,
)


def openapi(of_plugins: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """The OpenAPI document.

    :param of_plugins: schemas of the events that plugins add, by event type.
    """
    document: dict[str, Any] = json.loads(resources.files(__package__).joinpath("openapi.json").read_text("utf-8"))
    document["info"]["version"] = fitsense.__version__
    document["components"]["schemas"] = components(of_plugins)
    for path in document["paths"].values():
        for name, operation in path.items():
            if name != "parameters":
                own = [ProblemType.of_slug(slug) for slug in operation.pop(_PROBLEMS, ())]
                operation["responses"] |= _problem_responses((*own, *_COMMON_PROBLEMS))
    return document


def _problem_responses(types: Iterable[ProblemType]) -> dict[str, Any]:
    """The responses of an operation's problems, by status."""
    by_status: dict[int, list[ProblemType]] = {}
    for type_ in dict.fromkeys(types):
        by_status.setdefault(type_.status, []).append(type_)
    return {
        str(status): {
            "description": "; ".join(f"{type_.title} (`{type_.type}`)" for type_ in by_status[status]),
            "content": {MEDIA_TYPE: {"schema": reference("server.problem")}},
        }
        for status in sorted(by_status)
    }
