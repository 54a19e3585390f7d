"""Renders self-contained HTML pages, which need no network and no other file."""

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
    """Render ``templates/page.html`` of a package. Text in the values is escaped.

    Templates may include the shared ``common.css``, and have the filters ``exercise`` and ``muscle``, which convert ids
    to names, ``translate``, and ``counted``, which formats a number with its noun.

    :param catalogue: catalogue of the names and translations; None for the English catalogue.
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
