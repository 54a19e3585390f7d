"""Figures that are rendered anew, since it is the rendering that is tested."""

from __future__ import annotations

import pytest

from fitsense.synthetic.figures import FigureVideo
from tests.helpers.rendering_cache import render


@pytest.fixture(autouse=True)
def rendered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FigureVideo, "__iter__", render)
