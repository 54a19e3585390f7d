"""The server as a process that listens, and stops as it should."""

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

# A client that is quiet for long is asked whether it is there.
_PING_S, _PONG_S = 30.0, 60.0


class Server(uvicorn.Server):
    """Uvicorn, which before it closes its connections lets every session end, and its clients hear of it."""

    def __init__(self, config: uvicorn.Config, served: Application) -> None:
        super().__init__(config)
        self.sessions = served.sessions

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self.sessions.drain()
        await super().shutdown(sockets)


def create_server(config: ServeConfig, tokens: Tokens, bundles: Bundles | None = None) -> Server:
    """A server that is ready to run.

    :param bundles: None for those of the configuration, which are loaded then.
    :raises InvalidInputError: a configuration that cannot be, or one that would let in anybody.
    :raises UnknownNameError: no plugin offers a sink of that name.
    :raises BundleError: a bundle cannot be loaded.
    """
    check_exposure(config, tokens)
    # What is refused is refused before the work.
    sources = SourcePolicy(config)
    deliveries = [settings.open() for settings in config.sinks]
    served = create_app(config, bundles or Bundles.load(config), sources, tokens, deliveries)
    limits = config.limits
    return Server(
        uvicorn.Config(
            served.app,
            host=config.host,
            port=config.port,
            log_config=None,
            access_log=False,
            server_header=False,
            # Of trusted proxies alone, which say whose request it is.
            proxy_headers=bool(config.proxies),
            forwarded_allow_ips=list(config.proxies),
            http=_protocol(HttpConnection, limits),
            timeout_graceful_shutdown=round(limits.drain_s) or 1,
            # Pictures are compressed already, and what is compressed twice can be a bomb.
            ws=_protocol(WebSocketConnection, limits),
            ws_per_message_deflate=False,
            ws_max_size=limits.message_bytes + HEADER_BYTES,
            ws_ping_interval=_PING_S,
            ws_ping_timeout=_PONG_S,
        ),
        served,
    )


def _protocol(kind: type[HttpConnection] | type[WebSocketConnection], limits: Limits) -> Any:
    """What uvicorn makes connections by."""
    return cast(Any, functools.partial(kind, limits))


def listen(config: ServeConfig) -> socket.socket:
    """A socket that listens where the configuration says.

    :raises OSError: the address cannot be had.
    """
    listener = socket.create_server(
        (config.host, config.port), family=socket.AF_INET6 if ":" in config.host else socket.AF_INET
    )
    # asyncio sets TCP_NODELAY only on sockets that name their protocol; without it, Nagle's algorithm and delayed
    # acknowledgements cost 40 ms a request on a kept connection.
    return socket.socket(listener.family, listener.type, socket.IPPROTO_TCP, fileno=listener.detach())
