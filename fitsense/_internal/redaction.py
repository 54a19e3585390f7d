"""Texts without passwords: what is printed, logged or sent must not repeat those of an address."""

from __future__ import annotations

import re

_HIDDEN = "***"
# Passwords may hold any character that is no blank, so that all up to the last @ is hidden.
_USER = re.compile(r"([a-z][a-z0-9+.-]*:/+)[^\s]*@", re.IGNORECASE)
# A scheme may be mistyped, or left out.
_BARE_USER = re.compile(r"(?<![^\s'\"=(,])(?!\w+:/)[^\s:@/'\"=(,]*:[^\s@]+@")
_QUERY = re.compile(r"([a-z][a-z0-9+.-]*:/+[^\s?'\"]*\?)[^\s'\"]+?(?=[:;,.)]*(?:[\s'\"]|$))", re.IGNORECASE)


def redact(text: str) -> str:
    """A text whose addresses have no user, password and query any more."""
    text = _USER.sub(rf"\1{_HIDDEN}@", text)
    text = _BARE_USER.sub(f"{_HIDDEN}@", text)
    return _QUERY.sub(rf"\1{_HIDDEN}", text)


def redact_address(address: str) -> str:
    """An address without user, password and query; a file's path as it is."""
    return redact(address) if "://" in address else address
