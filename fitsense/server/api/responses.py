"""Answers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


def compact(document: Any) -> str:
    """JSON in one line, in ASCII: what clients wrote may hold what UTF-8 has no bytes for."""
    return json.dumps(document, separators=(",", ":"))


def json_reply(
    document: Any,
    status: int = 200,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer that holds a JSON document."""
    more = {"cache-control": "no-store", **(headers or {})}
    return Response(compact(document), status, more, media_type)
