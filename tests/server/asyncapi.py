"""``python -m tests.server.asyncapi`` rewrites ``schemas/asyncapi.json``."""

from __future__ import annotations

import json
from pathlib import Path

from fitsense.server.api.asyncapi import asyncapi

FILE = Path(__file__).parents[2] / "schemas" / "asyncapi.json"


def text() -> str:
    """Content that the file should have."""
    return json.dumps(asyncapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
