"""Configuration of ``fitsense serve``, read from TOML."""

from __future__ import annotations

import ipaddress
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.configs import config_from_json
from fitsense._internal.redaction import redact
from fitsense.bundles.bundle import DEFAULT
from fitsense.errors import InvalidInputError
from fitsense.sinks.settings import SinkSettings

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_MAX_PORT = 65535


@checks_arguments
@attrs.frozen
class Limits:
    """Limits for clients. A response to a client that exceeds one states it.

    :param sessions: number of open sessions, including analyses of uploads.
    :param kept: number of ended sessions whose events stay readable.
    :param keep_s: time in seconds for which they stay readable.
    :param session_s: maximum duration of a session in seconds.
    :param idle_s: time in seconds after which a session without pushes ends, a stalled upload is refused, and a source
        without a first frame is given up.
    :param events: number of events of a session that are kept for late readers.
    :param queue_size: number of frames of a session that may wait for analysis.
    :param rate_hz: sustained rate of pushed messages per second and connection; faster ones have to wait.
    :param message_bytes: size of a WebSocket message.
    :param pixels: size of a frame that is pushed, uploaded or read from a source.
    :param body_bytes: size of a request's body, except for uploads.
    :param upload_bytes: size of an upload.
    :param requests_per_s: sustained rate of requests of one client; bursts of three seconds' worth are accepted.
    :param connections: number of concurrent requests and WebSockets of all clients; idle connections make room for
        new ones.
    :param request_s: time in seconds within which a connection has to send a whole request head.
    :param send_s: time in seconds after which a client that receives nothing is dropped.
    :param drain_s: time in seconds that a shutdown waits for sessions to end and for clients to read the last events.
    """

    sessions: int = 16
    kept: int = 64
    keep_s: float = 300.0
    session_s: float = 6 * 3600.0
    idle_s: float = 60.0
    events: int = 10_000
    queue_size: int = 32
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


@checks_arguments
@attrs.frozen
class ServeConfig:
    """Configuration of a server.

    :param host: address to listen on; any other than the loopback interface requires tokens.
    :param port: port to listen on; 0 for any free port.
    :param bundles: names, folders or zips; clients select one by the name in its ``model.json``. The first is the
        default.
    :param sources: files, cameras, URLs and folders that the server may open, by the name that clients use. Clients
        address a file in a folder as ``name/file``. ``env:VARIABLE`` and ``@FILE`` read the address from an
        environment variable or a file.
    :param detector: person detector for sessions that track several people.
    :param tokens_file: file with one token per line, in addition to those in ``FITSENSE_TOKENS``.
    :param hosts: host names that clients may use, in addition to those of the loopback interface; empty for any
        name on a server that listens on other interfaces.
    :param origins: origins of web pages that may call the server, such as ``https://app.example``.
    :param proxies: addresses or networks of trusted reverse proxies, such as ``10.0.0.0/8``; their
        ``X-Forwarded-For`` identifies the client.
    :param batch: largest number of windows, of all sessions, in one model call.
    :param threads: CPU threads of the model; None for all cores.
    :param decoder_threads: CPU threads of each decoder of an upload or a source. Each thread keeps one or two frames.
    :param redirects: number of HTTP redirects that the server follows for a source.
    :param sinks: sinks for the events of all sessions.
    :param state_dir: folder that keeps open sessions, so that the next process continues them after a crash; created if
        it is missing. It contains pictures of people. None to keep nothing.
    :param snapshot_interval_s: shortest time in seconds between two snapshots of a session.
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
    state_dir: str | None = None
    snapshot_interval_s: float = 10.0
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
        if not 0 <= self.snapshot_interval_s < math.inf:
            raise InvalidInputError(f"snapshot_interval_s: expected seconds from 0, got {self.snapshot_interval_s!r}")
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
    """Read the settings of a configuration file without checking them, so that callers can override some.

    :raises InvalidInputError: the file cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{file}: expected a configuration as TOML: {error}") from error


def config_of(settings: Mapping[str, Any], what: str = "serve") -> ServeConfig:
    """Convert settings to a configuration.

    :param what: origin of the settings, for error messages.
    :raises InvalidInputError: a setting is unknown or its value is invalid.
    """
    return config_from_json(ServeConfig, settings, what)
