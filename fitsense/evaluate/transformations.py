"""Transformations of videos that do not change what the person in them does: for measurements of robustness.

Each takes the frames of a clip in order and gives those of the transformed clip, of the same size or a larger one. It
is deterministic and holds a few frames at a time.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.imaging.resize import scale
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.synthetic.rendering import Appearance, Camera
from fitsense.types import Frame, UInt8Array

UNTOUCHED = "untouched"
"""Name of the clip itself among the transformed ones."""

Transform = Callable[[Iterable[Frame]], Iterator[Frame]]

_SHAKE, _PAN = 0.02, 0.08
_SHAKE_HZ = (1.3, 2.9)
_PAN_S = 10.0
_PASSING_FROM_S, _PASSING_S = 2.0, 3.5
_BLINK_S = 0.5
_SMALL, _MIRROR = 0.3, 0.7
# Frames by which the picture in the picture is behind.
_BEHIND = 12
_CRF = "40"
_RATE_HZ = 10.0
# Brightest noise of a black room, in 0..255.
_NOISE = 14


@attrs.frozen
class Transformation:
    """A transformation of clips.

    :param summary: effect in a few words.
    :param apply: function of the frames of a clip that returns those of the transformed clip.
    """

    summary: str
    apply: Transform


def _shake(frames: Iterable[Frame]) -> Iterator[Frame]:
    slow, fast = _SHAKE_HZ
    for frame in frames:
        x, y = (math.sin(2 * math.pi * rate_hz * frame.time_s + at) for at, rate_hz in enumerate((slow, fast)))
        yield _shifted(frame, _SHAKE * x, _SHAKE * y)


def _pan(frames: Iterable[Frame]) -> Iterator[Frame]:
    for frame in frames:
        # There and back again.
        phase = abs((frame.time_s / _PAN_S + 0.5) % 2 - 1)
        yield _shifted(frame, _PAN * (2 * phase - 1), 0.0)


def _shifted(frame: Frame, x: float, y: float) -> Frame:
    """The frame from a camera that is turned by shares of the picture's width; its edges are repeated."""
    height, width, _ = frame.rgb.shape
    rows = np.clip(np.arange(height) + round(y * width), 0, height - 1)
    columns = np.clip(np.arange(width) + round(x * width), 0, width - 1)
    return Frame(frame.rgb[rows][:, columns], frame.time_s)


def _pass_by(frames: Iterable[Frame]) -> Iterator[Frame]:
    for frame in frames:
        share = (frame.time_s - _PASSING_FROM_S) / _PASSING_S
        if not 0 <= share <= 1:
            yield frame
            continue
        height, width, _ = frame.rgb.shape
        figure, covered = _figure(height, int(share * _PASSING_S / 0.25) % 2)
        rgb = frame.rgb.copy()
        left = round(share * (width + figure.shape[1])) - figure.shape[1]
        seen = slice(max(0, -left), max(0, min(figure.shape[1], width - left)))
        into = rgb[:, max(0, left) : max(0, left) + max(0, seen.stop - seen.start)]
        into[covered[:, seen]] = figure[:, seen][covered[:, seen]]
        yield Frame(rgb, frame.time_s)


