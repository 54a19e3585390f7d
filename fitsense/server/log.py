"""Structured logs: one JSON object per line."""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import IO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fitsense._internal.redaction import redact

LOGGER = "fitsense.server"
_FIELDS = "fields"


def fields(**values: object) -> dict[str, dict[str, object]]:
    """Structured fields of a log record: ``logger.info("…", extra=fields(session=…))``."""
    return {_FIELDS: values}


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        # FFmpeg's errors quote the address of the source, which may contain a password.
        redacted = {key: redact(value) if isinstance(value, str) else value for key, value in line.items()}
        return json.dumps(redacted, default=str)


def configure(level: str, stream: IO[str] | None = None) -> None:
    """Log the server's records from `level` on as JSON lines.

    :param stream: destination; None for standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(LOGGER).setLevel(level.upper())


class AccessLog:
    """ASGI middleware that logs each request at its end, without the query, which may be private."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._logger = logging.getLogger(LOGGER)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        began_s = time.monotonic()
        status = 0

        async def send_and_record(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self._app(scope, receive, send_and_record)
        finally:
            self._logger.info(
                "request",
                extra=fields(
                    method=scope.get("method", "WEBSOCKET"),
                    path=scope["path"],
                    status=status,
                    seconds=round(time.monotonic() - began_s, 4),
                    client=scope["client"][0] if scope.get("client") else None,
                ),
            )
