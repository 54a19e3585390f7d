"""Renders self-contained HTML pages, which need no network and no other file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jinja2

from fitsense.catalogue import load_catalogue


def render(package: str, values: Mapping[str, Any], filters: Mapping[str, Callable[..., Any]]) -> str:
    """Render ``templates/page.html`` of a package. Text in the values is escaped.

    Templates may include the shared ``common.css``, and have the filters ``exercise`` and ``muscle``, which convert ids
    to names.
    """
    catalogue = load_catalogue()
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
        **filters,
    }
    return environment.get_template("page.html").render(values)
