"""Figures: what is measured in several rounds, which its goal and its spread say how to read."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs

T = TypeVar("T")


class SkippedError(Exception):
    """What a figure needs is not there; the message says what, and how to get it."""


@attrs.frozen
class Measured:
    """What the rounds gave.

    :param values: one a round.
    :param note: what it was measured on, where that is not always the same.
    """

    values: Sequence[float]
    note: str = ""


@attrs.frozen
class Goal:
    """What a figure should reach.

    :param least: or None.
    :param most: or None.
    """

    least: float | None = None
    most: float | None = None

    def met(self, value: float) -> bool:
        """Whether a figure reaches it."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        bounds = ((">=", self.least), ("<=", self.most))
        return " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)


@attrs.frozen
class Benchmark:
    """A figure to be measured.

    :param name: of the figure; what comes before the first dot is what it is about.
    :param compares: in words.
    :param measure: gives the values of so many rounds; raises :class:`SkippedError` where it cannot.
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
        """Measure it.

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
    """What was found.

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
    """What an action took.

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
    """What it takes to do something."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    action()
    return Cost(time.perf_counter() - wall_s, time.process_time() - cpu_s)


def alternate(*actions: Callable[[], T], rounds: int) -> list[tuple[T, ...]]:
    """What the actions give, by round, done in turn: whatever else the machine does meets all of them."""
    return [tuple(action() for action in actions) for _ in range(rounds)]


def costs(first: Callable[[], object], second: Callable[[], object], rounds: int) -> list[tuple[Cost, Cost]]:
    """What each of two things takes in each round; they are done once before, so that none is new."""
    first(), second()
    found: list[Any] = alternate(lambda: cost(first), lambda: cost(second), rounds=rounds)
    return found


def compare(first: Callable[[], object], second: Callable[[], object], rounds: int, note: str = "") -> Measured:
    """How many times as fast the first of two things is as the second."""
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
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
