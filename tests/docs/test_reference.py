"""The reference documents every public name, hook and schema, and nothing else."""

from __future__ import annotations

import re

import fitsense
from fitsense import client, coach, nn, plugins
from fitsense.events.schema import schemas
from fitsense.nn import landmarks
from fitsense.plugins import hookspecs
from tests.helpers.doc_pages import PAGES, blocks


def documented(page: str) -> list[str]:
    """Return the names that a page documents by autodoc."""
    found = "\n".join(blocks(page, "{eval-rst}"))
    return re.findall(r"^\.\. auto(?:class|data|exception|function):: (\w+)$", found, re.MULTILINE)


def test_reference_documents_every_public_name_and_hook_once() -> None:
    hooks = [name for name, value in vars(hookspecs).items() if hasattr(value, "fitsense_spec")]
    names = documented("docs/reference/api.md") + documented("docs/reference/hooks.md")
    own = {*fitsense.__all__, *plugins.__all__, *coach.__all__, *nn.__all__, *landmarks.__all__, *hooks}
    # A client's Session is another class than a program's own.
    assert sorted(names) == sorted([*own, *client.__all__])


def test_reference_shows_every_schema_once() -> None:
    shown = [
        name
        for page in ("docs/reference/events.md", "docs/reference/server.md", "docs/reference/bundle.md")
        for name in re.findall(r"^```\{schema\} (\S+)$", PAGES[page], re.MULTILINE)
    ]
    assert sorted(shown) == sorted([*(schemas().keys() - {"common"}), "common#extension", "common#set"])