@functools.lru_cache(4)
def _figure(height: int, step: int) -> tuple[UInt8Array, NDArray[np.bool_]]:
    """A rendered person as tall as the picture, uint8 (height, width, 3), and the pixels that they cover.

    :param step: 0 with the feet together, 1 with the feet apart.
    """
    # The room is black, and the person nowhere.
    appearance = Appearance(
        trousers=(0.42, 0.36, 0.3), hair=(0.5, 0.35, 0.25), wall=(0.0, 0.0, 0.0), floor=(0.0, 0.0, 0.0)
    )
    video = FigureVideo(
        (Bout("jumping_jack", 1, 1.0),),
        Camera(azimuth_deg=60.0, elevation_deg=4.0, distance_m=3.0, field_of_view_deg=22.0, target=(0.0, 0.92, 0.0)),
        appearance,
        size=(max(2, height // 2), height),
        rate_hz=8.0,
    )
    picture = next(itertools.islice(video, step, None)).rgb
    return picture, picture.max(axis=2) > _NOISE


def _caption(frames: Iterable[Frame]) -> Iterator[Frame]:
    for frame in frames:
        if int(frame.time_s / _BLINK_S) % 2:
            yield frame
            continue
        height, width, _ = frame.rgb.shape
        rgb = frame.rgb.copy()
        top, left = round(0.78 * height), round(0.15 * width)
        box = rgb[top : top + max(1, height // 8), left : width - left]
        box[:] = 20
        # Bars stand for letters.
        box[box.shape[0] // 4 : 3 * box.shape[0] // 4, 2:-2:6] = 240
        box[box.shape[0] // 4 : 3 * box.shape[0] // 4, 3:-2:6] = 240
        yield Frame(rgb, frame.time_s)


def _picture_in_picture(frames: Iterable[Frame]) -> Iterator[Frame]:
    before: deque[UInt8Array] = deque(maxlen=_BEHIND)
    for frame in frames:
        before.append(frame.rgb)
        yield _with_copy(frame, before[0], _SMALL)


def _mirror(frames: Iterable[Frame]) -> Iterator[Frame]:
    for frame in frames:
        # The mirror shows the middle half of the picture.
        width = frame.rgb.shape[1]
        yield _with_copy(frame, frame.rgb[:, ::-1][:, width // 4 : width - width // 4], _MIRROR)


def _with_copy(frame: Frame, picture: UInt8Array, share: float) -> Frame:
    """The frame with a picture in its upper right corner, scaled by `share`."""
    height, width = (max(1, round(share * length)) for length in picture.shape[:2])
    rgb = frame.rgb.copy()
    rgb[:height, frame.rgb.shape[1] - width :] = scale(picture, width, height)
    return Frame(rgb, frame.time_s)


def _compress(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Encode strongly, and decode again."""
    import av

    encoder: Any = None
    decoder: Any = av.CodecContext.create("h264", "r")
    times: deque[float] = deque()

    def decoded(packets: Iterable[Any]) -> Iterator[Frame]:
        for packet in packets:
            for picture in decoder.decode(packet):
                yield Frame(picture.to_ndarray(format="rgb24"), times.popleft())

    for frame in frames:
        height, width = (length // 2 * 2 for length in frame.rgb.shape[:2])
        if encoder is None:
            encoder = av.CodecContext.create("libx264", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.time_base = Fraction(1, 1000)
            encoder.options = {"crf": _CRF, "preset": "veryfast", "bf": "0"}
            encoder.thread_count = 1
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.rgb[:height, :width]), format="rgb24")
        times.append(frame.time_s)
        yield from decoded(encoder.encode(picture))
    if encoder is not None:
        yield from decoded([*encoder.encode(None), None])


def _slower(frames: Iterable[Frame], factor: float) -> Iterator[Frame]:
    for frame in frames:
        yield Frame(frame.rgb, frame.time_s * factor)


def _fewer(frames: Iterable[Frame]) -> Iterator[Frame]:
    last = None
    for frame in frames:
        slot = math.floor(frame.time_s * _RATE_HZ + 1e-6)
        if slot != last:
            yield frame
        last = slot


TRANSFORMATIONS: Mapping[str, Transformation] = {
    "shake": Transformation("the camera shakes by 2 % of the picture's width", _shake),
    "pan": Transformation("the camera turns slowly, by 16 % of the picture's width and back", _pan),
    "passer_by": Transformation("a person walks past in front for 3.5 s", _pass_by),
    "caption": Transformation("a caption blinks once a second", _caption),
    "picture_in_picture": Transformation("a small copy of the video, 12 frames late, in a corner", _picture_in_picture),
    "mirror": Transformation("a mirror beside the person shows them smaller, by 30 %", _mirror),
    "compression": Transformation(f"strong compression: H.264 at CRF {_CRF}", _compress),
    "half_speed": Transformation("half the speed", functools.partial(_slower, factor=2.0)),
    "double_speed": Transformation("twice the speed", functools.partial(_slower, factor=0.5)),
    "10_fps": Transformation("10 frames a second", _fewer),
}
"""Transformations by name. Repetitions and exercise remain those of the clip."""
