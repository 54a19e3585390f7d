"""The page: whole by itself, honest markup, and nothing in it that a file's name could smuggle in."""

from __future__ import annotations

import base64
import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fitsense.evaluate.html_report import difference, figure, page, range_of, stills
from fitsense.synthetic.figures import FigureVideo
from tests.helpers.html import Page


@pytest.fixture(scope="module")
def html(report: dict[str, Any], split: Path) -> str:
    return page(report, split)


@pytest.fixture(scope="module")
def parsed(html: str) -> Page:
    return Page(html)


def test_page_refers_to_no_file_and_no_network(html: str, parsed: Page) -> None:
    assert not parsed.all("link")
    assert all("src" not in script for script in parsed.all("script"))
    for _, attributes in parsed.elements:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/jpeg;base64,"))
    assert "url(" not in html
    assert "http" not in html


def test_page_is_accessible_to_screen_readers(parsed: Page) -> None:
    for plot in parsed.all("svg"):
        assert plot["role"] == "img"
        assert plot["aria-label"]
    for header in parsed.all("th"):
        assert header["scope"] in ("row", "col")
    assert all(image["alt"] for image in parsed.all("img"))
    anchors = {attributes["id"] for _, attributes in parsed.elements if "id" in attributes}
    for link in parsed.all("a"):
        assert (link["href"] or "")[1:] in anchors


def test_page_contains_the_values_of_the_report(parsed: Page, report: dict[str, Any]) -> None:
    words = parsed.words
    for value in (report["exercise"]["top1"], report["exercise"]["ece"], report["muscles"]["map"]):
        assert figure(value) in words
    assert range_of(report["intervals"]["exercise.top1"]) in words
    assert difference(report["ensemble"]["over_branch"]["lookup"]["muscles.map"]["difference"]) in words
    assert "1 of 1 clips of Plank were called" in str(parsed.all("td"))
    assert "Burpee (1)" in words
    labels = [plot["aria-label"] or "" for plot in parsed.all("svg")]
    assert sum("share of right answers" in label for label in labels) == 4
    assert sum("precision by recall" in label for label in labels) == len(report["muscles"]["groups"])
    cells = [cell for cell in parsed.all("td") if cell.get("title")]
    assert len(cells) == np.count_nonzero(report["exercise"]["confusion"])


def test_page_escapes_file_names(html: str, parsed: Page) -> None:
    assert "<b>jack.mp4" in parsed.words
    assert "<i>missing.mp4" in parsed.words
    assert "<b>" not in html
    assert "<i>" not in html


def test_page_shows_the_worst_clips(parsed: Page, report: dict[str, Any]) -> None:
    images = parsed.all("img")
    assert len(images) == len(report["worst"]) > 0


@pytest.mark.slow
def test_page_is_deterministic(html: str, report: dict[str, Any], split: Path) -> None:
    assert page(report, split) == html


def test_page_of_a_nearly_empty_report_is_valid(report: dict[str, Any], split: Path) -> None:
    """No known clip, so that there is neither interval nor branch; several sources; a clip that is gone."""
    bare = copy.deepcopy(report)
    bare["intervals"] = dict.fromkeys(bare["intervals"])
    bare["exercise"] |= {"clips": 0, "top1": None, "top5": None, "macro_recall": None, "ece": None, "by_group": {}}
    bare["exercise"]["confusion"] = np.zeros_like(bare["exercise"]["confusion"]).tolist()
    bare |= {"branches": {}, "ensemble": {"over_branch": {}}, "skipped_files": []}
    bare["by_source"] = {"": {"clips": 2, "top1": 0.5}, "studio & co": {"clips": 1, "top1": 1.0}}
    bare["worst"] = [bare["worst"][0] | {"path": "gone.mp4"}]
    parsed = Page(page(bare, split))
    for words in ("There is no clip of an exercise", "cannot be read", "studio & co", "(none)"):
        assert words in parsed.words


def test_stills_are_three_pictures_of_different_times(squats_file: Path, squats: FigureVideo, tmp_path: Path) -> None:
    uri = stills(squats_file)
    assert uri is not None
    strip = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))
    assert (strip.width % 3, strip.height) == (0, 96)
    first, second, third = np.split(np.asarray(strip, dtype=int), 3, axis=1)
    shape = (strip.width // 3, strip.height)
    frames = list(squats)
    for still, share in ((first, 1 / 6), (second, 1 / 2), (third, 5 / 6)):
        frame = Image.fromarray(frames[round(share * (len(frames) - 1))].rgb).resize(shape, Image.Resampling.BOX)
        assert np.abs(still - np.asarray(frame, dtype=int)).mean() < 8
    assert np.abs(first - second).mean() > 1
    assert stills(tmp_path / "none.mp4") is None


def test_figure_formats_numbers_for_readers() -> None:
    assert (figure(0.12345), figure(None)) == ("0.123", "–")
    assert (difference(-0.0104), difference(0.02), difference(None)) == ("−0.010", "+0.020", "–")
    assert (range_of([-0.1, 0.25]), range_of(None)) == ("−0.100 to 0.250", "")
