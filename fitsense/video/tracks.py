"""Choice of a container's video track."""

from __future__ import annotations

import av
from av.stream import Disposition

from fitsense.errors import InvalidInputError, SourceError

# Cover art and chapter thumbnails.
_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails
# For a special audience, or useless without another track.
_SPECIAL = Disposition.visual_impaired | Disposition.hearing_impaired | Disposition.dependent


def choose_track(container: av.container.InputContainer, name: str, track: int | None) -> av.VideoStream:
    """Choose a container's video track.

    :param name: name of the source, for messages.
    :param track: index among the video tracks, from 0 and without attached pictures; None for the track that players
        choose: preferably one that can be decoded, then the default, the largest, the first one.
    :raises SourceError: there is no video track.
    :raises InvalidInputError: there is no track with that index.
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
