"""The colour scale, also with colour vision deficiency."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fitsense.report.scale import colour

SHARES = np.linspace(0.0, 1.0, 101)

# How people without one kind of cones see linear RGB: Machado, Oliveira and Fernandes 2009, severity 1.
EYES = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}


def linear(name: str) -> NDArray[np.float64]:
    encoded = np.array([int(name[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("dark", [False, True])
def test_scale_larger_share_has_more_contrast(eyes: str, dark: bool) -> None:
    """By CIE lightness, of which a page is 0 or 100: every tenth of the scale is a visible step."""
    perceived = np.array([np.clip(np.array(EYES[eyes]) @ linear(colour(share, dark=dark)), 0, 1) for share in SHARES])
    lightness = 116 * np.cbrt(perceived @ (0.2126, 0.7152, 0.0722)) - 16
    away = np.diff(lightness if dark else -lightness)
    assert (away > 0).all()
    assert np.diff(lightness[::10]) == pytest.approx(np.full(10, lightness[-1] - lightness[0]) / 10, abs=4)
    assert abs(lightness[-1] - lightness[0]) > 60


def test_scale_share_out_of_range_is_clipped() -> None:
    assert colour(-1.0) == colour(0.0) == colour(1.0, dark=True)
    assert colour(2.0) == colour(1.0) == colour(0.0, dark=True)
