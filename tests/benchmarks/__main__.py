"""``python -m tests.benchmarks``: figures as ratios within one run, medians over rounds, with their spread."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import click
import numpy as np

import fitsense
from fitsense.testing.figures import sample
from fitsense.video.source import VideoSource
from tests.conftest import encode


@attrs.frozen
class Figure:
    """How many times longer the first of two things takes than the second.

    :param ratio: median over rounds.
    :param spread: half the distance between the quartiles, of the same.
    :param seconds: median of the first, for orientation; machines differ.
    """

    ratio: float
    spread: float
    seconds: float


def compare(first: Callable[[], object], second: Callable[[], object], rounds: int) -> Figure:
    """Time both in turn, so that whatever else the machine does meets both."""
    first(), second()
    ratios, seconds = [], []
    for _ in range(rounds):
        one, other = timed(first), timed(second)
        ratios.append(one / other)
        seconds.append(one)
    low, _, high = statistics.quantiles(ratios, n=4)
    return Figure(round(statistics.median(ratios), 3), round((high - low) / 2, 3), round(statistics.median(seconds), 4))


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def window_over_eager(rounds: int) -> Figure:
    """One window by OpenVINO, against the same network and weights in eager torch."""
    ours, eager = fitsense.load_model(), fitsense.load_model(runtime="torch")
    clips = {name: np.random.default_rng(0).integers(0, 256, (1, *s.shape), np.uint8) for name, s in ours.clips.items()}
    return compare(lambda: ours.run(clips), lambda: eager.run(clips), rounds)


def file_over_decoding(rounds: int) -> Figure:
    """Analysing a 1280 x 720 file, against only decoding and scaling it."""
    model = fitsense.load_model()
    with tempfile.TemporaryDirectory() as folder:
        video = attrs.evolve(sample(), size=(1280, 720), bouts=sample().bouts[:2])
        path = encode(Path(folder) / "video.mp4", video)

        def decode() -> int:
            with VideoSource(path, 182) as source:
                return sum(1 for _ in source)

        return compare(lambda: list(fitsense.analyze(path, model=model)), decode, rounds)


def import_over_python(rounds: int) -> Figure:
    """A process that imports fitsense, against one that imports nothing."""
    return compare(
        lambda: subprocess.run([sys.executable, "-c", "import fitsense"], check=True),
        lambda: subprocess.run([sys.executable, "-c", ""], check=True),
        rounds,
    )


FIGURES = {
    "window.x3d_s.over_eager": window_over_eager,
    "file.over_decoding": file_over_decoding,
    "import.over_python": import_over_python,
}


@click.command()
@click.option("--rounds", default=9, show_default=True, type=click.IntRange(3))
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(rounds: int, json_file: Path | None) -> None:
    """Measure how fast fitsense is on this machine."""
    found = {}
    for name, measure in FIGURES.items():
        found[name] = measure(rounds)
        figure = found[name]
        click.echo(f"{name:<26} {figure.ratio:>7.3f} +- {figure.spread:.3f}   ({figure.seconds:.4f} s)")
    if json_file is not None:
        json_file.write_text(json.dumps({name: attrs.asdict(figure) for name, figure in found.items()}, indent=2))


if __name__ == "__main__":
    main()
