"""Rendered videos of exercising people with exact ground truth, free of rights.

A :class:`FigureVideo` is a deterministic iterable of frames, with the start and end of each exercise and repetition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs
import numpy as np

from fitsense.catalogue import IDLE
from fitsense.errors import InvalidInputError
from fitsense.synthetic.rendering import Appearance, Camera, Colour, Renderer
from fitsense.synthetic.skeleton import Pose, Proportions, blend, jumping_jack, push_up, squat, stand
from fitsense.types import Frame

MOVES: Mapping[str, Callable[[Proportions, float], Pose]] = {
    "squat": squat,
    "push_up": push_up,
    "jumping_jack": jumping_jack,
}
"""Poses of an exercise by phase: 0 is the start position, 1 the turning point."""
EXERCISES: tuple[str, ...] = tuple(MOVES)
"""Exercises of a figure, which can also stand idle."""

# Seconds from one posture to the next; they count as idle.
_TRANSITION_S = 1.0


@attrs.frozen
class Bout:
    """A part of a video with one exercise, or idle.

    :param exercise: one of :data:`EXERCISES`, or ``no_exercise``.
    :param repetitions: number of repetitions; 0 for ``no_exercise``.
    :param tempo_s: seconds per repetition; for ``no_exercise``, the duration.
    """

    exercise: str
    repetitions: int
    tempo_s: float

    def __attrs_post_init__(self) -> None:
        if self.exercise not in (*EXERCISES, IDLE):
            raise InvalidInputError(f"exercise: expected one of {', '.join((*EXERCISES, IDLE))}, got {self.exercise!r}")
        if self.tempo_s <= 0 or self.repetitions < 0:
            raise InvalidInputError(
                f"expected tempo_s > 0 and repetitions >= 0, got {self.tempo_s} and {self.repetitions}"
            )

    @property
    def duration_s(self) -> float:
        """Duration in seconds, without the transitions before and after."""
        return self.tempo_s * (self.repetitions if self.exercise != IDLE else 1)


@attrs.frozen
class Interval:
    """Ground truth: an exercise, or one repetition of it, in seconds of media time."""

    exercise: str
    start_s: float
    end_s: float


@attrs.frozen
class FigureVideo:
    """A rendered video. Iterating renders it.

    :param bouts: parts of the video in order.
    :param size: (width, height) in pixels.
    :param rate_hz: frames per second.
    :param seed: seed of the backdrop and of idle movement.
    """

    bouts: Sequence[Bout]
    camera: Camera = attrs.field(factory=Camera)
    appearance: Appearance = attrs.field(factory=Appearance)
    body: Proportions = attrs.field(factory=Proportions)
    size: tuple[int, int] = (320, 182)
    rate_hz: float = 15.0
    seed: int = 0

    @property
    def segments(self) -> list[Interval]:
        """Segments of exercise; the rest is idle."""
        return [Interval(bout.exercise, start, end) for bout, start, end in self._plan() if bout.exercise != IDLE]

    @property
    def repetitions(self) -> list[Interval]:
        """Every repetition, from start position to start position."""
        return [
            Interval(bout.exercise, start + index * bout.tempo_s, start + (index + 1) * bout.tempo_s)
            for bout, start, _ in self._plan()
            for index in range(bout.repetitions)
        ]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self._plan()[-1][2]

    def __len__(self) -> int:
        return round(self.duration_s * self.rate_hz)

    def __iter__(self) -> Iterator[Frame]:
        renderer = Renderer(self.camera, self.appearance, self.size, self.body.height_m, self.seed)
        for index in range(len(self)):
            time_s = index / self.rate_hz
            yield Frame(renderer.draw(self.pose(time_s)), time_s)

    def pose(self, time_s: float) -> Pose:
        """The pose at a time."""
        plan = self._plan()
        for index, (bout, start, end) in enumerate(plan):
            if time_s < end or index == len(plan) - 1:
                if time_s >= start:
                    return self._pose(bout, time_s - start, time_s)
                before = plan[index - 1][0]
                amount = 1 - (start - time_s) / _TRANSITION_S
                return blend(self._pose(before, before.duration_s, time_s), self._pose(bout, 0.0, time_s), amount)
        raise AssertionError("a plan has at least one bout")

    def _plan(self) -> list[tuple[Bout, float, float]]:
        """Each bout with its start and end; a transition lies between two bouts of different postures."""
        plan: list[tuple[Bout, float, float]] = []
        at = 0.0
        for bout in self.bouts:
            if plan and plan[-1][0].exercise != bout.exercise:
                at += _TRANSITION_S
            plan.append((bout, at, at + bout.duration_s))
            at += bout.duration_s
        if not plan:
            raise InvalidInputError("bouts: expected at least one, got none")
        return plan

    def _pose(self, bout: Bout, into_s: float, time_s: float) -> Pose:
        if bout.exercise != IDLE:
            phase = into_s / bout.tempo_s
            return MOVES[bout.exercise](self.body, 0.5 - 0.5 * math.cos(2 * math.pi * phase))
        slow = time_s * 0.7 + self.seed
        gesture = max(0.0, math.sin(slow * 0.9)) ** 2 * (self.seed % 3) / 2
        return stand(self.body, sway=0.025 * math.sin(slow), gesture=gesture)


def sample() -> FigureVideo:
    """The video of ``fitsense analyze --sample``: squats, push-ups and jumping jacks, with pauses."""
    return FigureVideo(
        bouts=(
            Bout(IDLE, 0, 4.0),
            Bout("squat", 4, 2.2),
            Bout(IDLE, 0, 4.0),
            Bout("push_up", 5, 1.8),
            Bout(IDLE, 0, 4.0),
            Bout("jumping_jack", 8, 1.1),
            Bout(IDLE, 0, 3.0),
        ),
        camera=Camera(azimuth_deg=50.0, elevation_deg=12.0, distance_m=3.5, target=(0.0, 0.78, 0.0)),
        seed=5,
    )


def random_video(exercise: str, seed: int, duration_s: float = 8.0) -> FigureVideo:
    """Generate a random video of one exercise, or idle, for training.

    `seed` determines body, clothes, room, camera and tempo.
    """
    random = np.random.default_rng([seed, *exercise.encode()])

    def colour(low: float, high: float) -> Colour:
        red, green, blue = random.uniform(low, high, 3)
        return (float(red), float(green), float(blue))

    def paint() -> Colour:
        """Rooms are mostly grey, with a tint."""
        red, green, blue = random.uniform(0.2, 0.9) + random.uniform(-0.12, 0.12, 3)
        return (float(red), float(green), float(blue))

    tempo_s = random.uniform(0.8, 1.8) if exercise == "jumping_jack" else random.uniform(1.3, 3.8)
    repetitions = max(1, round(duration_s / tempo_s))
    tone = random.uniform(0.25, 0.95)
    low = exercise == "push_up"
    return FigureVideo(
        bouts=(Bout(exercise, 0, duration_s) if exercise == IDLE else Bout(exercise, repetitions, tempo_s),),
        camera=Camera(
            azimuth_deg=random.uniform(-180, 180),
            elevation_deg=random.uniform(2, 30),
            distance_m=random.uniform(2.7, 4.8),
            field_of_view_deg=random.uniform(36, 50),
            target=(
                random.uniform(-0.3, 0.3),
                random.uniform(0.3, 0.7) if low else random.uniform(0.65, 1.0),
                0.0,
            ),
        ),
        appearance=Appearance(
            skin=(0.95 * tone, 0.72 * tone, 0.58 * tone),
            hair=colour(0.05, 0.5),
            shirt=colour(0.05, 0.95),
            trousers=colour(0.05, 0.8),
            shoes=colour(0.1, 0.95),
            wall=paint(),
            floor=paint(),
            girth=random.uniform(0.85, 1.25),
        ),
        body=Proportions(height_m=random.uniform(1.55, 1.95), shoulders=random.uniform(0.098, 0.118)),
        size=(320, 182) if random.random() < 0.7 else (182, 320),
        seed=seed,
    )
