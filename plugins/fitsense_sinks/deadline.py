"""Deadline for whole HTTP exchanges: urllib3's timeouts apply to single reads, so that a slow drip never times out."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection


class Deadline:
    """Aborts a connection whose exchange takes too long.

    :param seconds: duration between entering and leaving :meth:`running`.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        # A duplicate handle of the connection, which stays valid when TLS takes over the original, and its closer.
        self._handle: int | None = None
        self._closing: Callable[[], object] = _nothing
        self.expired = False
        """True if the last exchange took too long."""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Context manager for one exchange; reads and writes fail after the deadline."""
        self.expired = False
        timer = threading.Timer(self._seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            # The timer must not abort the next exchange.
            timer.join()

    def watch(self, connection: socket.socket) -> socket.socket:
        """Set the connection to abort at the deadline."""
        with self._lock:
            self._release()
            self._handle = os.dup(connection.fileno())
            self._closing = weakref.finalize(self, os.close, self._handle)
            if self.expired:
                self._abort()
        return connection

    def close(self) -> None:
        """Release the connection."""
        with self._lock:
            self._release()

    def pools(self) -> dict[str, type]:
        """Connection pools with the deadline, by scheme, for a ``urllib3.PoolManager``."""
        deadline = self

        class Watched(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return deadline.watch(super()._new_conn())

        class WatchedTls(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return deadline.watch(super()._new_conn())

        class Pool(urllib3.HTTPConnectionPool):
            ConnectionCls: Any = Watched

        class TlsPool(urllib3.HTTPSConnectionPool):
            ConnectionCls: Any = WatchedTls

        return {"http": Pool, "https": TlsPool}

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            self._abort()

    def _abort(self) -> None:
        if self._handle is not None:
            borrowed = socket.socket(fileno=self._handle)
            # It may be closed already.
            with contextlib.suppress(OSError):
                borrowed.shutdown(socket.SHUT_RDWR)
            borrowed.detach()

    def _release(self) -> None:
        self._closing()
        self._handle, self._closing = None, _nothing


def _nothing() -> None:
    """Close no connection."""
