"""Measurements in several rounds, with a goal and a spread."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs

T = TypeVar("T")


class SkippedError(Exception):
    """A requirement of a measurement is missing; the message says how to get it."""


PICTURES = "gym-video"
"""The included bundle whose branches all take pictures; what landmarks cost is in ``person``."""


@attrs.frozen
class Measured:
    """Values of the rounds.

    :param values: one a round.
    :param note: what it was measured on, where that is not always the same.
    """

    values: Sequence[float]
    note: str = ""


@attrs.frozen
class Goal:
    """Goal of a measurement.

    :param least: or None.
    :param most: or None.
    """

    least: float | None = None
    most: float | None = None

    def met(self, value: float) -> bool:
        """True if a value reaches the goal."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        bounds = ((">=", self.least), ("<=", self.most))
        return " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)


@attrs.frozen
class Benchmark:
    """A measurement.

    :param name: of the figure; what comes before the first dot is what it is about.
    :param compares: in words.
    :param measure: returns the values of a number of rounds; raises :class:`SkippedError` if it cannot.
    :param unit: ``x`` for a ratio within one run, which machines may be compared by.
    :param rounds: as many as make sense, unless others are asked for.
    """

    name: str
    compares: str
    measure: Callable[[int], Measured]
    unit: str = "x"
    goal: Goal | None = None
    rounds: int = 9

    def figure(self, rounds: int | None = None) -> Figure:
        """Run the measurement.

        :raises SkippedError: what it needs is not there.
        """
        measured = self.measure(rounds or self.rounds)
        value = statistics.median(measured.values)
        met = None if self.goal is None else self.goal.met(value)
        goal = None if self.goal is None else str(self.goal)
        spread = half_quartile_range(measured.values)
        count = len(measured.values)
        return Figure(round(value, 4), round(spread, 4), self.unit, goal, met, count, self.compares, measured.note)


@attrs.frozen
class Figure:
    """Result of a measurement.

    :param value: median over rounds.
    :param spread: half the distance between the quartiles; 0 for a single round.
    :param met: whether it reaches the goal; None where there is none.
    """

    value: float
    spread: float
    unit: str
    goal: str | None
    met: bool | None
    rounds: int
    compares: str
    note: str


@attrs.frozen
class Cost:
    """Cost of an action.

    :param wall_s: of the clock.
    :param cpu_s: of all of the process's threads; other programs that use the machine hardly change it.
    """

    wall_s: float
    cpu_s: float


def half_quartile_range(values: Sequence[float]) -> float:
    """Half the distance between the quartiles; 0 for a single value."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2


def cost(action: Callable[[], object]) -> Cost:
    """Measure the cost of an action."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    action()
    return Cost(time.perf_counter() - wall_s, time.process_time() - cpu_s)


def alternate(*actions: Callable[[], T], rounds: int) -> list[tuple[T, ...]]:
    """Results of the actions by round, run alternately: other load on the machine affects all of them alike."""
    return [tuple(action() for action in actions) for _ in range(rounds)]


def costs(first: Callable[[], object], second: Callable[[], object], rounds: int) -> list[tuple[Cost, Cost]]:
    """Cost of two actions in each round, after one warm-up run of each."""
    first(), second()
    found: list[Any] = alternate(lambda: cost(first), lambda: cost(second), rounds=rounds)
    return found


def compare(first: Callable[[], object], second: Callable[[], object], rounds: int, note: str = "") -> Measured:
    """Speed of the first of two actions relative to the second."""
    return Measured([other.wall_s / one.wall_s for one, other in costs(first, second, rounds)], note)


def torch_on_all_cores() -> None:
    """Load torch, so that it is fast beside other programs too.

    :raises SkippedError: it is not installed.
    """
    # Read when torch is loaded. Its threads would spin while they wait for one that has no core; on a machine that does
    # nothing else, they are as fast without.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch
    except ImportError:
        raise SkippedError("torch is not installed: pip install -e '.[torch]'") from None
    torch.set_num_threads(cores())


def cores() -> int:
    """Number of CPU cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
