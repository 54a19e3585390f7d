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


def draw_overlay(
    path: Path,
    video: Source,
    events: list[Event],
    poses: PoseRecording | None,
    people: bool,
    track: int | None,
    catalogue: Catalogue,
    font: Path | None,
) -> int:
    """Write the overlay, in the size and with the sound of a file, and give its number of frames.

    :param people: whether the events are of several people, each a subject.
    """
    from fitsense.events.timeline import Timeline
    from fitsense.synthetic.figures import FigureVideo
    from fitsense.video.config import DecodeConfig
    from fitsense.video.overlay import write_overlay
    from fitsense.video.source import VideoSource

    timeline = Timeline(events)
    subjects = None
    if people:
        found = [name for name in (poses.subjects if poses else ()) if name is not None]
        subjects = {name: Timeline(event for event in events if event.subject == name) for name in found}
    if isinstance(video, (str, Path)):
        with VideoSource(video, DecodeConfig(track=track)) as source:
            rate_hz = source.info.rate_hz or 30.0
            # Without timestamps, the pictures' times are guesses that no sound follows.
            sound = video if source.has_times else None
            return write_overlay(path, source, timeline, rate_hz, catalogue, font, poses, people=subjects, sound=sound)
    assert isinstance(video, FigureVideo)
    larger = attrs.evolve(video, size=(640, 360))
    return write_overlay(path, larger, timeline, larger.rate_hz, catalogue, font, poses)
