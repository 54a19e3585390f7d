"""Perception of a session in a frame: thumbnails, warnings of the camera, and the person."""

from __future__ import annotations

import math

import attrs

from fitsense._internal.locks import numpy_lock
from fitsense.camera.framing import FramingMonitor
from fitsense.camera.monitor import CameraMonitor, CameraWarning
from fitsense.camera.view_features import camera_thumbnail
from fitsense.geometry import Region
from fitsense.imaging.frame_rate import min_interval_s, within_interval
from fitsense.pose.cropping import Crop
from fitsense.repetitions.picture_change import Box
from fitsense.repetitions.trajectory import motion_thumbnail
from fitsense.session.person_track import HostPeople, PersonInFrame, PersonTrack
from fitsense.types import FloatArray, UInt8Array

# Clips may need more frames than the repetition counter does.
_MIN_INTERVAL_S = min_interval_s([])


@attrs.frozen(eq=False)
class Percept:
    """Perception in one frame.

    :param thumbnail: float32 (height, width) of the analysed region, for the repetition counter.
    :param person: result of the search for the person; None without a search.
    :param camera_warnings: warnings of the camera monitor.
    :param box: left, top, right and bottom edge of the person's box in shares of the analysed part, beyond which it may
        reach; None without a person.
    """

    thumbnail: FloatArray
    person: PersonInFrame | None
    camera_warnings: list[CameraWarning]
    box: Box | None = None

    @property
    def cut_s(self) -> float | None:
        """Time of the first frame that shows another scene than those before; None if it is the same scene."""
        return next((warning.end_s for warning in self.camera_warnings if warning.code == "camera_cut"), None)


@attrs.define
class PerceptionState:
    """State of a :class:`Perception`, without that of its parts.

    :param seen_s: time of the last evaluated frame, in seconds of media time.
    """

    seen_s: float = -math.inf


class Perception:
    """Evaluates as many frames a second as the repetition counter needs.

    :param camera: the camera monitor; None for no camera warnings.
    :param person: the person's track; None for a session without landmarks.
    :param framing: the framing monitor; None for no warnings about how the picture shows the person.
    """

    def __init__(
        self, camera: CameraMonitor | None, person: PersonTrack | None, framing: FramingMonitor | None
    ) -> None:
        self._camera = camera
        self._framing = framing
        self._person = person
        self.state = PerceptionState()

    def perceive(
        self, picture: UInt8Array, shown: UInt8Array, time_s: float, region: Region | None, host: HostPeople
    ) -> Percept | None:
        """Evaluate a frame; None if it comes too soon.

        :param picture: the whole picture, uint8 (height, width, 3).
        :param shown: the part of it that is analysed.
        :param time_s: seconds of media time, later than the previous frame's.
        :param region: where the part is; None if it is the whole picture.
        :param host: the host's knowledge of the people.
        """
        if within_interval(time_s, self.state.seen_s, _MIN_INTERVAL_S):
            return None
        self.state.seen_s = time_s
        warnings: list[CameraWarning] = []
        with numpy_lock:
            thumbnail = camera_thumbnail(shown)
            if self._camera is not None:
                # The camera monitor needs the whole picture: a region that follows a person looks like a moving camera.
                whole = thumbnail if region is None else camera_thumbnail(picture)
                warnings += self._camera.push(whole, time_s)
            motion = motion_thumbnail(thumbnail)
        percept = Percept(motion, None, warnings)
        if self._person is None:
            return percept
        if percept.cut_s is not None:
            self.mark_cut()
        located = self._person.locate(picture, time_s, region, host)
        if located is not None:
            warnings += self._judge(located, time_s)
        return attrs.evolve(percept, person=located, box=_box_in_part(located, region))

    def mark_cut(self) -> None:
        """Mark a scene cut before the next frame: whoever it shows is another person."""
        if self._person is not None:
            self._person.mark_cut()

    def end_run(self) -> list[CameraWarning]:
        """End the run: the warnings that end with it."""
        monitors = (self._camera, self._framing)
        return [warning for monitor in monitors if monitor is not None for warning in monitor.end_run()]

    def _judge(self, located: PersonInFrame, time_s: float) -> list[CameraWarning]:
        pose = None if located.person is None else located.person.pose
        if self._camera is not None:
            self._camera.report_person(time_s, found=pose is not None)
        return self._framing.push(pose, located.size, time_s, located.people) if self._framing else []


def _box_in_part(located: PersonInFrame | None, region: Region | None) -> Box | None:
    box = None if located is None or located.person is None else located.person.box
    if box is None:
        return None
    assert located is not None
    return Crop.of(region, *located.size).edges_to_crop(box)
