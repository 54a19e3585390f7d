"""The report of an analysis in a notebook."""

from __future__ import annotations

import html
import itertools
import re

import fitsense
from fitsense.synthetic.figures import FigureVideo


def test_analysis_in_a_notebook_is_its_report(model: fitsense.Model, squats: FigureVideo) -> None:
    analysis = fitsense.analyze(squats, model=model)
    assert analysis._repr_html_() is None
    list(itertools.islice(analysis, 4))
    assert "breaks off" in (analysis._repr_html_() or "")
    list(analysis)
    shown = analysis._repr_html_()
    assert shown is not None
    (content,) = re.findall(r'^<iframe [^>]* srcdoc="([^"]*)"></iframe>$', shown, re.DOTALL)
    page = html.unescape(content)
    assert "1 exercise, 1 set, 3 repetitions" in page
    assert "breaks off" not in page
