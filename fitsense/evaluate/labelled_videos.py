"""Recorded videos with labelled segments."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from fitsense._internal.hashing import fingerprint
from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.data.manifest import MANIFEST, Skipped
from fitsense.data.tables import Row, read_table
from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.evaluate.segment_metrics import Segment
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource

# Seconds by which a label may exceed the video: times are read by eye.
_TOLERANCE_S = 1.0
_RATE_HZ = 15.0


@attrs.frozen
class LabelledVideo:
    """Video file with labelled segments. Iterating decodes it, one frame at a time.

    :param path: the file.
    :param truth: segments of exercises, ``unknown`` for those that the model cannot name.
    :param unlabelled: intervals without a label, start and end in seconds.
    :param duration_s: length in seconds.
    :param short_side: pixels to which the shorter side is scaled; None for the file's own.
    """

    path: Path
    truth: Sequence[Segment]
    unlabelled: Sequence[tuple[float, float]]
    duration_s: float
    short_side: int | None = None

    @property
    def seams(self) -> Sequence[float]:
        """No time."""
        return ()

    @property
    def fingerprint(self) -> str:
        """Digest of what the frames are made of."""
        return f"{fingerprint(self.path)} {self.short_side}"

    def __iter__(self) -> Iterator[Frame]:
        with VideoSource(self.path, DecodeConfig(short_side=self.short_side)) as video:
            yield from video


def labelled_videos(
    file: Path, known: Collection[str], *, short_side: int | None = None
) -> tuple[list[LabelledVideo], list[Skipped]]:
    """Read a table of videos with the columns ``path`` and ``segments`` (or ``segments_s``).

    A cell of segments is such as ``0-19 no_exercise;25.5-40 squat``, with times in seconds, in order. Time in no
    segment is unlabelled. A label that the model does not have is looked up in the column ``exercise`` of a
    ``manifest.csv`` beside the table, whose ``group`` then counts; ``unknown`` is right for the others. Paths are
    absolute, or relative to the table's folder.

    :param known: the labels of the model.
    :param short_side: as of :class:`LabelledVideo`.
    :returns: the videos, and those that cannot be read, with the reason.
    :raises InvalidInputError: the table is malformed.
    """
    rows = read_table(file, ("path",))
    groups = _groups(file.parent / MANIFEST)
    videos, skipped = [], []
    for row in rows:
        pieces = _pieces(row)
        path = file.parent / row.cells["path"]
        try:
            duration_s = video_duration_s(path)
        except FitsenseError as error:
            skipped.append(Skipped(row.cells["path"], str(error)))
            continue
        if pieces and pieces[-1].end_s > duration_s + _TOLERANCE_S:
            raise InvalidInputError(
                f"{row.where}: expected segments within the video's {duration_s:.1f} s, got an end at "
                f"{pieces[-1].end_s:g} s"
            )
        pieces = [attrs.evolve(piece, end_s=min(piece.end_s, duration_s)) for piece in pieces]
        truth = [
            attrs.evolve(piece, exercise=_name(piece.exercise, known, groups))
            for piece in pieces
            if piece.exercise != IDLE
        ]
        videos.append(LabelledVideo(path, truth, _between(pieces, duration_s), duration_s, short_side))
    return videos, skipped


def _pieces(row: Row) -> list[Segment]:
    """All labelled segments of a row, with their labels, in order."""
    cell = row.cells.get("segments") or row.cells.get("segments_s") or ""
    pieces: list[Segment] = []
    for part in filter(None, map(str.strip, cell.split(";"))):
        times, _, label = part.partition(" ")
        start, _, end = times.partition("-")
        try:
            piece = Segment(label.strip(), float(start), float(end))
        except ValueError as error:
            raise InvalidInputError(
                f"{row.where}: segments: expected 'start-end label' with times in seconds, got {part!r}"
            ) from error
        if not piece.exercise or piece.start_s < (pieces[-1].end_s if pieces else 0.0):
            raise InvalidInputError(f"{row.where}: segments: expected labels in order without overlap, got {part!r}")
        pieces.append(piece)
    if not pieces:
        raise InvalidInputError(f"{row.where}: expected segments such as '0-19 no_exercise;25.5-40 squat', got none")
    return pieces


def _between(pieces: Sequence[Segment], duration_s: float) -> list[tuple[float, float]]:
    """The intervals in no segment."""
    starts = [0.0, *(piece.end_s for piece in pieces)]
    ends = [*(piece.start_s for piece in pieces), duration_s]
    return [(start_s, end_s) for start_s, end_s in zip(starts, ends, strict=True) if start_s < end_s]


def _name(label: str, known: Collection[str], groups: Mapping[str, str]) -> str:
    return next((name for name in (label, groups.get(label, "")) if name in known), UNKNOWN)


def _groups(manifest: Path) -> dict[str, str]:
    """Group of each detailed label of a manifest; none if the file does not exist."""
    if not manifest.is_file():
        return {}
    rows = read_table(manifest, ("group",))
    return {
        row.cells["exercise"]: row.cells["group"] for row in rows if row.cells.get("exercise") and row.cells["group"]
    }


def video_duration_s(path: Path) -> float:
    """Length of a video file in seconds, decoded if the container does not state it.

    :raises FitsenseError: the file cannot be read.
    """
    if not path.is_file():
        raise InvalidInputError("no such file")
    with VideoSource(path) as video:
        return video.info.duration_s or _measured_s(video)


def _measured_s(video: VideoSource) -> float:
    return max(frame.time_s for frame in video) + 1.0 / (video.info.rate_hz or _RATE_HZ)
