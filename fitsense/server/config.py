"""How ``fitsense serve`` runs: an attrs class, read from TOML."""

from __future__ import annotations

import ipaddress
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from fitsense._internal.configs import config_from_json
from fitsense._internal.redaction import redact
from fitsense.bundles.bundle import DEFAULT
from fitsense.errors import InvalidInputError
from fitsense.sinks.settings import SinkSettings

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_MAX_PORT = 65535


@attrs.frozen
class Limits:
    """What clients may ask for; each bound is told in the answer to whoever crosses it.

    :param sessions: open at once, analyses of uploads included.
    :param kept: sessions that ended and can still be read.
    :param keep_s: for how long they can, in seconds.
    :param session_s: a session that lasts longer is ended, in seconds.
    :param idle_s: a session that is pushed nothing for so long is ended; an upload that stalls, or a source that gives
        no first picture for so long, is given up.
    :param events: of a session that are kept for those who come later.
    :param queue: pictures of a session that may wait for analysis.
    :param rate_hz: pictures a second that a client may push for long; faster ones have to wait.
    :param message_bytes: of one WebSocket message.
    :param pixels: of one picture that is pushed, or of an upload or a source.
    :param body_bytes: of a request, other than an upload.
    :param upload_bytes: of an upload.
    :param requests_per_s: of one client, for long; three seconds' worth may come at once.
    :param connections: requests and WebSockets at once, of all clients together; idle connections make room for new
        ones.
    :param request_s: a connection that sends no whole request head within so many seconds is closed.
    :param send_s: a client that takes nothing for so long is dropped.
    :param drain_s: for how long a shutdown waits for sessions to end and for clients to read how.
    """

    sessions: int = 16
    kept: int = 64
    keep_s: float = 300.0
    session_s: float = 6 * 3600.0
    idle_s: float = 60.0
    events: int = 10_000
    queue: int = 32
    rate_hz: float = 60.0
    message_bytes: int = 4 << 20
    pixels: int = 3840 * 2160
    body_bytes: int = 64 << 10
    upload_bytes: int = 1 << 30
    requests_per_s: float = 50.0
    connections: int = 256
    request_s: float = 10.0
    send_s: float = 20.0
    drain_s: float = 15.0

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(Limits):
            value = getattr(self, field.name)
            if not 0 < value < math.inf:
                raise InvalidInputError(f"limits.{field.name}: expected a number above 0, got {value!r}")


@attrs.frozen
class ServeConfig:
    """What is served, to whom.

    :param host: address to listen at; one that is not this machine's own needs tokens.
    :param port: 0 for any that is free.
    :param bundles: names, folders or zips; clients call them by the name in their ``model.json``. The first is the
        default.
    :param sources: what the server may open, by the name that clients call it: a file, a camera, a URL, or a folder,
        whose files are then called ``name/file``. ``env:VARIABLE`` and ``@FILE`` say where the address is to be found.
    :param detector: what finds people, for sessions that follow everybody.
    :param tokens_file: a file with a token a line, beside those in ``FITSENSE_TOKENS``.
    :param hosts: names by which clients may call this server, beside those of the loopback; empty for any, where
        it listens elsewhere.
    :param origins: other web sites whose pages may call it, such as ``https://app.example``.
    :param proxies: addresses or networks of proxies in front of the server, such as ``10.0.0.0/8``: whose request it
        is, is then what their ``X-Forwarded-For`` says.
    :param batch: windows of several sessions that the model is asked about at once, at most.
    :param threads: CPU threads of the model; None for all cores.
    :param decoder_threads: CPU threads of each decoder of an upload or a source. Each keeps a picture or two.
    :param redirects: how often a URL's server may send us elsewhere.
    :param sinks: where the events of all sessions go, beside the clients.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    bundles: tuple[str, ...] = (DEFAULT,)
    sources: Mapping[str, str] = attrs.field(factory=dict)
    detector: str = "pose/people"
    tokens_file: str | None = None
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    batch: int = 2
    threads: int | None = None
    decoder_threads: int = 2
    redirects: int = 0
    sinks: tuple[SinkSettings, ...] = ()
    limits: Limits = attrs.field(factory=Limits)

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.port <= _MAX_PORT:
            raise InvalidInputError(f"port: expected one in 0..{_MAX_PORT}, got {self.port!r}")
        if not self.bundles:
            raise InvalidInputError("bundles: expected at least one, got none")
        if self.batch < 1:
            raise InvalidInputError(f"batch: expected at least 1, got {self.batch!r}")
        if self.decoder_threads < 1:
            raise InvalidInputError(f"decoder_threads: expected at least 1, got {self.decoder_threads!r}")
        if self.redirects < 0:
            raise InvalidInputError(f"redirects: expected at least 0, got {self.redirects!r}")
        for name in self.sources:
            if not _NAME.fullmatch(name):
                raise InvalidInputError(f"sources: expected names of a-z, 0-9, - and _, got {redact(name)!r}")
        for proxy in self.proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as error:
                raise InvalidInputError(
                    f"proxies: expected addresses or networks such as 10.0.0.0/8, got {proxy!r}: {error}"
                ) from error
        for origin in self.origins:
            if not re.fullmatch(r"https?://[^/*\s]+", origin):
                raise InvalidInputError(f"origins: expected such as https://app.example, got {origin!r}")


def read_config(file: Path) -> Mapping[str, Any]:
    """A configuration file's settings, not checked yet, so that others can come on top.

    :raises InvalidInputError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{file}: expected a configuration as TOML: {error}") from error


def config_of(settings: Mapping[str, Any], what: str = "serve") -> ServeConfig:
    """Settings as a configuration.

    :param what: where they come from, for the message.
    :raises InvalidInputError: a setting that there is not, or a value that does not fit.
    """
    return config_from_json(ServeConfig, settings, what)
