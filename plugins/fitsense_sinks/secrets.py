"""Secrets, from the environment or a file, and whom to trust."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from fitsense import InvalidInputError


def secret(variable: str, file: str | None) -> str:
    """What a file holds, or else an environment variable, without spaces around it; empty where there is neither.

    :raises InvalidInputError: the file cannot be read.
    """
    if file is None:
        return os.environ.get(variable, "").strip()
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{file}: expected a file with a secret: {error}") from error


def address(url: str, *schemes: str) -> SplitResult:
    """The parts of a URL.

    :raises InvalidInputError: it has another scheme, no host, an odd port, or a password.
    """
    example = f"{schemes[0]}://host"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidInputError(f"url: expected such as {example}: {error}") from error
    if parts.scheme not in schemes or not parts.hostname:
        # The rest of it may be a secret.
        raise InvalidInputError(f"url: expected such as {example}, got one of {parts.scheme or 'no scheme'!r}")
    if parts.username is not None or parts.password is not None:
        raise InvalidInputError("url: expected no user and no password in it: others can read it")
    return parts


def trust(ca_file: str | None) -> ssl.SSLContext:
    """A context that verifies whom it talks to.

    :raises InvalidInputError: the file has no certificates.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise InvalidInputError(f"ca_file: expected PEM certificates in {ca_file}: {error}") from error
