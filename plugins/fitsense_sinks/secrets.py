"""Secrets from the environment or files, URLs, and trusted certificates."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from fitsense import InvalidInputError


def secret(variable: str, file: str | None) -> str:
    """Read a secret from a file, else from an environment variable, stripped of blanks; empty without either.

    :raises InvalidInputError: the file cannot be read.
    """
    if file is None:
        return os.environ.get(variable, "").strip()
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{file}: expected a file with a secret: {error}") from error


def address(url: str, *schemes: str) -> SplitResult:
    """Parse a URL.

    :raises InvalidInputError: the URL has another scheme, no host, an odd port, or a password.
    """
    example = f"{schemes[0]}://host"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidInputError(f"url: expected such as {example}: {error}") from error
    if parts.scheme not in schemes or not parts.hostname:
        # The rest of the URL may be a secret.
        raise InvalidInputError(f"url: expected such as {example}, got one of {parts.scheme or 'no scheme'!r}")
    if parts.username is not None or parts.password is not None:
        raise InvalidInputError("url: expected no user and no password, since others can read it")
    return parts


def trust(ca_file: str | None) -> ssl.SSLContext:
    """TLS context that verifies the server.

    :raises InvalidInputError: the file contains no certificates.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise InvalidInputError(f"ca_file: expected PEM certificates in {ca_file}: {error}") from error
