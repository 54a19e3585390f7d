"""Cost of a process: time to its first answer and to import, and memory."""

from __future__ import annotations

import functools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.measuring import Benchmark, Goal, Measured, SkippedError, alternate
from tests.benchmarks.videos import FULL_HD, HD_LONG, about

_LIBRARIES = "import numpy, av, openvino"
# Names are resolved as they are asked for, so that the import alone says little.
_NAMES = "from fitsense import Session, SessionConfig, analyze, load_model"
_STARTED = "fitsense.session.started"


def first_answer_s(path: Path) -> float:
    """Seconds from a process's start until it tells the first that it knows from a window of a file."""
    began_s = time.perf_counter()
    command = [sys.executable, "-m", "fitsense", "analyze", str(path), "--events", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if json.loads(line)["type"] != _STARTED:
                    return time.perf_counter() - began_s
        finally:
            process.kill()
    raise AssertionError(f"{path}: expected an event of a window, got none")


def python_s(code: str) -> float:
    """Seconds that a Python takes from its start to its end."""
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began_s


@functools.cache
def _cold_starts(rounds: int) -> list[tuple[float, ...]]:
    """Of fitsense, and of the libraries alone. What is compiled once and kept has been."""
    path = FULL_HD.path
    first_answer_s(path), python_s(_LIBRARIES)
    return alternate(lambda: first_answer_s(path), lambda: python_s(_LIBRARIES), rounds=rounds)


def cold_start_s(rounds: int) -> Measured:
    """By the clock."""
    return Measured([ours for ours, _ in _cold_starts(rounds)], about(FULL_HD.path))


def cold_start_over_libraries(rounds: int) -> Measured:
    """Against what nobody can avoid."""
    return Measured([ours / libraries for ours, libraries in _cold_starts(rounds)], about(FULL_HD.path))


def statement_s(code: str) -> float:
    """Seconds that a statement takes in a Python that has just begun."""
    timed = f"import time; began_s = time.perf_counter(); {code}; print(time.perf_counter() - began_s)"
    return float(subprocess.run([sys.executable, "-c", timed], check=True, capture_output=True, text=True).stdout)


def import_s(code: str, rounds: int) -> Measured:
    """By the clock, in separate processes."""
    statement_s(code)
    return Measured([statement_s(code) for _ in range(rounds)])


def import_over_python(rounds: int) -> Measured:
    """Whole processes."""
    found = alternate(lambda: python_s("import fitsense"), lambda: python_s(""), rounds=rounds)
    return Measured([ours / python for ours, python in found])


@functools.cache
def _memory(rounds: int) -> list[list[dict[str, float]]]:
    """Memory that :mod:`tests.benchmarks.resident` reports, by round."""
    if not sys.platform.startswith("linux"):
        raise SkippedError(f"resident memory is only read on Linux, this is {sys.platform}")
    command = [sys.executable, "-m", "tests.benchmarks.resident", str(HD_LONG.path)]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(rounds)]
    return [[json.loads(line) for line in run.stdout.splitlines()] for run in runs]


def _memory_of(of: Callable[[list[dict[str, float]]], float], rounds: int) -> Measured:
    return Measured([of(values) for values in _memory(rounds)], about(HD_LONG.path))


def _growth_mb(values: list[dict[str, float]]) -> float:
    """Growth of memory in MB from the first to the last third of the media time."""
    *during, _ = values
    third_s = during[-1]["media_s"] / 3
    first = [one["held_mb"] for one in during if one["media_s"] <= third_s]
    last = [one["held_mb"] for one in during if one["media_s"] >= 2 * third_s]
    return statistics.median(last) - statistics.median(first)


BENCHMARKS = (
    Benchmark(
        "cold_start_s",
        "a process's start until the first event of a window",
        cold_start_s,
        unit="s",
        goal=Goal(most=1.5),
        rounds=5,
    ),
    Benchmark(
        "cold_start.over_libraries",
        "cold start over the start of Python with numpy, av and openvino",
        cold_start_over_libraries,
        rounds=5,
    ),
    Benchmark(
        "import_s",
        "import fitsense",
        functools.partial(import_s, "import fitsense"),
        unit="s",
        goal=Goal(most=0.15),
    ),
    Benchmark(
        "import.names_s",
        "import of all that a session needs, but not its model",
        functools.partial(import_s, _NAMES),
        unit="s",
    ),
    Benchmark("import.over_python", "a process that imports fitsense over one that does not", import_over_python),
    Benchmark(
        "memory.one_stream_mb",
        "the most resident memory while a file is analysed",
        functools.partial(_memory_of, lambda values: values[-1]["most_mb"]),
        unit="MB",
        goal=Goal(most=400.0),
        rounds=1,
    ),
    Benchmark(
        "memory.after_mb",
        "resident memory after it",
        functools.partial(_memory_of, lambda values: values[-1]["held_mb"]),
        unit="MB",
        rounds=1,
    ),
    Benchmark(
        "memory.growth_mb",
        "resident memory in the last third less that in the first",
        functools.partial(_memory_of, _growth_mb),
        unit="MB",
        goal=Goal(most=20.0),
        rounds=1,
    ),
)
