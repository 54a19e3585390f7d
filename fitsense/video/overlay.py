"""Videos with labels and muscle bars drawn on them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fitsense.catalogue import IDLE, UNKNOWN, load_catalogue
from fitsense.events.timeline import Moment, Timeline
from fitsense.types import Frame, UInt8Array

# Colours that the colour-blind can distinguish (Okabe and Ito).
_NAMED, _UNKNOWN, _NOTHING, _BAR = (86, 180, 233), (230, 159, 0), (170, 170, 170), (0, 158, 115)
_WHITE = (255, 255, 255)
_MAX_BARS = 6
# Smallest activation that is drawn.
_MIN_ACTIVATION = 0.15
_CLOCK_HZ = 90_000


def write_overlay(path: Path, frames: Iterable[Frame], timeline: Timeline, rate_hz: float) -> int:
    """Encode `frames` to `path` (H.264) with labels and muscle bars, at their media times; return the number of frames.

    :param rate_hz: average frames per second, a hint for players.
    """
    unfinished = path.with_name(f".unfinished-{path.name}")
    try:
        written = _encode(unfinished, frames, timeline, rate_hz)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return written


def _encode(path: Path, frames: Iterable[Frame], timeline: Timeline, rate_hz: float) -> int:
    written, last_pts = 0, -1
    with av.open(str(path), "w") as container:
        stream = None
        for frame in frames:
            pts = round(frame.time_s * _CLOCK_HZ)
            if pts <= last_pts:
                # A late frame, which the session dropped, too.
                continue
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(rate_hz).limit_denominator(1001))
                # 4:2:0 requires even sides.
                stream.width, stream.height = frame.rgb.shape[1] // 2 * 2, frame.rgb.shape[0] // 2 * 2
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = Fraction(1, _CLOCK_HZ)
                stream.options = {"crf": "21", "preset": "veryfast"}
            picture = draw(frame.rgb, timeline.at(frame.time_s), frame.time_s)
            encoded = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(picture[: stream.height, : stream.width]), format="rgb24"
            )
            encoded.pts, encoded.time_base = pts, Fraction(1, _CLOCK_HZ)
            container.mux(stream.encode(encoded))
            written, last_pts = written + 1, pts
        if stream is not None:
            container.mux(stream.encode(None))
    return written


def draw(rgb: UInt8Array, moment: Moment, time_s: float) -> UInt8Array:
    """Draw a moment's label and muscle bars on a picture, uint8 (height, width, 3)."""
    image = Image.fromarray(rgb)
    canvas = ImageDraw.Draw(image, "RGBA")
    short = min(image.size)
    large, small = (
        ImageFont.load_default(max(13, short * 0.062)),
        ImageFont.load_default(max(9, short * 0.036)),
    )
    margin = max(5, round(short * 0.025))
    title, detail, colour = _words(moment, time_s)
    _, top, right, bottom = canvas.textbbox((2 * margin, 1.5 * margin), title, font=large)
    detail_box = canvas.textbbox((2 * margin, bottom + margin * 0.6), detail, font=small)
    box = (margin, top - margin, max(right, detail_box[2]) + margin, detail_box[3] + margin)
    canvas.rounded_rectangle(box, radius=margin, fill=(0, 0, 0, 165))
    canvas.rectangle((box[0], box[1] + margin, box[0] + margin * 0.45, box[3] - margin), fill=colour)
    canvas.text((2 * margin, 1.5 * margin), title, font=large, fill=_WHITE)
    canvas.text((2 * margin, bottom + margin * 0.6), detail, font=small, fill=(220, 220, 220))
    _draw_bars(canvas, image.size, moment, small, margin)
    return np.asarray(image)


def _words(moment: Moment, time_s: float) -> tuple[str, str, tuple[int, int, int]]:
    clock = f"{time_s:.1f} s"
    name = load_catalogue().exercise_name(moment.exercise or IDLE)
    if moment.exercise is None:
        return name, clock, _NOTHING
    for_s = f"for {time_s - moment.since_s:.0f} s"
    if moment.exercise == UNKNOWN:
        return name, f"{clock}, {for_s}", _UNKNOWN
    return name, f"{clock}, {for_s}, {moment.confidence or 0:.0%} sure", _NAMED


def _draw_bars(
    canvas: ImageDraw.ImageDraw,
    size: tuple[int, int],
    moment: Moment,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    margin: int,
) -> None:
    """Horizontal bars of the most active muscle groups, at the bottom left."""
    active = sorted(moment.muscles.items(), key=lambda item: -item[1])[:_MAX_BARS]
    active = [(group, activation) for group, activation in active if activation >= _MIN_ACTIVATION]
    if not active:
        return
    labels = [load_catalogue().muscle_group_name(group) for group, _ in active]
    line = canvas.textbbox((0, 0), "Ag", font=font)[3] + margin * 0.5
    text_width = max(canvas.textlength(label, font=font) for label in labels)
    bar_width = max(40, size[0] * 0.18)
    top = size[1] - margin * 2 - line * len(active)
    right = margin * 4 + text_width + bar_width
    canvas.rounded_rectangle((margin, top - margin, right, size[1] - margin), radius=margin, fill=(0, 0, 0, 165))
    for row, (label, (_, activation)) in enumerate(zip(labels, active, strict=True)):
        y = top + row * line
        canvas.text((2 * margin, y), label, font=font, fill=_WHITE)
        x = margin * 3 + text_width
        box = (x, y + line * 0.18, x + bar_width, y + line * 0.72)
        canvas.rectangle(box, fill=(255, 255, 255, 60))
        canvas.rectangle((x, box[1], x + bar_width * min(1.0, activation), box[3]), fill=_BAR)
