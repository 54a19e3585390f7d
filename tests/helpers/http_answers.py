"""Answers of a server: sessions, problems and events."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from fitsense.events.schema import validate


def opened(client: httpx2.Client, **request: Any) -> dict[str, Any]:
    answer = client.post("/v1/sessions", json=request)
    assert answer.status_code == 201, answer.text
    session: dict[str, Any] = answer.json()
    validate(session, "server.session")
    assert answer.headers["location"] == f"/v1/sessions/{session['id']}"
    return session


def problem(answer: httpx2.Response, status: int, kind: str) -> str:
    """A problem's detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    validate(document, "server.problem")
    assert document["type"] == f"urn:fitsense:problem:{kind}"
    detail: str = document["detail"]
    return detail


def sse(answer: httpx2.Response) -> list[dict[str, Any]]:
    """The events of a stream, whose message ids must match."""
    events = []
    for block in answer.text.replace("\r\n", "\n").split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "data" in lines:
            events.append(json.loads(lines["data"]))
            assert lines["id"] == events[-1]["id"]
    return events
