"""A model that is not asked the same twice: many tests watch the same frames."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import attrs

import fitsense
from fitsense.types import Prediction
from fitsense.windowing.sampler import Window


class Remembering(fitsense.Model):
    """Says what the model says, and of a window whose clips it has been asked about alone, what it said then."""

    def predict(self, windows: Sequence[Window]) -> list[Prediction]:
        if len(windows) != 1 or windows[0].new_frames or windows[0].expectation:
            return super().predict(windows)
        (window,) = windows
        digest = hashlib.blake2b()
        for name, clip in sorted(window.clips.items()):
            digest.update(name.encode() + clip.frames.tobytes())
        said: dict[bytes, Prediction] = self.__dict__.setdefault("_said", {})
        if digest.digest() not in said:
            (said[digest.digest()],) = super().predict(windows)
        return [attrs.evolve(said[digest.digest()], start_s=window.start_s, end_s=window.end_s)]
