"""Frames of a squatting figure."""

from __future__ import annotations

import pytest

from fitsense.synthetic.figures import FigureVideo
from fitsense.types import Frame


@pytest.fixture(scope="session")
def frames(squats: FigureVideo) -> list[Frame]:
    return list(squats)
