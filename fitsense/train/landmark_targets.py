"""Landmarks that somebody else found, as a network should imagine them in the window that it is shown."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from fitsense.data.frames import Recording
from fitsense.imaging.resize import fitted_size
from fitsense.nn.landmarks import LANDMARKS, mirror
from fitsense.train.clip_augmentation import Crop
from fitsense.types import ClipSpec, FloatArray, TimeArray
from fitsense.windowing.sampler import nearest_to


@attrs.frozen(eq=False)
class LandmarkTargets:
    """A branch's observations, from which others learn where the joints are.

    :param spec: how that branch sees pictures; it pads them.
    :param recordings: landmarks of whole footage, float32 (frames, 33, 6), by footage's key.
    """

    spec: ClipSpec
    recordings: Mapping[str, Recording]

    def landmarks(self, key: str, times: TimeArray, cut: Crop) -> FloatArray:
        """Landmarks at `times` in what was cut out, float32 (frames, 19, 6): x and y in units of the cut's side from
        its middle, x, y and z in metres, and visibility."""
        import torch

        recording = self.recordings[key]
        found = np.array(recording.values[nearest_to(recording.times, times)][:, list(LANDMARKS)])
        # Pixels of the padded square to those of the picture that was cut.
        scale = self.spec.size * cut.width / fitted_size(cut.width, cut.height, self.spec)[0]
        middle = np.array([cut.width / 2 - cut.left, cut.height / 2 - cut.top])
        found[..., :2] = ((found[..., :2] - 0.5) * scale + middle) / cut.side - 0.5
        if cut.mirrored:
            found = mirror(torch.from_numpy(found)[None])[0].numpy()
        return np.asarray(found, dtype=np.float32)
