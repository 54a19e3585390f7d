"""Landmark targets from a teacher branch, mapped into the coordinates of the augmented crop."""

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
    """Landmarks that a teacher branch observed.

    :param spec: the clips of that branch, which are padded.
    :param recordings: landmarks of whole samples, float32 (frames, 33, 6), by the sample's key.
    """

    spec: ClipSpec
    recordings: Mapping[str, Recording]

    def landmarks(self, key: str, times: TimeArray, crop: Crop) -> FloatArray:
        """Landmarks at `times` in a crop, float32 (frames, 19, 6): x and y in units of the crop's side from its middle,
        x, y and z in metres, and visibility."""
        import torch

        recording = self.recordings[key]
        found = np.array(recording.values[nearest_to(recording.times, times)][:, list(LANDMARKS)])
        # Pixels of the padded square to pixels of the cropped picture.
        scale = self.spec.size * crop.width / fitted_size(crop.width, crop.height, self.spec)[0]
        middle = np.array([crop.width / 2 - crop.left, crop.height / 2 - crop.top])
        found[..., :2] = ((found[..., :2] - 0.5) * scale + middle) / crop.side - 0.5
        if crop.mirrored:
            found = mirror(torch.from_numpy(found)[None])[0].numpy()
        return np.asarray(found, dtype=np.float32)
