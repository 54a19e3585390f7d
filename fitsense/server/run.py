"""Runs the server: listens, and shuts down in order."""

from __future__ import annotations

import functools
import socket
from typing import Any, cast

import uvicorn

from fitsense.server.api.wire import HEADER_BYTES
from fitsense.server.app import Application, create_app
from fitsense.server.config import Limits, ServeConfig
from fitsense.server.connections import HttpConnection, WebSocketConnection
from fitsense.server.models import Bundles
from fitsense.server.security import Tokens, check_exposure
from fitsense.server.source_policy import SourcePolicy

# Interval of keep-alive pings on WebSockets, and timeout of their answers, in seconds.
_PING_INTERVAL_S, _PING_TIMEOUT_S = 30.0, 60.0


class Server(uvicorn.Server):
    """Uvicorn that ends all sessions and delivers their last events before it closes connections."""

    def __init__(self, config: uvicorn.Config, application: Application) -> None:
        super().__init__(config)
        self.sessions = application.sessions

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self.sessions.drain()
        await super().shutdown(sockets)


def create_server(config: ServeConfig, tokens: Tokens, bundles: Bundles | None = None) -> Server:
    """Create a server that is ready to run.

    :param bundles: loaded bundles; None to load those of the configuration.
    :raises InvalidInputError: the configuration is invalid, or would expose the server without tokens.
    :raises UnknownNameError: no plugin provides a sink of that name.
    :raises BundleError: a bundle cannot be loaded.
    """
    check_exposure(config, tokens)
    # Check everything else before loading bundles, which takes long.
    sources = SourcePolicy(config)
    deliveries = [settings.open() for settings in config.sinks]
    application = create_app(config, bundles or Bundles.load(config), sources, tokens, deliveries)
    limits = config.limits
    return Server(
        uvicorn.Config(
            application.app,
            host=config.host,
            port=config.port,
            log_config=None,
            access_log=False,
            server_header=False,
            # X-Forwarded-For counts only from trusted proxies.
            proxy_headers=bool(config.proxies),
            forwarded_allow_ips=list(config.proxies),
            http=_protocol(HttpConnection, limits),
            timeout_graceful_shutdown=round(limits.drain_s) or 1,
            # Pictures are compressed already, and a compressed message can be a decompression bomb.
            ws=_protocol(WebSocketConnection, limits),
            ws_per_message_deflate=False,
            ws_max_size=limits.message_bytes + HEADER_BYTES,
            ws_ping_interval=_PING_INTERVAL_S,
            ws_ping_timeout=_PING_TIMEOUT_S,
        ),
        application,
    )


def _protocol(kind: type[HttpConnection] | type[WebSocketConnection], limits: Limits) -> Any:
    """A protocol factory for uvicorn."""
    return cast(Any, functools.partial(kind, limits))


def listen(config: ServeConfig) -> socket.socket:
    """Open the socket that the configuration names.

    :raises OSError: the address is unavailable.
    """
    listener = socket.create_server(
        (config.host, config.port), family=socket.AF_INET6 if ":" in config.host else socket.AF_INET
    )
    # asyncio sets TCP_NODELAY only on sockets that name their protocol; without it, Nagle's algorithm and delayed
    # acknowledgements cost 40 ms a request on a kept connection.
    return socket.socket(listener.family, listener.type, socket.IPPROTO_TCP, fileno=listener.detach())
