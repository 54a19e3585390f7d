"""An SVG body map: front and back of a body, with muscle groups coloured by their load."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from importlib import resources
from typing import Any
from xml.etree import ElementTree

from fitsense.catalogue import Catalogue, load_catalogue
from fitsense.errors import InvalidInputError
from fitsense.report.scale import colour

_WIDTH, _HEIGHT = 800, 930
_FRONT_X, _BACK_X, _TOP = 203, 597, 14
_KEY_X, _KEY_Y, _KEY_WIDTH, _KEY_HEIGHT, _KEY_STEPS = 250, 868, 300, 18, 30

# Groups with less than this share of the scale are drawn faintly.
MIN_SHARE = 0.05

# The dark colours are for screens only: paper is white.
_STYLE = """
.fitsense-body { --skin: #f1ece6; --muscle: #dcd4cb; --fibre: #fff; color-scheme: light dark; }
.fitsense-body .skin { fill: var(--skin); }
.fitsense-body .muscle { fill: var(--muscle); }
.fitsense-body .load { fill: var(--light); }
.fitsense-body .faint { fill-opacity: .45; }
.fitsense-body .fibre { stroke: var(--fibre); }
.fitsense-body [role=img]:hover path { stroke: currentColor; stroke-width: 1.6; }
.fitsense-body path, .fitsense-body rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
@media screen and (prefers-color-scheme: dark) {
  .fitsense-body { --skin: #23282e; --muscle: #3b424b; --fibre: #14171a; }
  .fitsense-body .load { fill: var(--dark); }
}
"""


def body_map(
    load: Mapping[str, float],
    *,
    unit: str,
    title: str | None = None,
    max_load: float | None = None,
    catalogue: Catalogue | None = None,
) -> str:
    """Draw a body from the front and from the back as SVG, without scripts or external files.

    Each region has the name and value of its group as label and tooltip. Groups without a value are grey,
    those with less than 5 % of the scale are drawn faintly. Groups that the picture does not contain are left out.

    :param load: load by muscle group id, at least 0.
    :param unit: unit of the load, such as ``s``.
    :param title: title of the picture; None for "Muscle load" in the language of the catalogue.
    :param max_load: load at the end of the scale; None for the largest load. Give a value to make pictures comparable.
    :param catalogue: catalogue of the regions' names; None for the English catalogue.
    :raises InvalidInputError: a load is negative or not finite, or exceeds `max_load`.
    """
    catalogue = catalogue or load_catalogue()
    title = catalogue.translate("Muscle load") if title is None else title
    for group, value in load.items():
        if not (math.isfinite(value) and value >= 0.0):
            raise InvalidInputError(f"load of {group!r}: expected 0 or more, got {value}")
    largest = max(load.values(), default=0.0)
    if max_load is None:
        max_load = largest
    elif not (math.isfinite(max_load) and max_load >= largest):
        raise InvalidInputError(f"max_load: expected at least the largest load, {largest:g}, got {max_load}")
    load = {group: value for group, value in load.items() if group in drawn_groups()}
    root = ElementTree.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH} {_HEIGHT}",
            "class": "fitsense-body",
            "role": "group",
            "aria-label": title,
            "font-family": "system-ui, sans-serif",
            "font-size": "24",
            "fill": "currentColor",
        },
    )
    _add(root, "title", {}, title)
    _add(
        root,
        "desc",
        {},
        f"{catalogue.translate('A body from the front and from the back.')} {_in_words(load, unit, catalogue)}",
    )
    _add(root, "style", {}, _STYLE)
    for side, x in (("front", _FRONT_X), ("back", _BACK_X)):
        _draw(_add(root, "g", {"transform": f"translate({x} {_TOP})"}), side, load, unit, max_load, catalogue)
        _add(root, "text", {"x": str(x), "y": "845", "text-anchor": "middle"}, catalogue.translate(side.capitalize()))
    _draw_key(root, unit, max_load, catalogue.translate("no value"))
    return ElementTree.tostring(root, "unicode")


def drawn_groups() -> frozenset[str]:
    """Ids of the muscle groups in the picture."""
    return frozenset(group for side in ("front", "back") for group in _geometry()[side]["regions"])


@functools.cache
def _geometry() -> Mapping[str, Any]:
    document: dict[str, Any] = json.loads(resources.files(__package__).joinpath("body.json").read_text("utf-8"))
    return document


def _draw(
    parent: ElementTree.Element,
    side: str,
    load: Mapping[str, float],
    unit: str,
    max_load: float,
    catalogue: Catalogue,
) -> None:
    shapes = _geometry()[side]
    outline = {"fill": "#f1ece6", "stroke": "currentColor", "stroke-width": "1.6", "stroke-linejoin": "round"}
    skin = _add(parent, "g", {"class": "skin", "aria-hidden": "true", **outline})
    for path in shapes["silhouette"]:
        # Draw both halves of a layer before the next layer, which overlaps them.
        _add_both(skin, [path])
    _add_both(_add(parent, "g", {"class": "muscle", "aria-hidden": "true", "fill": "#dcd4cb"}), shapes["others"])
    for group, paths in shapes["regions"].items():
        _draw_group(parent, catalogue, group, side, load.get(group), paths, unit, max_load)
    fine = {"aria-hidden": "true", "fill": "none", "stroke-linecap": "round", "pointer-events": "none"}
    fibres = {"class": "fibre", "stroke": "#fff", "stroke-opacity": ".4", **fine}
    _add_both(_add(parent, "g", fibres), shapes["fibres"])
    lines = {"stroke": "currentColor", "stroke-opacity": ".55", "stroke-width": "1.1", **fine}
    _add_both(_add(parent, "g", lines), shapes["lines"])


def _draw_group(
    parent: ElementTree.Element,
    catalogue: Catalogue,
    group: str,
    side: str,
    value: float | None,
    paths: list[str],
    unit: str,
    max_load: float,
) -> None:
    translate, name = catalogue.translate, catalogue.muscle_group_name(group)
    region = {"role": "img", "data-group": group, "data-side": side}
    if value is None:
        label = f"{name}: {translate('no value')}"
        more = translate("nothing is known of it")
        region |= {"class": "muscle", "fill": "#dcd4cb"}
    else:
        share = value / max_load if max_load else 0.0
        label = f"{name}: {_number(value)} {unit}"
        more = translate("{share} of the scale", share=f"{share:.0%}")
        region |= _filled(share)
        if share < MIN_SHARE:
            region |= {"class": "load faint", "fill-opacity": ".45"}
    element = _add(parent, "g", region | {"aria-label": f"{label} ({translate(side)})"})
    _add(element, "title", {}, label)
    _add(element, "desc", {}, f"{translate(side)}; {more}")
    _add_both(element, paths)


def _draw_key(root: ElementTree.Element, unit: str, max_load: float, no_value: str) -> None:
    """Draw the colour scale with its ends, and the grey of groups without a value."""
    key = _add(root, "g", {"aria-hidden": "true"})
    wide = _KEY_WIDTH / _KEY_STEPS
    for step in range(_KEY_STEPS):
        # Adjacent steps overlap; otherwise the page would show through.
        place = {"x": f"{_KEY_X + step * wide:g}", "y": str(_KEY_Y), "width": f"{wide + (step < _KEY_STEPS - 1):g}"}
        _add(key, "rect", {**place, "height": str(_KEY_HEIGHT), **_filled(step / (_KEY_STEPS - 1))})
    frame = {"x": str(_KEY_X), "y": str(_KEY_Y), "width": str(_KEY_WIDTH), "height": str(_KEY_HEIGHT)}
    _add(key, "rect", {**frame, "fill": "none", "stroke": "currentColor", "stroke-opacity": ".55"})
    below = str(_KEY_Y + _KEY_HEIGHT + 28)
    _add(key, "text", {"x": str(_KEY_X), "y": below, "text-anchor": "middle"}, "0")
    end = {"x": str(_KEY_X + _KEY_WIDTH), "y": below, "text-anchor": "middle"}
    _add(key, "text", end, f"{_number(max_load)} {unit}" if max_load else "")
    grey = {"x": "28", "y": str(_KEY_Y), "width": str(_KEY_HEIGHT), "height": str(_KEY_HEIGHT), "fill": "#dcd4cb"}
    _add(key, "rect", {**grey, "class": "muscle", "stroke": "currentColor", "stroke-opacity": ".55"})
    _add(key, "text", {"x": "56", "y": str(_KEY_Y + _KEY_HEIGHT - 1)}, no_value)


def _filled(share: float) -> dict[str, str]:
    """Attributes with the colours for light and dark pages; renderers without style sheets use the light one."""
    light, dark = colour(share), colour(share, dark=True)
    return {"class": "load", "fill": light, "style": f"--light: {light}; --dark: {dark}"}


def _in_words(load: Mapping[str, float], unit: str, catalogue: Catalogue) -> str:
    """The groups with the largest load."""
    name = catalogue.muscle_group_name
    best = sorted(((value, group) for group, value in load.items() if value > 0.0), reverse=True)[:3]
    text = ", ".join(f"{name(group)} {_number(value)} {unit}" for value, group in best)
    if not text:
        return catalogue.translate("There is no load.")
    return catalogue.translate("Most load: {groups}.", groups=text)


def _number(value: float) -> str:
    return f"{value:.1f}"


def _add_both(parent: ElementTree.Element, paths: list[str]) -> None:
    """Add paths and their mirror images."""
    half = " ".join(paths)
    _add(parent, "path", {"d": half})
    _add(parent, "path", {"d": half, "transform": "scale(-1 1)"})


def _add(parent: ElementTree.Element, tag: str, attributes: dict[str, str], text: str = "") -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = text or None
    return element
