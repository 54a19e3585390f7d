"""Logs as JSON, one object a line."""

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
    """What a record says beside its message: ``logger.info("…", extra=fields(session=…))``."""
    return {_FIELDS: values}


class JsonLines(logging.Formatter):
    """A record as a line of JSON."""

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
        # Errors of FFmpeg repeat the address that it was given.
        hidden = {key: redact(value) if isinstance(value, str) else value for key, value in line.items()}
        return json.dumps(hidden, default=str)


def configure(level: str, stream: IO[str] | None = None) -> None:
    """Log from `level` on, as JSON lines, to a stream; to standard error by default."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(LOGGER).setLevel(level.upper())


class AccessLog:
    """ASGI middleware that logs each request when it is over, without its query, which is the client's business."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._logger = logging.getLogger(LOGGER)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        began_s = time.monotonic()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self._app(scope, receive, noting)
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
