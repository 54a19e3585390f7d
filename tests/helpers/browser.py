"""Waits for what a browser shows, and a line to a server that can be cut."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.helpers.live_server import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

TOKEN = "a-token.that_is-long~enough"

Visit = Callable[..., "Page"]


class Line:
    """A line to a server that can be cut, and mended."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._cut = False
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._cut = True
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._cut = False

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._cut:
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._open += [near, far]
            threads = [threading.Thread(target=_carry, args=pair, daemon=True) for pair in ((near, far), (far, near))]
            for thread in threads:
                thread.start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError), source:
        while part := source.recv(65536):
            target.sendall(part)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def near(asked: str, url: str) -> bool:
    return asked.startswith((f"{url}/", url.replace("http", "ws") + "/", "blob:"))


def expecting(locator: Locator) -> Any:
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE_S * 1000)
    return expect(locator)


def shows(locator: Locator, text: str | re.Pattern[str] = "") -> None:
    """Wait until it is there, and has a text."""
    expecting(locator).to_contain_text(text)


def numbers(page: Page) -> list[str]:
    """Ids of the events that the page shows, the oldest first."""
    ids: list[str] = page.locator(".event").evaluate_all("all => all.map((one) => one.dataset.id).reverse()")
    return ids
