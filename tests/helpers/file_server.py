"""A web server with a folder of videos, which records requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import quote, unquote, urlsplit


class Films:
    """Serves films until the end of the block.

    :param films: their contents, by name.
    :param noticed: called with a film's name before it is sent.
    """

    def __init__(self, films: Mapping[str, bytes], noticed: Callable[[str], None] = lambda name: None) -> None:
        self.films = dict(films)
        self.fetched: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(handler) -> None:  # noqa: N805
                self._answer(handler)

            def do_GET(handler) -> None:  # noqa: N805
                content = self._answer(handler)
                name = _name(handler.path)
                if name in self.films:
                    self.fetched.append(name)
                    noticed(name)
                try:
                    handler.wfile.write(content)
                except ConnectionError:
                    handler.close_connection = True

            def log_message(handler, format: str, *arguments: object) -> None:  # noqa: N805
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The folder's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/films/"

    def __enter__(self) -> Films:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler) -> bytes:
        """Send the headers; give the body."""
        name = _name(handler.path)
        content = self.films.get(name)
        if name == "":
            content = "".join(f'<a href="{quote(film)}">{film}</a>\n' for film in self.films).encode()
        handler.send_response(200 if content is not None else 404)
        handler.send_header("Content-Length", str(len(content or b"")))
        handler.send_header("Content-Type", "video/mp4" if name else "text/html; charset=utf-8")
        if name:
            handler.send_header("ETag", f'"{hash(content):x}"')
        handler.end_headers()
        return content or b""


def _name(path: str) -> str:
    return unquote(urlsplit(path).path).removeprefix("/films/")
