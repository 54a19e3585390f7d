"""Which of a container's video tracks is meant."""

from __future__ import annotations

import av
from av.stream import Disposition

from fitsense.errors import InvalidInputError, SourceError

# Cover art, and thumbnails of chapters: pictures about the video.
_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails
# Made for somebody in particular, or of no use without another track.
_SPECIAL = Disposition.visual_impaired | Disposition.hearing_impaired | Disposition.dependent


def choose_track(container: av.container.InputContainer, name: str, track: int | None) -> av.VideoStream:
    """A container's video track.

    :param name: the source's, for messages.
    :param track: a number among the video tracks, from 0 and without attached pictures; None for the one that players
        take: one that can be decoded, the default one, the largest one, the first one.
    :raises SourceError: there is no video track.
    :raises InvalidInputError: there is none of that number.
    """
    tracks = [stream for stream in container.streams.video if not stream.disposition & _PICTURES]
    if not tracks:
        if container.streams.video:
            raise SourceError(f"{name}: has no video stream, only an attached picture")
        raise SourceError(f"{name}: has no video stream")
    if track is None:
        return max(tracks, key=_rank)
    if not 0 <= track < len(tracks):
        found = ", ".join(f"{number}: {_describe(stream)}" for number, stream in enumerate(tracks))
        raise InvalidInputError(f"track: expected the number of a video track of {name} ({found}), got {track}")
    return tracks[track]


def _rank(stream: av.VideoStream) -> tuple[bool, bool, bool, int]:
    return (
        stream.codec_context is not None,
        not stream.disposition & _SPECIAL,
        bool(stream.disposition & Disposition.default),
        _area(stream),
    )


def _area(stream: av.VideoStream) -> int:
    return stream.width * stream.height if stream.codec_context is not None else 0


def _describe(stream: av.VideoStream) -> str:
    if stream.codec_context is None:
        return "of an unknown codec"
    return f"{stream.codec_context.name} {stream.width} x {stream.height}"
