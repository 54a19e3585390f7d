"""A real server, in a thread of the tests or in a separate process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import httpx2

import fitsense
from fitsense.events.schema import validate_event
from fitsense.server.config import Limits, ServeConfig
from fitsense.server.models import Bundles
from fitsense.server.run import Server, create_server, listen
from fitsense.server.security import Tokens

PATIENCE_S = 120.0


@attrs.frozen
class Running:
    """A server that listens."""

    port: int
    server: Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def websocket(self, session: str, query: str = "") -> str:
        return f"ws://127.0.0.1:{self.port}/v1/sessions/{session}/frames{query}"

    def client(self, **more: Any) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=PATIENCE_S, **more)


@contextlib.contextmanager
def serving(
    model: fitsense.Model, config: ServeConfig | None = None, tokens: Tokens | None = None
) -> Iterator[Running]:
    """A server in a thread, on a model that is loaded already."""
    config = attrs.evolve(config or ServeConfig(), port=0, batch=1)
    bundles = Bundles([model], config.detector)
    with listen(config) as listener:
        server = create_server(config, tokens or Tokens(), bundles)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="test server")
        thread.start()
        try:
            until(lambda: server.started)
            yield Running(listener.getsockname()[1], server)
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


@contextlib.contextmanager
def process(
    *arguments: str, environment: Mapping[str, str] | None = None, log: Path
) -> Iterator[tuple[Running, subprocess.Popen[str]]]:
    """``fitsense serve``, killed if it is still there in the end."""
    command = [sys.executable, "-m", "fitsense", "serve", "--port", "0", *arguments]
    with log.open("w") as errors:
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **(environment or {})}
        )
        try:
            assert child.stdout is not None
            address = child.stdout.readline().strip()
            yield Running(int(address.rpartition(":")[2])), child
        finally:
            child.kill()
            child.communicate()


def until(condition: Any, patience_s: float = PATIENCE_S) -> None:
    """Wait for something."""
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come true"
        time.sleep(0.02)


def events_of(lines: str) -> list[dict[str, Any]]:
    """Events of NDJSON, each of which obeys its schema."""
    events = [json.loads(line) for line in lines.splitlines()]
    for event in events:
        validate_event(event)
    return events


def ended(events: list[dict[str, Any]]) -> dict[str, Any]:
    """``data`` of the last event, which is a session's end; the first is its start, and none is missing."""
    assert [int(event["id"]) for event in events] == list(range(len(events)))
    assert events[0]["type"] == "fitsense.session.started"
    assert events[-1]["type"] == "fitsense.session.ended"
    data: dict[str, Any] = events[-1]["data"]
    return data


__all__ = ["Limits", "Running", "ended", "events_of", "process", "serving", "until"]
