"""Removal of passwords in addresses from texts that are printed, logged or sent."""

from __future__ import annotations

import re

_HIDDEN = "***"
# Passwords may contain any character except blanks: everything up to the last @ is hidden.
_USER = re.compile(r"([a-z][a-z0-9+.-]*:/+)[^\s]*@", re.IGNORECASE)
# The scheme may be misspelt or missing.
_BARE_USER = re.compile(r"(?<![^\s'\"=(,])(?!\w+:/)[^\s:@/'\"=(,]*:[^\s@]+@")
_QUERY = re.compile(r"([a-z][a-z0-9+.-]*:/+[^\s?'\"]*\?)[^\s'\"]+?(?=[:;,.)]*(?:[\s'\"]|$))", re.IGNORECASE)


def redact(text: str) -> str:
    """Remove user, password and query from the addresses in a text."""
    text = _USER.sub(rf"\1{_HIDDEN}@", text)
    text = _BARE_USER.sub(f"{_HIDDEN}@", text)
    return _QUERY.sub(rf"\1{_HIDDEN}", text)


def redact_address(address: str) -> str:
    """Remove user, password and query from an address; paths stay as they are."""
    return redact(address) if "://" in address else address
