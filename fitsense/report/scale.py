"""A sequential colour scale that is readable with colour vision deficiency."""

from __future__ import annotations

import math

# Lightness, chroma and hue (in degrees) in OKLCh: from pale yellow through red to deep violet. Lightness falls
# linearly, so that it alone distinguishes the shares; the hue is an addition.
_PALE, _DEEP = (0.93, 0.06, 95.0), (0.31, 0.11, -55.0)
_VIVID = 0.4


def colour(share: float, *, dark: bool = False) -> str:
    """The colour of a share as ``#rrggbb``: the larger the share, the higher the contrast to the page.

    :param share: from 0 to 1; values outside are clipped.
    :param dark: for a dark page, on which large shares are pale.
    """
    share = min(max(share, 0.0), 1.0)
    depth = 1.0 - share if dark else share
    lightness, chroma, hue = (pale + depth * (deep - pale) for pale, deep in zip(_PALE, _DEEP, strict=True))
    chroma += _VIVID * depth * (1.0 - depth)
    return _hex(lightness, chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue)))


def _hex(lightness: float, a: float, b: float) -> str:
    """Convert OKLab to sRGB, by https://bottosson.github.io/posts/oklab/."""
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    return "#" + "".join(f"{round(255 * _encoded(min(max(value, 0.0), 1.0))):02x}" for value in linear)


def _encoded(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
