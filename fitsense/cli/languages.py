"""The language in which commands name exercises and muscle groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from fitsense.catalogue import LANGUAGES, Catalogue, load_catalogue
from fitsense.errors import InvalidInputError


def _catalogue(context: click.Context, parameter: click.Parameter, value: str) -> Catalogue:
    try:
        return load_catalogue(value)
    except InvalidInputError as error:
        raise click.BadParameter(str(error)) from None


lang_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--lang",
    "catalogue",
    default="en",
    show_default=True,
    metavar="LANG",
    callback=_catalogue,
    help=f"Name exercises and muscles in this language: {', '.join(LANGUAGES)}.",
)
"""``--lang``, given to a command as ``catalogue``."""
