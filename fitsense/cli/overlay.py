"""Overlay of ``fitsense analyze``: reads the video a second time, and draws the events on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from fitsense.catalogue import Catalogue
from fitsense.events.model import Event
from fitsense.video.inputs import Source

if TYPE_CHECKING:
    from fitsense.pose.recording import PoseRecording

# People watch overlays; larger pictures only take longer to write.
_SHORT_SIDE = 720


def draw_overlay(
    path: Path,
    video: Source,
    events: list[Event],
    poses: PoseRecording | None,
    track: int | None,
    catalogue: Catalogue,
    font: Path | None,
) -> int:
    """Write the overlay, and give its number of frames."""
    from fitsense.events.timeline import Timeline
    from fitsense.synthetic.figures import FigureVideo
    from fitsense.video.config import DecodeConfig
    from fitsense.video.overlay import write_overlay
    from fitsense.video.source import VideoSource

    timeline = Timeline(events)
    if isinstance(video, (str, Path)):
        with VideoSource(video, DecodeConfig(short_side=_SHORT_SIDE, track=track)) as source:
            return write_overlay(path, source, timeline, source.info.rate_hz or 30.0, catalogue, font, poses)
    assert isinstance(video, FigureVideo)
    larger = attrs.evolve(video, size=(640, 360))
    return write_overlay(path, larger, timeline, larger.rate_hz, catalogue, font, poses)
