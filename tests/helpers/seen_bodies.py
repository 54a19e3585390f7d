"""Frames in which an estimator sees a stick figure without any network, and a model that always gives one exercise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
import numpy as np

import fitsense
from fitsense.inference.pose_estimator import PoseEstimators
from fitsense.plugins import PluginManager, PoseEstimatorSpec
from fitsense.pose.landmarks import BodyDetection, BodyRegion, Pose
from fitsense.types import Frame, Prediction, UInt8Array
from fitsense.windowing.sampler import Window
from tests.pose.bodies import STICKS, pose_of, standing
from tests.testing.contracts.broken import plugin_of

NOBODY = 255
_SCALE = 0.3
# Half of the grey levels are parts of a movement to the left, half to the right.
_MIDDLE, _LEVELS = 100, 80
SIZE = (64, 48)

Move = Callable[[Any, float], None]


def frame_of(part: float | None, time_s: float, *, size: tuple[int, int] = SIZE) -> Frame:
    """A frame in which the figure has done a part of its movement, -1..1; nobody is in it for None."""
    level = NOBODY if part is None else _MIDDLE + round(_LEVELS * part)
    return Frame(np.full((size[1], size[0], 3), level, np.uint8), time_s)


def frames_of(parts: Iterable[float | None], rate_hz: float = 15.0) -> list[Frame]:
    return [frame_of(part, round(at / rate_hz, 4)) for at, part in enumerate(parts)]


@attrs.define
class SeenBodies:
    """An estimator of the figure; it counts what it is asked."""

    move: Move
    x: float = 0.5
    detections: int = 0
    estimates: int = 0

    def detect(self, picture: UInt8Array) -> Sequence[BodyDetection]:
        self.detections += 1
        there = picture[0, 0, 0] != NOBODY
        return [BodyDetection(BodyRegion(self.x, 0.5, 2.2 * _SCALE), 0.99)] if there else []

    def estimate(self, pictures: Sequence[UInt8Array], regions: Sequence[BodyRegion]) -> Sequence[Pose | None]:
        self.estimates += len(regions)
        return [self.pose(picture) for picture in pictures]

    def pose(self, picture: UInt8Array) -> Pose | None:
        """The figure's pose in a picture."""
        level = int(picture[0, 0, 0])
        if level == NOBODY:
            return None
        world = standing()
        self.move(world, (level - _MIDDLE) / _LEVELS)
        return pose_of(world, self.x, 0.5, _SCALE)


@attrs.frozen
class NoConfig:
    pass


class SteadyModel:
    """A model with small clips and constant predictions, whose plugins offer the estimator ``mutants/sticks``."""

    def __init__(self, model: fitsense.Model, exercise: str, estimator: SeenBodies | None = None) -> None:
        self._model = model
        self.clips = {name: attrs.evolve(spec, size=16, short_side=16) for name, spec in model.clips.items()}
        self.plugins = PluginManager()
        if estimator is not None:
            spec = PoseEstimatorSpec("sticks", NoConfig, STICKS, lambda config, files, threads: estimator)
            assert self.plugins.register(plugin_of(pose_estimators=[spec])).status == "loaded"
        self.pose_estimators = PoseEstimators(self.plugins, None)
        self._exercise = np.zeros(len(model.labels.exercise), np.float32)
        self._exercise[list(model.labels.exercise).index(exercise)] = 1.0
        self._muscles = np.full(len(model.labels.muscles), 0.5, np.float32)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, windows: Sequence[Window]) -> list[Prediction]:
        return [Prediction(window.start_s, window.end_s, self._exercise, self._muscles) for window in windows]
