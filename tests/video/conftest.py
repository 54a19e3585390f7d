"""A film for cameras to show."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from fitsense.synthetic.figures import FigureVideo
from fitsense.types import Frame
from tests.conftest import encode

RATE_HZ = 20


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of an MPEG transport stream."""
    picture = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    frames = (Frame(np.roll(picture, number, axis=1), number / RATE_HZ) for number in range(10 * RATE_HZ))
    return encode(tmp_path_factory.mktemp("film") / "film.ts", frames, "mpeg4", rate=RATE_HZ)


@pytest.fixture(scope="session")
def frames(squats: FigureVideo) -> list[Frame]:
    return list(itertools.islice(squats, 30))
