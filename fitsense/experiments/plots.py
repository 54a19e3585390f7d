"""Plots as SVG."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from fitsense.experiments.base import Plot
from fitsense.experiments.formatting import format_metric

# Palette of Okabe and Ito, which colour-blind people can distinguish.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
_WIDTH, _HEIGHT = 560, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 48, 46
_STEPS = 4


def svg(plot: Plot) -> str:
    """Draw a plot as a standalone SVG document, with intervals as bars and figures as tooltips."""
    values = [
        value
        for points in plot.lines.values()
        for _, figure in points
        if figure.value is not None
        for value in (figure.value, *(figure.interval or ()))
    ]
    places = [place for points in plot.lines.values() for place, _ in points] + list(plot.marks.values())
    low, high = _range(values)
    first, last = _range(places)

    def across(place: float) -> str:
        return f"{_LEFT + (place - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT):.1f}"

    def up(value: float) -> str:
        return f"{_HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM):.1f}"

    root = ElementTree.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH} {_HEIGHT}",
            "width": str(_WIDTH),
            "font-family": "sans-serif",
            "font-size": "11",
            "fill": "#333",
            "role": "img",
        },
    )
    _add(root, "title", {}, plot.title)
    _add(root, "rect", {"width": str(_WIDTH), "height": str(_HEIGHT), "fill": "#fff"})
    for step in range(_STEPS + 1):
        value = low + step / _STEPS * (high - low)
        line = {"x1": str(_LEFT), "x2": str(_WIDTH - _RIGHT), "y1": up(value), "y2": up(value), "stroke": "#ddd"}
        _add(root, "line", line)
        _add(root, "text", {"x": str(_LEFT - 6), "y": up(value), "dy": "4", "text-anchor": "end"}, f"{value:.2f}")
    for place in _ticks(places):
        at = {"x": across(place), "y": str(_HEIGHT - _BOTTOM + 16), "text-anchor": "middle"}
        _add(root, "text", at, f"{place:g}")
    middle = {"x": str((_LEFT + _WIDTH - _RIGHT) // 2), "y": str(_HEIGHT - 10), "text-anchor": "middle"}
    _add(root, "text", middle, plot.across)
    for index, (name, place) in enumerate(plot.marks.items()):
        dash = {"stroke": "#777", "stroke-dasharray": "4 3", "y1": str(_TOP), "y2": str(_HEIGHT - _BOTTOM)}
        _add(root, "line", {"x1": across(place), "x2": across(place), **dash})
        beside = {"dx": "-4", "text-anchor": "end"} if place > (first + last) / 2 else {"dx": "4"}
        _add(root, "text", {"x": across(place), "y": str(_TOP + 12 + 13 * index), **beside}, f"{name}: {place:.2f}")
    for index, (name, points) in enumerate(plot.lines.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        there = [(place, figure, figure.value) for place, figure in points if figure.value is not None]
        path = " ".join(f"{across(place)},{up(value)}" for place, _, value in there)
        _add(root, "polyline", {"points": path, "fill": "none", "stroke": colour, "stroke-width": "2"})
        for place, figure, value in there:
            group = _add(root, "g", {"stroke": colour, "fill": colour})
            _add(group, "title", {}, f"{name} at {place:g}: {format_metric(figure)}")
            if figure.interval:
                ends = {"y1": up(figure.interval[0]), "y2": up(figure.interval[1]), "stroke-opacity": ".35"}
                _add(group, "line", {"x1": across(place), "x2": across(place), **ends})
            _add(group, "circle", {"cx": across(place), "cy": up(value), "r": "3"})
        key = {"x": str(_LEFT + 130 * index), "y": "18", "fill": colour, "font-weight": "bold"}
        _add(root, "text", key, name)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _range(values: list[float]) -> tuple[float, float]:
    """The smallest and the largest value, widened if they are equal."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(places: list[float]) -> list[float]:
    """At most a dozen of the positions, with the first."""
    distinct = sorted(set(places))
    return distinct[:: max(1, math.ceil(len(distinct) / 12))]


def _add(parent: ElementTree.Element, tag: str, attributes: dict[str, str], text: str = "") -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag, attributes)
    child.text = text or None
    return child
