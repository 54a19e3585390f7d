"""Configuration of decoding, for files and live sources."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.validators import integer, number

# Limit for files of strangers, in which a few bytes may ask for gigabytes: 8192 x 4608 pixels are 8K.
MAX_PIXELS = 8192 * 4608


@checks_arguments
@attrs.frozen
class DecodeConfig:
    """Decoding and scaling of a source.

    :param short_side: short side of the frames in pixels; None for the source's own size.
    :param zoom: factor by which `short_side` is multiplied if only a part of each frame is analysed; frames are never
        enlarged beyond the source's size.
    :param min_interval_s: minimum spacing between frames in seconds, see :mod:`fitsense.imaging.frame_rate`; 0 for all
        frames.
    :param options: further FFmpeg options, such as allowed protocols and formats.
    :param hwaccel: hardware decoder by FFmpeg's name: ``cuda``, ``vaapi``, ``videotoolbox``, ``d3d11va``, …, or one
        device such as ``cuda:1``. None for the CPU.
    :param threads: decoder threads; None for FFmpeg's choice. Each thread after the first delays frames by one, and
        costs some CPU time.
    :param track: index among the video tracks, from 0 and without attached pictures; None for the track that players
        choose: the default one, else the largest.
    :param max_pixels: largest picture in pixels; larger ones are refused before memory is allocated.
    """

    short_side: int | None = attrs.field(default=None, validator=integer(1, optional=True))
    zoom: float = attrs.field(default=1.0, validator=number(1.0))
    min_interval_s: float = attrs.field(default=0.0, validator=number(0.0))
    options: Mapping[str, str] = attrs.field(factory=dict)
    hwaccel: str | None = None
    threads: int | None = attrs.field(default=None, validator=integer(1, optional=True))
    track: int | None = None
    max_pixels: int = attrs.field(default=MAX_PIXELS, validator=integer(1))
