"""Rendered videos of uneven repetitions before a camera that may shake, to test counting."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import attrs
import numpy as np

from fitsense.errors import InvalidInputError
from fitsense.synthetic.figures import EXERCISES, MOVES, Interval
from fitsense.synthetic.rendering import Appearance, Camera, Renderer
from fitsense.synthetic.skeleton import Pose, Proportions
from fitsense.types import Frame


@attrs.frozen
class Stroke:
    """One movement from the start position and back.

    :param tempo_s: duration in seconds, without the pauses.
    :param depth: largest phase; less than 1 is a partial repetition.
    :param pause_s: seconds at rest in the start position afterwards.
    :param hold_s: seconds at rest at the turning point.
    """

    tempo_s: float
    depth: float = 1.0
    pause_s: float = 0.0
    hold_s: float = 0.0

    def __attrs_post_init__(self) -> None:
        if not (self.tempo_s > 0 and 0 < self.depth <= 1 and self.pause_s >= 0 and self.hold_s >= 0):
            raise InvalidInputError(f"expected tempo_s > 0, depth in 0..1 and pauses >= 0, got {self}")

    @property
    def moving_s(self) -> float:
        """Seconds from leaving the start position to returning to it."""
        return self.tempo_s + self.hold_s

    def amount(self, into_s: float) -> float:
        """Phase, 0 to 1, at `into_s` seconds after the start."""
        half_s = self.tempo_s / 2
        at_s = min(into_s, half_s) + max(0.0, min(into_s, self.moving_s) - half_s - self.hold_s)
        return self.depth * (0.5 - 0.5 * math.cos(math.pi * at_s / half_s))


@attrs.frozen
class RepetitionVideo:
    """A rendered video of single movements of one exercise. Iterating renders it.

    :param exercise: one of :data:`fitsense.synthetic.figures.EXERCISES`.
    :param movements: movements in order, with no breaks except for their pauses.
    :param before_s: seconds in the start position before the first movement.
    :param after_s: seconds in the start position after the last movement.
    :param shake: largest shift of the picture by the shaking camera, as a share of its width.
    :param size: (width, height) in pixels.
    :param rate_hz: frames per second.
    :param seed: seed of the backdrop and of the shaking.
    """

    exercise: str = attrs.field(validator=attrs.validators.in_(EXERCISES))
    movements: Sequence[Stroke]
    before_s: float = 1.0
    after_s: float = 1.0
    shake: float = 0.0
    camera: Camera = attrs.field(factory=Camera)
    appearance: Appearance = attrs.field(factory=Appearance)
    body: Proportions = attrs.field(factory=Proportions)
    size: tuple[int, int] = (160, 92)
    rate_hz: float = 15.0
    seed: int = 0

    @property
    def repetitions(self) -> list[Interval]:
        """The full movements, from leaving the start position to returning to it."""
        return [interval for interval, movement in self._plan() if movement.depth == 1.0]

    @property
    def attempts(self) -> list[Interval]:
        """The partial movements."""
        return [interval for interval, movement in self._plan() if movement.depth < 1.0]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        moving_s = sum(movement.moving_s + movement.pause_s for movement in self.movements)
        return self.before_s + moving_s + self.after_s

    def __len__(self) -> int:
        return round(self.duration_s * self.rate_hz)

    def __iter__(self) -> Iterator[Frame]:
        width, height = self.size
        margin = math.ceil(self.shake * width)
        large = (width + 2 * margin, height + 2 * margin)
        renderer = Renderer(self.camera, self.appearance, large, self.body.height_m, self.seed)
        random = np.random.default_rng(self.seed)
        # A hand shakes with slow large and quick small movements.
        rates = 2 * math.pi * np.array([[0.3], [1.1], [4.0]]) * random.uniform(0.7, 1.3, (3, 2))
        phases = random.uniform(0, 2 * math.pi, (3, 2))
        reach = np.array([0.5, 0.3, 0.2]) * self.shake * width
        for index in range(len(self)):
            time_s = index / self.rate_hz
            right, down = np.rint(margin + reach @ np.sin(rates * time_s + phases)).astype(int)
            picture = renderer.draw(self.pose(time_s))[down : down + height, right : right + width]
            yield Frame(np.ascontiguousarray(picture), time_s)

    def pose(self, time_s: float) -> Pose:
        """The pose at a time."""
        amount = 0.0
        for interval, movement in self._plan():
            if interval.start_s <= time_s < interval.end_s:
                amount = movement.amount(time_s - interval.start_s)
        return MOVES[self.exercise](self.body, amount)

    def _plan(self) -> list[tuple[Interval, Stroke]]:
        plan = []
        at_s = self.before_s
        for movement in self.movements:
            plan.append((Interval(self.exercise, at_s, at_s + movement.moving_s), movement))
            at_s += movement.moving_s + movement.pause_s
        return plan
