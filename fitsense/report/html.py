"""HTML pages that need nothing else: no network, no other file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jinja2

from fitsense.catalogue import Catalogue, load_catalogue


def render(
    package: str,
    values: Mapping[str, Any],
    filters: Mapping[str, Callable[..., Any]],
    catalogue: Catalogue | None = None,
) -> str:
    """A package's ``templates/page.html``, filled in. What is text in the values is text in the page.

    Templates may include ``common.css``, which all pages share, and have the filters ``exercise`` and ``muscle``,
    which give names for ids, ``translate``, and ``counted``, which gives a number of things.

    :param catalogue: whose names they are; None for the English ones.
    """
    catalogue = catalogue or load_catalogue()
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader("fitsense.report")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "exercise": catalogue.exercise_name,
        "muscle": catalogue.muscle_group_name,
        "translate": catalogue.translate,
        "counted": catalogue.count,
        **filters,
    }
    return environment.get_template("page.html").render(values)
