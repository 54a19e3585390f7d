"""Access control: tokens, host names, origins of web pages, and request rates."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from fitsense.errors import InvalidInputError
from fitsense.server.api.problems import ProblemError, ProblemType
from fitsense.server.config import ServeConfig
from fitsense.server.rate_limit import Buckets

TOKENS_VARIABLE = "FITSENSE_TOKENS"
SUBPROTOCOL = "fitsense.v1"
"""Subprotocol of the server's WebSockets."""
TOKEN_SUBPROTOCOL = "fitsense.token."
"""Prefix of a second subprotocol that carries the token, for clients that cannot set headers, such as web pages."""

OPEN_PATHS = ("/healthz", "/readyz")
"""Paths without token and rate limit."""
# The page and the schemas are the same on every server, and a browser has no token yet when it loads them.
_PAGE, _PUBLIC = "/", ("/playground/", "/schemas/")

# Characters that fit into a header and a subprotocol; too long to be guessed.
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,512}")
_BURST_S = 3.0


class Tokens:
    """The secrets of clients.

    :param tokens: each of 16 to 512 letters, digits and ``._~-``.
    :raises InvalidInputError: a token is malformed; the message does not quote it.
    """

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        tokens = list(tokens)
        for number, token in enumerate(tokens, 1):
            if not _TOKEN.fullmatch(token):
                raise InvalidInputError(
                    f"token {number}: expected 16 to 512 letters, digits and ._~-, got {len(token)} characters"
                )
        self._digests = [_digest(token) for token in tokens]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accepts(self, token: str) -> bool:
        """True if a token is valid, in constant time."""
        return self.find(token) is not None

    def find(self, token: str) -> int | None:
        """Index of a valid token, else None, in constant time."""
        digest = _digest(token)
        equal = [hmac.compare_digest(digest, known) for known in self._digests]
        return equal.index(True) if sum(equal) else None


def read_tokens(file: str | None, environment: Mapping[str, str]) -> Tokens:
    """Read the tokens of a file, one per line, and of ``FITSENSE_TOKENS``, separated by blanks or commas.

    :raises InvalidInputError: the file cannot be read or a token is malformed.
    """
    texts = [environment.get(TOKENS_VARIABLE, "").replace(",", " ")]
    if file is not None:
        try:
            texts.append(Path(file).read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(f"{file}: expected a file with a token a line: {error}") from error
    return Tokens(token for text in texts for token in text.split())


def check_exposure(config: ServeConfig, tokens: Tokens) -> None:
    """Refuse a server that other machines can reach without tokens.

    :raises InvalidInputError: the host is no loopback address and there are no tokens.
    """
    if not is_loopback(config.host) and not tokens:
        raise InvalidInputError(
            f"host {config.host}: other machines can reach it, so that tokens are needed: set {TOKENS_VARIABLE} or "
            "give --tokens-file, or listen at 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """True if an address is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """ASGI middleware that refuses requests without permission.

    A web page must not reach a server on its visitor's machine: the guard refuses an unknown ``Origin``, and an unknown
    ``Host``, which a page sends after DNS rebinding.
    """

    def __init__(self, app: ASGIApp, config: ServeConfig, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens
        self._origins = config.origins
        self._hosts = {host.lower() for host in config.hosts}
        self._only_loopback = is_loopback(config.host)
        rate = config.limits.requests_per_s
        # Requests without a valid token have separate buckets, so that they cannot use up those of clients behind the
        # same proxy.
        self._clients, self._anonymous = Buckets(rate, rate * _BURST_S), Buckets(rate, rate * _BURST_S)
        self._max_requests = config.limits.connections
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except ProblemError as problem:
            await problem.response()(scope, receive, send)
            return
        self._requests += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._requests -= 1

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._check_host(headers.get("host", ""))
        self._check_origin(headers)
        if scope["path"] in OPEN_PATHS:
            return
        token = self._tokens.find(_sent_token(scope, headers))
        self._spend(scope, token)
        public = scope["path"] == _PAGE or scope["path"].startswith(_PUBLIC)
        if self._tokens and token is None and not public:
            raise ProblemError(
                ProblemType.UNAUTHORIZED,
                "expected the header  Authorization: Bearer TOKEN  with one of the server's tokens",
                {"www-authenticate": "Bearer"},
            )
        if self._requests >= self._max_requests:
            raise ProblemError(
                ProblemType.UNAVAILABLE,
                f"expected at most {self._max_requests} concurrent requests and WebSockets; end one, or try later",
                {"retry-after": "5"},
            )

    def _spend(self, scope: Scope, token: int | None) -> None:
        """Take a token from the bucket of the client, which its address and token identify.

        :raises ProblemError: the bucket is empty.
        """
        address = scope["client"][0] if scope.get("client") else ""
        known = not self._tokens or token is not None
        wait_s = (self._clients if known else self._anonymous).take(f"{token} {address}", time.monotonic())
        if wait_s:
            raise ProblemError(
                ProblemType.TOO_MANY_REQUESTS,
                f"expected fewer requests; try again in {wait_s:.1f} s",
                {"retry-after": str(int(wait_s) + 1)},
            )

    def _check_host(self, host: str) -> None:
        name = _name_of(host)
        if name in self._hosts or (not self._hosts and not self._only_loopback):
            return
        if not is_loopback(name):
            raise ProblemError(
                ProblemType.FORBIDDEN_HOST, f"host {host!r}: expected one that the server's configuration names"
            )

    def _check_origin(self, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is None or origin in self._origins:
            return
        try:
            same = urlsplit(origin).netloc == headers.get("host")
        except ValueError:
            same = False
        if not same or origin == "null":
            raise ProblemError(
                ProblemType.FORBIDDEN_ORIGIN, f"origin {origin!r}: expected one that the server's configuration names"
            )


def _sent_token(scope: Scope, headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    offered = scope.get("subprotocols") or ()
    return next((name[len(TOKEN_SUBPROTOCOL) :] for name in offered if name.startswith(TOKEN_SUBPROTOCOL)), "")


def _name_of(host: str) -> str:
    """A ``Host`` header without its port, in lower case."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]*)(:\d*)?", host)
    return match[1].lower() if match else ""


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
