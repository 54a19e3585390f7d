"""Assembles the server as an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from fitsense.server.api.problems import ProblemError, on_failure, on_http_error, on_problem
from fitsense.server.api.routes import Routes, not_found
from fitsense.server.config import ServeConfig
from fitsense.server.engine.session_files import StateFolder
from fitsense.server.engine.session_manager import SessionManager
from fitsense.server.engine.uploads import Uploads
from fitsense.server.headers import SecurityHeaders
from fitsense.server.log import AccessLog
from fitsense.server.metrics import Metrics
from fitsense.server.models import Bundles
from fitsense.server.security import Guard, Tokens
from fitsense.server.source_policy import SourcePolicy
from fitsense.sinks.delivery import Delivery


@attrs.frozen
class Application:
    """The ASGI application and its sessions, which the runner has to drain before it stops."""

    app: Starlette
    sessions: SessionManager


class _App(Starlette):
    """Starlette with security headers on all responses, including those to failures."""

    def build_middleware_stack(self) -> ASGIApp:
        return SecurityHeaders(super().build_middleware_stack())


def create_app(
    config: ServeConfig, bundles: Bundles, sources: SourcePolicy, tokens: Tokens, deliveries: Sequence[Delivery] = ()
) -> Application:
    """Create the application.

    :param bundles: models of the sessions.
    :param sources: sources that sessions may read.
    :param tokens: secrets that clients have to send; empty if clients need none.
    :param deliveries: receive the events of all sessions; closed when the server stops.
    """
    metrics = Metrics()
    metrics.watch(deliveries)
    state = None if config.state_dir is None else StateFolder(Path(config.state_dir), config.limits.events)
    sessions = SessionManager(config, bundles, sources, metrics, deliveries, state)
    uploads = Uploads()
    # One thread per session, which decodes one picture at a time: a slow picture delays no other session.
    decoding = ThreadPoolExecutor(config.limits.sessions, thread_name_prefix="fitsense decoding")

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        uploads.open()
        sessions.start()
        try:
            yield
        finally:
            await sessions.stop()
            uploads.close()
            await asyncio.gather(*(asyncio.to_thread(delivery.close) for delivery in deliveries))
            decoding.shutdown(wait=False, cancel_futures=True)

    middleware = [Middleware(AccessLog)]
    if config.origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(config.origins),
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=["authorization", "content-type", "last-event-id"],
                expose_headers=["location", "retry-after"],
            )
        )
    middleware.append(Middleware(Guard, config=config, tokens=tokens))
    app = _App(
        routes=Routes(sessions, config.limits, metrics, decoding, uploads, bundles).all(),
        middleware=middleware,
        exception_handlers={ProblemError: on_problem, HTTPException: on_http_error, Exception: on_failure},
        lifespan=lifespan,
    )
    app.router.default = not_found
    return Application(app, sessions)
