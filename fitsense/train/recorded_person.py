"""The person of a sample, from the landmarks that a branch has recorded: they are not found twice."""

from __future__ import annotations

import numpy as np

from fitsense.data.frames import Recording
from fitsense.geometry import Region
from fitsense.pose.clip_poses import in_picture
from fitsense.pose.landmarks import VISIBILITY, body_box
from fitsense.pose.steady_box import SteadyBox
from fitsense.types import ClipSpec, FloatArray, Frame


class RecordedPerson:
    """Gives the box of the person in each frame of a sample, for :func:`fitsense.data.clip_views.clip_views`.

    :param recording: landmarks without gaps, float32 (frames, landmarks, 6), invisible in frames without a person.
    :param spec: the clips in whose squares the landmarks lie.
    """

    def __init__(self, recording: Recording, spec: ClipSpec) -> None:
        self._times = recording.times
        self._landmarks: FloatArray = recording.values[np.arange(len(recording.times))]
        self._spec = spec
        self._box = SteadyBox()
        self._next = 0

    def locate(self, frame: Frame) -> Region | None:
        """The person's box by the landmarks up to a frame; None before the person was found.

        Frames have to come in the order of time.
        """
        height, width, _ = frame.rgb.shape
        until = int(np.searchsorted(self._times, frame.time_s, side="right"))
        for at in range(self._next, until):
            landmarks = self._landmarks[at]
            if not landmarks[:, VISIBILITY].any():
                continue
            box = body_box(in_picture(landmarks, (width, height), self._spec))
            if box is not None:
                self._box.update(box, float(self._times[at]))
        self._next = max(self._next, until)
        return self._box.state.box
