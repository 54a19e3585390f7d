"""The documents, and the code in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _pages() -> Mapping[str, str]:
    files = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "plugins").glob("*/README.md"),
        *(file for file in (ROOT / "docs").rglob("*.md") if file.parts[len(ROOT.parts) + 1] != "examples"),
    ]
    return {file.relative_to(ROOT).as_posix(): file.read_text("utf-8") for file in sorted(files)}


PAGES = _pages()
"""The text of every page, by its path in the project."""


def blocks(page: str, *languages: str) -> list[str]:
    """Contents of a page's fenced blocks in one of the languages, in order."""
    found = re.findall(r"^```([^\n`]*)\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in languages]


def languages(page: str) -> set[str]:
    """Languages of a page's fenced blocks, without directives, whose names are in braces."""
    found = re.findall(r"^```([^\n`]*)\n.*?^```", PAGES[page], re.MULTILINE | re.DOTALL)
    return {language for language in found if not language.startswith("{")}
