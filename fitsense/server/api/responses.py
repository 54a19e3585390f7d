"""JSON responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


def compact(document: Any) -> str:
    """One line of JSON in ASCII: text from clients may hold surrogates, which UTF-8 cannot encode."""
    return json.dumps(document, separators=(",", ":"))


def json_response(
    document: Any,
    status: int = 200,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response with a JSON document, which no cache stores."""
    all_headers = {"cache-control": "no-store", **(headers or {})}
    return Response(compact(document), status, all_headers, media_type)
