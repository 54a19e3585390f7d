"""The body map: every muscle group once, in its place, with labels."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fitsense.bundles.bundle import Bundle
from fitsense.catalogue import load_catalogue
from fitsense.errors import InvalidInputError
from fitsense.report.body_map import body_map, drawn_groups
from fitsense.report.scale import colour

SVG = "{http://www.w3.org/2000/svg}"
GROUPS = sorted(load_catalogue().muscle_groups)
LOADS = st.dictionaries(st.sampled_from(GROUPS), st.floats(0, 1e6), min_size=1)


def regions(svg: str) -> dict[tuple[str, str], ElementTree.Element]:
    """The groups' elements by group and side."""
    root = ElementTree.fromstring(svg)
    found = {(e.attrib["data-group"], e.attrib["data-side"]): e for e in root.iter() if "data-group" in e.attrib}
    assert len(found) == sum("data-group" in e.attrib for e in root.iter())
    return found


def text(element: ElementTree.Element, tag: str) -> str:
    return element.findtext(f"{SVG}{tag}") or ""


def test_body_map_draws_every_group_on_its_side() -> None:
    assert drawn_groups() == set(GROUPS)
    drawn = regions(body_map({}, unit="s"))
    for group in load_catalogue().muscle_groups.values():
        for side in ("front", "back") if group.side == "both" else (group.side,):
            assert (group.id, side) in drawn


@pytest.mark.parametrize("bundle", ["gym", "gym-video"])
def test_body_map_draws_every_group_of_bundles(bundle: str) -> None:
    assert set(Bundle.load(bundle).manifest.labels.muscles) <= drawn_groups()


@given(LOADS)
def test_body_map_regions_are_labelled(load: dict[str, float]) -> None:
    for (group, side), region in regions(body_map(load, unit="s")).items():
        name = load_catalogue().muscle_group_name(group)
        said = f"{load[group]:.1f} s" if group in load else "no value"
        assert text(region, "title") == f"{name}: {said}"
        assert region.attrib["role"] == "img"
        assert region.attrib["aria-label"] == f"{name}: {said} ({side})"
        assert text(region, "desc").startswith(side)


@given(LOADS)
def test_body_map_colours_follow_share_of_largest(load: dict[str, float]) -> None:
    max_load = max(load.values())
    for (group, _), region in regions(body_map(load, unit="s")).items():
        if group not in load:
            assert region.attrib["class"] == "muscle"
            continue
        share = load[group] / max_load if max_load else 0.0
        faint = ("load faint", ".45") if share < 0.05 else ("load", None)
        assert (region.attrib["class"], region.attrib.get("fill-opacity")) == faint
        assert region.attrib["fill"] == colour(share)
        assert region.attrib["style"] == f"--light: {colour(share)}; --dark: {colour(share, dark=True)}"


@given(LOADS, st.sampled_from(GROUPS), st.floats(0, 1e6))
def test_body_map_value_changes_only_its_regions(load: dict[str, float], group: str, value: float) -> None:
    before = regions(body_map(load, unit="s", max_load=1e6))
    after = regions(body_map({**load, group: value}, unit="s", max_load=1e6))
    for key, region in after.items():
        if key[0] != group:
            assert ElementTree.tostring(region) == ElementTree.tostring(before[key])
        else:
            assert text(region, "title").endswith(f"{value:.1f} s")


def test_body_map_has_title_and_description() -> None:
    root = ElementTree.fromstring(body_map({"quads": 3.0, "abs": 1.0, "lats": 0.0}, unit="s", title="Monday & Tuesday"))
    assert root.attrib["aria-label"] == text(root, "title") == "Monday & Tuesday"
    assert text(root, "desc").endswith("Most load: Quads 3.0 s, Abs 1.0 s.")
    assert {"Front", "Back", "0", "3.0 s", "no value"} == {e.text for e in root.iter(f"{SVG}text")}
    assert text(ElementTree.fromstring(body_map({}, unit="s")), "desc").endswith("There is no load.")


def test_body_map_has_no_external_references() -> None:
    svg = body_map({"quads": 1.0}, unit="s")
    assert "<script" not in svg
    assert "url(" not in svg
    assert "href" not in svg
    assert svg.count("http") == 1  # the name of SVG itself


def test_body_map_unknown_groups_count_for_scale_only() -> None:
    svg = body_map({"quads": 1.0, "tail<": 2.0}, unit="s", max_load=2.0)
    assert "tail" not in svg
    assert regions(svg)["quads", "front"].attrib["fill"] == colour(0.5)


@pytest.mark.parametrize("load", [{"quads": -1.0}, {"quads": math.nan}, {"quads": math.inf}])
def test_body_map_invalid_load_is_refused(load: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match="load of 'quads': expected 0 or more"):
        body_map(load, unit="s")


@pytest.mark.parametrize("max_load", [0.5, math.nan, math.inf])
def test_body_map_scale_below_largest_load_is_refused(max_load: float) -> None:
    with pytest.raises(InvalidInputError, match="max_load: expected at least the largest load, 1"):
        body_map({"quads": 1.0}, unit="s", max_load=max_load)


def test_body_map_groups_are_disjoint_and_inside_the_body() -> None:
    """Drawn in full, pixel by pixel: a region may touch its neighbour, or the outline, by a pixel at max_load."""
    root = ElementTree.fromstring(body_map({}, unit="s"))
    for part in root.findall(f"{SVG}g")[:2]:
        skin, *_ = (mask(e) for e in part if e.attrib.get("class") == "skin")
        drawn = {e.attrib["data-group"]: mask(e) for e in part if "data-group" in e.attrib}
        for group, pixels in drawn.items():
            assert pixels.sum() > 200, group
            assert (pixels == pixels[:, ::-1]).mean() > 0.99
            assert not (pixels & ~grown(skin)).any(), group
            others = np.any([other for name, other in drawn.items() if name != group], axis=0)
            assert (pixels & others).sum() < 0.01 * pixels.sum(), group


def mask(element: ElementTree.Element) -> NDArray[np.bool_]:
    """The pixels of an element's paths, of a picture as large as the body, with the midline in its middle."""
    picture = Image.new("1", (421, 811))
    draw = ImageDraw.Draw(picture)
    for path in element.findall(f"{SVG}path"):
        side = -1 if "scale(-1 1)" in path.attrib.get("transform", "") else 1
        for outline in outlines(path.attrib["d"]):
            draw.polygon([(210 + side * x, y + 5) for x, y in outline], fill=1)
    return np.asarray(picture)


def outlines(path: str) -> Iterator[list[tuple[float, float]]]:
    """A path's outlines as points: moves, lines and cubic curves, all absolute."""
    points: list[tuple[float, float]] = []
    for command, numbers in re.findall(r"([MLCZ])([^MLCZ]*)", path):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        pairs = list(zip(values[::2], values[1::2], strict=True))
        if command == "M":
            if points:
                yield points
            points = pairs
        elif command == "C":
            (x0, y0), ((x1, y1), (x2, y2), (x3, y3)) = points[-1], pairs
            for t in np.linspace(0.1, 1.0, 10):
                u = 1 - t
                weights = (u**3, 3 * u * u * t, 3 * u * t * t, t**3)
                x = sum(w * v for w, v in zip(weights, (x0, x1, x2, x3), strict=True))
                y = sum(w * v for w, v in zip(weights, (y0, y1, y2, y3), strict=True))
                points.append((float(x), float(y)))
        elif command == "L":
            points += pairs
    yield points


def grown(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """By a pixel on each side."""
    grown = pixels.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            grown |= np.roll(pixels, step, axis)
    return grown
