"""Results as words, tables and plots."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.data.manifest import Skipped
from fitsense.experiments import channel_ratio
from fitsense.experiments.base import Figure, Plot, Result, Row, Table
from fitsense.experiments.formatting import format_metric, verdict
from fitsense.experiments.output import document, markdown
from fitsense.experiments.plots import svg
from fitsense.experiments.presets import SMALL

SVG = "{http://www.w3.org/2000/svg}"

shares = st.floats(0, 1)
figures = st.one_of(
    st.just(Figure(None)),
    st.builds(Figure, shares),
    st.builds(lambda low, value, high: Figure(value, (min(low, value), max(high, value))), shares, shares, shares),
)
lines = st.dictionaries(
    st.text("abc <&\"'", min_size=1, max_size=8),
    st.lists(st.tuples(st.floats(-50, 50), figures), max_size=5),
    max_size=3,
)


@pytest.mark.parametrize(
    ("figure", "difference", "expected"),
    [
        (Figure(None), False, "–"),
        (Figure(0.5), False, "0.500"),
        (Figure(0.5, (0.25, 0.75)), False, "0.500 [0.250, 0.750]"),
        (Figure(0.5, (-0.25, 0.75)), True, "+0.500 [−0.250, +0.750]"),
    ],
)
def test_format_metric_returns_value_with_interval(figure: Figure, difference: bool, expected: str) -> None:
    assert format_metric(figure, difference=difference) == expected


@given(figures)
def test_verdict_interval_without_zero_decides(figure: Figure) -> None:
    low, high = figure.interval or (0.0, 0.0)
    for difference, above in ((figure, low > 0), (Figure(figure.value, (-high, -low)), high < 0)):
        if figure.interval and figure.value is not None:
            assert ("above 0" in verdict(difference)) == above
    if figure.interval is None:
        assert "too few" in verdict(figure)


def test_verdict_interval_of_zero_is_equal() -> None:
    assert verdict(Figure(0.0, (0.0, 0.0))) == "both are equal"
    assert "decides nothing" in verdict(Figure(0.1, (-0.1, 0.2)))
    assert "below 0" in verdict(Figure(-0.2, (-0.3, -0.1)))


@given(lines, st.dictionaries(st.text("xyz<", max_size=4), st.floats(-50, 50), max_size=2))
def test_svg_any_plot_stays_inside(drawn: dict[str, list[tuple[float, Figure]]], marks: dict[str, float]) -> None:
    root = ElementTree.fromstring(svg(Plot("a < b", "across", drawn, marks)))
    width, height = (float(side) for side in root.attrib["viewBox"].split()[2:])
    circles = list(root.iter(f"{SVG}circle"))
    assert len(circles) == sum(figure.value is not None for points in drawn.values() for _, figure in points)
    for circle in circles:
        assert 0 <= float(circle.attrib["cx"]) <= width
        assert 0 <= float(circle.attrib["cy"]) <= height
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert set(drawn) <= set(texts)
    assert sum(any(text.startswith(f"{name}: ") for text in texts) for name in marks) == len(marks)


def test_svg_higher_value_is_drawn_higher() -> None:
    plot = Plot("", "", {"line": [(0.0, Figure(0.2)), (1.0, Figure(0.6))]})
    low, high = ElementTree.fromstring(svg(plot)).iter(f"{SVG}circle")
    assert float(high.attrib["cy"]) < float(low.attrib["cy"])
    assert float(high.attrib["cx"]) > float(low.attrib["cx"])


def test_markdown_has_table_answer_and_scale() -> None:
    row = Row("10", {"top-1": Figure(0.5, (0.4, 0.6))}, {"parameters": 693194})
    ahead = Row("10 − 4", {"mAP": Figure(-0.1)}, difference=True)
    result = Result(
        "two clips.",
        [Table("By ratio", [row, ahead])],
        "10 is best.",
        [Skipped("a.mp4", "broken")],
        [Plot("By ratio", "ratio", {"top-1": [(10, Figure(0.5))]})],
    )
    page = markdown(channel_ratio, SMALL, result)
    assert "|  | parameters | top-1 | mAP |\n| --- | ---: | ---: | ---: |" in page
    assert "| 10 | 693194 | 0.500 [0.400, 0.600] |  |\n| 10 − 4 |  |  | −0.100 |" in page
    for words in ("10 is best.", "Scale `small`: two clips. Skipped clips: 1.", "![By ratio](channel-ratio.svg)"):
        assert words in page
    assert "![" not in markdown(channel_ratio, SMALL, result, with_plots=False)
    written = document(channel_ratio, SMALL, result)
    assert written["tables"][0]["rows"][0] == {
        "name": "10",
        "parameters": 693194,
        "difference": False,
        "figures": {"top-1": {"value": 0.5, "interval": [0.4, 0.6]}},
    }
    assert written["scale"]["slowfast"]["tuning"]["epochs"] == SMALL.slowfast.tuning.epochs
    assert written["skipped"] == [{"path": "a.mp4", "reason": "broken"}]
