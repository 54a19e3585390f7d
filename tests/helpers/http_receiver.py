"""Receiver of events: a real HTTP server with configured answers, and events to send."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs

from fitsense.events.model import Event, EventData, SessionWarning

PATIENCE_S = 120.0


def event(number: int, source: str = "urn:test", data: EventData | None = None, subject: str | None = None) -> Event:
    """An event of this number."""
    said = data or SessionWarning("black", f"100 % “dark”, number {number}", 0.0, 1.0)
    return Event(source, number, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), said, subject)


@attrs.frozen
class Request:
    """A received request; `time_s` is its time by the monotonic clock."""

    headers: Mapping[str, str]
    body: bytes
    time_s: float
    path: str
    method: str


@attrs.frozen
class Answer:
    """Answer of the receiver, after a delay; status 0 closes the connection instead."""

    status: int = 204
    headers: Mapping[str, str] = attrs.field(factory=dict)
    delay_s: float = 0.0


class Receiver:
    """An HTTP server that takes requests down; a context manager. It answers with 204 when nothing else is left.

    :param answers: to the first requests, in order.
    :param port: 0 for any.
    """

    def __init__(self, *answers: Answer, port: int = 0) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self._connections: list[socket.socket] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(headers, body, time.monotonic(), self.path, self.command)
                receiver.requests.append(request)
                answer = receiver.answers.pop(0) if receiver.answers else Answer()
                time.sleep(answer.delay_s)
                if not answer.status:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.status != 204:
                    self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def process_request(self, request: Any, client_address: Any) -> None:
                receiver._connections.append(request)
                super().process_request(request, client_address)

            # What a client that went away leaves behind is no error here.
            handle_error = lambda self, request, address: None  # type: ignore[assignment]  # noqa: E731

        self._server = Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="receiver")

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.requests]

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def until(condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
    """Wait for something."""
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come true"
        time.sleep(0.005)
