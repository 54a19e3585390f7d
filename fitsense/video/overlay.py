"""Videos with labels, muscle bars, repetitions and the person's skeleton drawn on them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import attrs
import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fitsense.catalogue import IDLE, UNKNOWN, Catalogue, load_catalogue
from fitsense.errors import InvalidInputError
from fitsense.events.timeline import Moment, Timeline
from fitsense.pose.landmarks import VISIBILITY, X, Y, body_box
from fitsense.pose.recording import PoseRecording, TimedPose
from fitsense.types import Frame, UInt8Array
from fitsense.video.soundtrack import Soundtrack

# Colours that the colour-blind can distinguish (Okabe and Ito).
_NAMED, _UNKNOWN, _NOTHING, _BAR = (86, 180, 233), (230, 159, 0), (170, 170, 170), (0, 158, 115)
_WHITE = (255, 255, 255)
_SKELETON = (0, 158, 115)
_PEOPLE = (_NAMED, _UNKNOWN, _SKELETON, (204, 121, 167), (240, 228, 66), (213, 94, 0))
# Landmarks below this visibility are not drawn.
_VISIBLE = 0.5
_MAX_BARS = 6
# Smallest activation that is drawn.
_MIN_ACTIVATION = 0.15
_CLOCK_HZ = 90_000
# A noncharacter: what a font draws for it, it draws for all that it lacks.
_NO_CHARACTER = "\uffff"
_CHECKED_SIZE = 20
# Pillow's own font is for English alone. It finds these by name in the systems' folders.
_USUAL_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial.ttf",
    "arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "msgothic.ttc",
)


def write_overlay(
    path: Path,
    frames: Iterable[Frame],
    timeline: Timeline,
    rate_hz: float,
    catalogue: Catalogue | None = None,
    font: Path | None = None,
    poses: PoseRecording | None = None,
    *,
    people: Mapping[str, Timeline] | None = None,
    sound: str | Path | None = None,
) -> int:
    """Encode `frames` to `path` (H.264) with labels, muscle bars and skeleton, at their own times; give their number.

    :param timeline: of the person; of the whole session if there are `people`.
    :param rate_hz: average frames a second, a hint to players.
    :param catalogue: whose names are drawn; None for the English ones.
    :param font: file of a font with the names' characters; None to find one.
    :param poses: the person's poses; None to draw no skeleton.
    :param people: the timeline of each person by the subject of its events, whom `poses` has by that name: each gets a
        box and a label instead of the labels of one person.
    :param sound: file whose sound is kept; None for none. Its times are those of `frames`.
    :raises InvalidInputError: the font cannot be read, or has no characters of the names' language.
    """
    catalogue = catalogue or load_catalogue()
    found = find_font(catalogue, font)
    unfinished = path.with_name(f".unfinished-{path.name}")
    try:
        scene = _Scene(timeline, poses or PoseRecording(), people, catalogue, found)
        with Soundtrack(sound) if sound is not None else contextlib.nullcontext() as track:
            written = _encode(unfinished, frames, scene, rate_hz, track)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return written


@attrs.frozen(eq=False)
class _Scene:
    """Content of an overlay; the parameters are those of :func:`write_overlay`, with `font` as in :func:`draw`."""

    timeline: Timeline
    poses: PoseRecording
    people: Mapping[str, Timeline] | None
    catalogue: Catalogue
    font: str | None

    def draw(self, frame: Frame) -> UInt8Array:
        time_s = frame.time_s
        if self.people is None:
            shown = draw_skeleton(frame.rgb, self.poses.at(time_s))
            return draw(shown, self.timeline.at(time_s), time_s, self.catalogue, self.font)
        found = [
            (name, timeline.at(time_s), pose, _PEOPLE[index % len(_PEOPLE)])
            for index, (name, timeline) in enumerate(self.people.items())
            if (pose := self.poses.at(time_s, name)) is not None
        ]
        return draw_people(frame.rgb, found, self.catalogue, self.font)


def _encode(path: Path, frames: Iterable[Frame], scene: _Scene, rate_hz: float, sound: Soundtrack | None) -> int:
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
                if sound is not None:
                    sound.add_to(container)
            picture = scene.draw(frame)
            encoded = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(picture[: stream.height, : stream.width]), format="rgb24"
            )
            encoded.pts, encoded.time_base = pts, Fraction(1, _CLOCK_HZ)
            container.mux(stream.encode(encoded))
            if sound is not None:
                sound.write_until(container, frame.time_s)
            written, last_pts = written + 1, pts
        if stream is not None:
            container.mux(stream.encode(None))
            if sound is not None:
                sound.write_until(container, last_pts / _CLOCK_HZ + 1 / rate_hz)
    return written


def find_font(catalogue: Catalogue, font: Path | None = None) -> str | None:
    """A font that has the characters of the catalogue's names: the file to load, None for Pillow's own.

    :param font: file of a font to use; None for Pillow's own, or one of those that systems usually have.
    :raises InvalidInputError: the font cannot be read or lacks characters, or none was found.
    """
    names = (catalogue.exercise_name(UNKNOWN), *(one.name for one in catalogue.muscle_groups.values()))
    needed = sorted({character for name in names for character in name if not character.isspace()})
    for candidate in (None, *_USUAL_FONTS) if font is None else (str(font),):
        try:
            loaded = _font(candidate, _CHECKED_SIZE)
        except OSError as error:
            if font is None:
                continue
            raise InvalidInputError(f"font: expected the file of a font, got {font}: {error}") from error
        missing = bytes(loaded.getmask(_NO_CHARACTER))
        if all(bytes(loaded.getmask(character)) != missing for character in needed):
            return candidate
    got = "none on this machine" if font is None else str(font)
    raise InvalidInputError(f"font: expected one with the characters of {names[0]!r}, got {got}; give another's file")


def _font(file: str | None, size: float) -> ImageFont.FreeTypeFont:
    if file is not None:
        return ImageFont.truetype(file, size)
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def draw(
    rgb: UInt8Array, moment: Moment, time_s: float, catalogue: Catalogue | None = None, font: str | None = None
) -> UInt8Array:
    """The picture, uint8 (height, width, 3), with a moment's label and muscle bars on it.

    :param catalogue: whose names are drawn; None for the English ones.
    :param font: as :func:`find_font` gives it.
    """
    catalogue = catalogue or load_catalogue()
    image = Image.fromarray(rgb)
    canvas = ImageDraw.Draw(image, "RGBA")
    short = min(image.size)
    large, small = _font(font, max(13, short * 0.062)), _font(font, max(9, short * 0.036))
    margin = max(5, round(short * 0.025))
    title, detail, colour = _words(moment, time_s, catalogue)
    _, top, right, bottom = canvas.textbbox((2 * margin, 1.5 * margin), title, font=large)
    detail_box = canvas.textbbox((2 * margin, bottom + margin * 0.6), detail, font=small)
    box = (margin, top - margin, max(right, detail_box[2]) + margin, detail_box[3] + margin)
    canvas.rounded_rectangle(box, radius=margin, fill=(0, 0, 0, 165))
    canvas.rectangle((box[0], box[1] + margin, box[0] + margin * 0.45, box[3] - margin), fill=colour)
    canvas.text((2 * margin, 1.5 * margin), title, font=large, fill=_WHITE)
    canvas.text((2 * margin, bottom + margin * 0.6), detail, font=small, fill=(220, 220, 220))
    _draw_count(canvas, image.size, moment, (large, small), margin, catalogue)
    _draw_bars(canvas, image.size, moment, small, margin, catalogue)
    return np.asarray(image)


def draw_people(
    rgb: UInt8Array,
    people: Iterable[tuple[str, Moment, TimedPose, tuple[int, int, int]]],
    catalogue: Catalogue | None = None,
    font: str | None = None,
) -> UInt8Array:
    """The picture, uint8 (height, width, 3), with the skeleton, the box and the label of each person on it.

    :param people: name, moment, pose and colour of each.
    :param catalogue: whose names are drawn; None for the English ones.
    :param font: as :func:`find_font` gives it.
    """
    catalogue = catalogue or load_catalogue()
    labels = []
    for name, moment, found, colour in people:
        box = None if found.pose is None else body_box(found.pose.landmarks)
        if box is not None:
            rgb = draw_skeleton(rgb, found, colour)
            labels.append((name, moment, box, colour))
    image = Image.fromarray(rgb)
    canvas = ImageDraw.Draw(image, "RGBA")
    short = min(image.size)
    large, small, margin = _font(font, max(12, short * 0.042)), _font(font, max(9, short * 0.03)), max(4, short // 90)
    taken: list[tuple[float, float, float, float]] = []
    for name, moment, box, colour in labels:
        left, top, right, bottom = (
            round(at * size) for at, size in zip(attrs.astuple(box), image.size * 2, strict=True)
        )
        canvas.rounded_rectangle(
            (left, top, right - 1, bottom - 1), margin, outline=(*colour, 255), width=max(2, short // 240)
        )
        title = catalogue.exercise_name(moment.exercise or IDLE)
        if moment.repetition is not None:
            title = f"{title}  {moment.repetition.index}"
        width = max(canvas.textlength(title, font=large), canvas.textlength(name, font=small)) + 2 * margin
        lines = [canvas.textbbox((0, 0), text, font=one)[3] for text, one in ((title, large), (name, small))]
        height = sum(lines) + 3 * margin
        x, y = _free_place((left, top, bottom), (width, height), image.size, taken)
        taken.append((x, y, x + width, y + height))
        canvas.rectangle(taken[-1], fill=(0, 0, 0, 190))
        canvas.rectangle((x, y, x + margin * 0.5, y + height), fill=colour)
        canvas.text((x + margin, y + margin * 0.5), title, font=large, fill=_WHITE)
        canvas.text((x + margin, y + lines[0] + margin * 1.5), name, font=small, fill=(220, 220, 220))
    return np.asarray(image)


def _free_place(
    box: tuple[int, int, int],
    label: tuple[float, float],
    picture: tuple[int, int],
    taken: Iterable[tuple[float, float, float, float]],
) -> tuple[float, float]:
    """Left and top of a label beside a person's box, within the picture, and on no other label if there is room.

    :param box: its left, top and bottom.
    :param label: width and height.
    :param taken: left, top, right and bottom of the other labels.
    """
    (left, top, bottom), (width, height) = box, label
    x = max(0.0, min(left, picture[0] - width))
    wanted = (top - height, bottom, top, bottom - height, top - 2 * height, bottom + height)
    places = [y for y in wanted if 0 <= y <= picture[1] - height] or [max(0.0, min(top, picture[1] - height))]
    for y in places:
        if all(x >= r or x + width <= le or y >= b or y + height <= t for le, t, r, b in taken):
            return x, y
    return x, places[0]


def draw_skeleton(rgb: UInt8Array, found: TimedPose | None, colour: tuple[int, int, int] = _SKELETON) -> UInt8Array:
    """The picture, uint8 (height, width, 3), with the visible bones of a person on it; the same without a person."""
    if found is None or found.pose is None:
        return rgb
    image = Image.fromarray(rgb)
    canvas = ImageDraw.Draw(image, "RGBA")
    landmarks, rows = found.pose.landmarks, found.landmark_set.index
    points = landmarks[:, [X, Y]] * np.array(image.size)
    width = max(2, round(min(image.size) * 0.008))
    for one, other in ((rows(start), rows(end)) for start, end in found.landmark_set.edges):
        if min(landmarks[one, VISIBILITY], landmarks[other, VISIBILITY]) < _VISIBLE:
            continue
        canvas.line([*points[one].tolist(), *points[other].tolist()], fill=(*colour, 220), width=width)
        for x, y in (points[one].tolist(), points[other].tolist()):
            canvas.ellipse((x - width, y - width, x + width, y + width), fill=(*_WHITE, 230))
    return np.asarray(image)


def _draw_count(
    canvas: ImageDraw.ImageDraw,
    size: tuple[int, int],
    moment: Moment,
    fonts: tuple[ImageFont.FreeTypeFont, ImageFont.FreeTypeFont],
    margin: int,
    catalogue: Catalogue,
) -> None:
    """Number of repetitions, set and tempo, at the top right."""
    last, (large, small) = moment.repetition, fonts
    if last is None:
        return
    count = catalogue.count(last.index, "repetition")
    # A tempo in whole seconds says nothing about a shorter movement.
    tempo = last.tempo if last.tempo and last.duration_s >= 1.0 else f"{last.duration_s:.1f} s"
    parts = [f"#{moment.set_index}" if moment.set_index is not None else "", tempo]
    if last.joint is not None and last.range_deg is not None:
        parts.append(f"{last.range_deg:.0f}°")
    detail = "  ".join(filter(None, parts))
    left = size[0] - 2 * margin - max(canvas.textlength(count, font=large), canvas.textlength(detail, font=small))
    _, top, _, bottom = canvas.textbbox((left, 1.5 * margin), count, font=large)
    detail_box = canvas.textbbox((left, bottom + margin * 0.6), detail, font=small)
    box = (left - margin, top - margin, size[0] - margin, detail_box[3] + margin)
    canvas.rounded_rectangle(box, radius=margin, fill=(0, 0, 0, 165))
    canvas.text((left, 1.5 * margin), count, font=large, fill=_WHITE)
    canvas.text((left, bottom + margin * 0.6), detail, font=small, fill=(220, 220, 220))


def _words(moment: Moment, time_s: float, catalogue: Catalogue) -> tuple[str, str, tuple[int, int, int]]:
    clock = f"{time_s:.1f} s"
    name = catalogue.exercise_name(moment.exercise or IDLE)
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
    font: ImageFont.FreeTypeFont,
    margin: int,
    catalogue: Catalogue,
) -> None:
    """Horizontal bars of the most active muscle groups, at the bottom left."""
    active = sorted(moment.muscles.items(), key=lambda item: -item[1])[:_MAX_BARS]
    active = [(group, activation) for group, activation in active if activation >= _MIN_ACTIVATION]
    if not active:
        return
    labels = [catalogue.muscle_group_name(group) for group, _ in active]
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
