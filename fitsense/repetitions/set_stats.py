"""Statistics of sets and of exercise segments."""

from __future__ import annotations

import math

import attrs

from fitsense.repetitions.movement import Movement, PartialRepetition


@attrs.frozen
class SetStats:
    """Statistics of a set or of an exercise segment.

    :param repetitions: number of repetitions.
    :param attempts: number of partial repetitions.
    :param time_under_tension_s: seconds within repetitions; the whole duration if there are none.
    :param tempo_mean_s: mean length of a repetition in seconds; None if there are none.
    :param tempo_spread_s: standard deviation of the lengths; None for fewer than two repetitions.
    :param repetitions_left: repetitions of the left side; None unless at least half of all have a side.
    :param repetitions_right: repetitions of the right side, likewise.
    :param pairs: pairs of both sides within sets, likewise.
    :param held_s: seconds of a hold; None if nothing was held.
    """

    repetitions: int
    attempts: int
    time_under_tension_s: float
    tempo_mean_s: float | None
    tempo_spread_s: float | None
    repetitions_left: int | None = None
    repetitions_right: int | None = None
    pairs: int | None = None
    held_s: float | None = None


@attrs.define
class SetAccumulator:
    """Sums from which :class:`SetStats` are computed.

    :param seconds: sum of the repetitions' lengths.
    :param squares: sum of the squared lengths.
    :param tension_s: seconds within repetitions, or of a hold, inside the set or segment.
    :param left: repetitions of the left side.
    :param right: repetitions of the right side.
    :param held_s: seconds of a hold.
    """

    repetitions: int = 0
    attempts: int = 0
    seconds: float = 0.0
    squares: float = 0.0
    tension_s: float = 0.0
    left: int = 0
    right: int = 0
    held_s: float = 0.0

    @property
    def pairs(self) -> int | None:
        """Pairs of both sides; None unless at least half of the repetitions have a side: fewer are taken for chance."""
        sided = self.left + self.right
        return min(self.left, self.right) if sided and 2 * sided >= self.repetitions else None

    def add(self, movement: Movement) -> None:
        if isinstance(movement, PartialRepetition):
            self.attempts += 1
            return
        seconds = movement.end_s - movement.start_s
        self.repetitions += 1
        self.seconds += seconds
        self.squares += seconds * seconds
        self.left += movement.details.side == "left"
        self.right += movement.details.side == "right"

    def merge(self, other: SetAccumulator) -> None:
        self.repetitions += other.repetitions
        self.attempts += other.attempts
        self.seconds += other.seconds
        self.squares += other.squares
        self.tension_s += other.tension_s
        self.left += other.left
        self.right += other.right
        self.held_s += other.held_s

    def stats(self) -> SetStats:
        mean = self.seconds / self.repetitions if self.repetitions else None
        spread = None
        if mean is not None and self.repetitions > 1:
            spread = math.sqrt(max(0.0, self.squares / self.repetitions - mean * mean))
        sided = self.pairs is not None
        return SetStats(
            repetitions=self.repetitions,
            attempts=self.attempts,
            time_under_tension_s=self.tension_s,
            tempo_mean_s=mean,
            tempo_spread_s=spread,
            repetitions_left=self.left if sided else None,
            repetitions_right=self.right if sided else None,
            pairs=self.pairs,
            held_s=self.held_s or None,
        )
