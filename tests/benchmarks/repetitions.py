"""``python -m tests.benchmarks.repetitions DATA``: repetitions counted in real clips, against counts made by eye.

The clips are a folder's, with its `manifest.csv`; the counts are `tests/truth/repetitions.csv`. Scenes are in one of
two halves: the counter was tuned on one, and the other was held out.
"""

from __future__ import annotations

import csv
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import click

from fitsense.catalogue import IDLE
from fitsense.motion import thumbnail
from fitsense.repetitions import Repetition, RepetitionConfig, Repetitions
from fitsense.types import Frame
from fitsense.video.source import VideoSource

TRUTH = Path(__file__).parent.parent / "truth" / "repetitions.csv"
HALVES = ("tuning", "held-out")


@attrs.frozen
class Count:
    """One clip: how many repetitions there are, and how many were told.

    :param sure: whether the eye that counted was.
    :param alternating: whether sides take turns, so that a counter may see pairs.
    """

    group: str
    half: str
    sure: bool
    alternating: bool
    expected: int
    told: int


@attrs.frozen
class Quality:
    """What counts are worth, over the clips that show any repetition.

    :param error: mean of the error as a part of the expected count.
    :param off_by_one: part of the clips whose count is at most one off.
    :param exact: part of the clips whose count is right.
    """

    clips: int
    error: float
    off_by_one: float
    exact: float


def quality(counts: Iterable[Count]) -> Quality:
    errors = [(abs(count.told - count.expected), count.expected) for count in counts if count.expected]
    clips = len(errors)
    return Quality(
        clips,
        round(sum(error / expected for error, expected in errors) / max(1, clips), 3),
        round(sum(error <= 1 for error, _ in errors) / max(1, clips), 3),
        round(sum(error == 0 for error, _ in errors) / max(1, clips), 3),
    )


def count_repetitions(frames: Iterable[Frame], config: RepetitionConfig) -> tuple[int, float]:
    """How many are told of a video, and the milliseconds a frame that this takes, decoding apart."""
    counter = Repetitions(config)
    told = 0
    seconds = 0.0
    frames_seen = 0
    end_s = 0.0
    for frame in frames:
        started = time.process_time()
        told += sum(isinstance(one, Repetition) for one in counter.push(thumbnail(frame.rgb), frame.time_s))
        seconds += time.process_time() - started
        frames_seen += 1
        end_s = frame.time_s
    told += sum(isinstance(one, Repetition) for one in counter.end_run(end_s))
    return told, 1e3 * seconds / max(1, frames_seen)


def half_of(scene: str) -> str:
    """Which half a scene is in: always the same, whatever other scenes there are."""
    return HALVES[int(hashlib.sha1(scene.encode()).hexdigest(), 16) % 2]


def wanted(data: Path) -> Iterator[tuple[Path, Mapping[str, str], Mapping[str, str]]]:
    """Each clip that was counted by eye, and each without exercise: file, row of the manifest, row of the truth."""
    with TRUTH.open(newline="") as file:
        truth = {row["clip"]: row for row in csv.DictReader(file)}
    with (data / "manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            path = data / row["path"]
            if path.stem in truth:
                yield path, row, truth[path.stem]
            elif row["group"] == IDLE:
                yield path, row, {"count": "0", "sure": "yes", "alternating": "no"}


def table(counts: Sequence[Count]) -> Iterator[str]:
    yield f"{'':<32} {'clips':>5} {'error':>7} {'off by one':>11} {'exact':>7}"

    def line(name: str, some: Iterable[Count]) -> str:
        found = quality(some)
        return f"{name:<32} {found.clips:>5} {found.error:>7.3f} {found.off_by_one:>11.3f} {found.exact:>7.3f}"

    for half in HALVES:
        yield line(half, (count for count in counts if count.half == half))
        yield line(f"{half}, sure", (c for c in counts if c.half == half and c.sure))
        yield line(
            f"{half}, sure, not alternating", (c for c in counts if c.half == half and c.sure and not c.alternating)
        )
    yield line("all", counts)
    groups: dict[str, list[Count]] = defaultdict(list)
    for count in counts:
        groups[count.group].append(count)
    for group, some in sorted(groups.items()):
        if any(count.expected for count in some):
            yield line(f"  {group}", some)
    for half in HALVES:
        still = [count for count in counts if count.expected == 0 and count.half == half]
        told = sum(count.told for count in still)
        yield f"{half}: {told} told in {len(still)} clips without a repetition, {sum(c.told > 0 for c in still)} clips"


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--lone", default=RepetitionConfig().lone, show_default=True, help="As in RepetitionConfig.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the counts here.")
def main(data: Path, lone: float, json_file: Path | None) -> None:
    """Measure how well repetitions are counted in the clips of DATA."""
    counts: list[Count] = []
    costs: list[float] = []
    for path, row, truth in wanted(data):
        with VideoSource(path) as source:
            told, cost_ms = count_repetitions(source, RepetitionConfig(lone=lone))
        sure, alternating = truth["sure"] == "yes", truth["alternating"] == "yes"
        group = row["group"] or row["exercise"]
        counts.append(Count(group, half_of(row["scene"]), sure, alternating, int(truth["count"]), told))
        costs.append(cost_ms)
    for line in table(counts):
        click.echo(line)
    click.echo(f"{sum(costs) / max(1, len(costs)):.2f} ms a frame")
    if json_file is not None:
        json_file.write_text(json.dumps([attrs.asdict(count) for count in counts], indent=2))


if __name__ == "__main__":
    main()
