"""``fitsense serve``: sessions over HTTP, WebSocket and Server-Sent Events."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import click

from fitsense.cli.output import results, results_only
from fitsense.errors import FitsenseError, MissingExtraError

_LEVELS = ("debug", "info", "warning", "error")


def _sources(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Parse every ``NAME=WHAT``."""
    sources = {}
    for value in values:
        name, equals, what = value.partition("=")
        # A URL without a name may have an = in its password.
        if not (equals and name and what) or "/" in name:
            raise click.BadParameter(f"expected NAME=WHAT, such as front=rtsp://192.168.1.20/stream, got {value!r}")
        sources[name] = what
    return sources


@click.command("serve", short_help="Serve sessions over HTTP and WebSocket.")
@click.option("--config", "file", type=click.Path(dir_okay=False, path_type=Path), help="TOML file with settings.")
@click.option("--host", help="Address to listen at.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 for any free one.  [default: 8765]")
@click.option("--bundle", "bundles", multiple=True, help="A bundle's name, folder or zip; repeatable.")
@click.option(
    "--source",
    "sources",
    metavar="NAME=WHAT",
    multiple=True,
    callback=_sources,
    help="A file, folder, camera or URL that clients may open by name; repeatable. For a URL with a password, give "
    "env:VARIABLE or @FILE, which contains the URL: other users can read command lines.",
)
@click.option("--tokens-file", help="File with one token per line; FITSENSE_TOKENS may have further ones.")
@click.option(
    "--state-dir",
    help="Folder that keeps open sessions, with pictures of people, so that the next process continues them after a "
    "crash.",
)
@click.option(
    "--origin",
    "origins",
    multiple=True,
    help="Web origin whose pages may call the server, such as https://app.example.",
)
@click.option(
    "--log-level", type=click.Choice(_LEVELS), default="info", show_default=True, help="Least severe level to log."
)
@results_only()
def command(file: Path | None, sources: dict[str, str], log_level: str, **options: Any) -> None:
    """Serve sessions over HTTP: video in, events out, for programs in any language.

    Without tokens, the server listens only on this machine. Options override the file. Logs go to standard error as
    JSON lines; the address is printed when the server is ready. Ctrl-C ends every session with a valid session.ended.
    """
    try:
        from fitsense.server.config import config_of, read_config
        from fitsense.server.log import configure
        from fitsense.server.memory import return_large_blocks
        from fitsense.server.run import create_server, listen
        from fitsense.server.security import check_exposure, read_tokens
    except ImportError as error:
        raise MissingExtraError("fitsense serve", "server", error) from error
    settings = dict(read_config(file)) if file is not None else {}
    settings.update({name: value for name, value in options.items() if value not in (None, ())})
    if sources:
        settings["sources"] = {**settings.get("sources", {}), **sources}
    config = config_of(settings, str(file or "serve"))
    tokens = read_tokens(config.tokens_file, os.environ)
    check_exposure(config, tokens)
    try:
        listener = listen(config)
    except OSError as error:
        raise FitsenseError(f"{config.host}:{config.port}: cannot listen there: {error}") from error
    with listener:
        return_large_blocks()
        server = create_server(config, tokens)
        configure(log_level)
        # After its shutdown, Uvicorn raises the signals that stopped it again.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stopped)
        host = f"[{config.host}]" if ":" in config.host else config.host
        click.echo(f"http://{host}:{listener.getsockname()[1]}", file=results())
        server.run(sockets=[listener])
    sys.exit(0 if server.started else 1)


def _stopped(number: int, frame: FrameType | None) -> None:
    """Ignore the signal: the server has shut down."""
