"""``python -m tests.benchmarks.repetitions DATA``: repetitions counted in real clips, against counts made by eye.

The clips are a folder's, with its `manifest.csv`; the counts are `tests/truth/repetitions.csv`. The counter alone is
measured, and what a session tells, which counts only while its bundle sees somebody exercise. Fifths of the scenes show
how much the figures depend on which clips there are.
"""

from __future__ import annotations

import csv
import hashlib
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import click

from fitsense.bundles.bundle import DEFAULT
from fitsense.camera.view_features import camera_thumbnail
from fitsense.catalogue import IDLE
from fitsense.events.model import Event, RepetitionCompleted
from fitsense.imaging.frame_rate import min_interval_s
from fitsense.inference.model import load_model
from fitsense.repetitions.counter import Movement, Repetition, RepetitionConfig, RepetitionCounter
from fitsense.repetitions.trajectory import motion_thumbnail
from fitsense.session.config import SessionConfig
from fitsense.session.session import Session
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource

TRUTH = Path(__file__).parent.parent / "truth" / "repetitions.csv"
FOLDS = 5


@attrs.frozen
class Count:
    """One clip: how many repetitions there are, and how many were told.

    :param fold: the fifth of the scenes that it is in.
    :param sure: whether the eye that counted was.
    :param alternating: whether sides take turns, so that a counter may see pairs.
    """

    group: str
    fold: int
    sure: bool
    alternating: bool
    expected: int
    told: int
    in_session: int


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


def quality(pairs: Iterable[tuple[int, int]]) -> Quality:
    """Of pairs: how many were expected, and how many were told."""
    errors = [(abs(told - expected), expected) for expected, told in pairs if expected]
    clips = len(errors)
    return Quality(
        clips,
        round(sum(error / expected for error, expected in errors) / max(1, clips), 3),
        round(sum(error <= 1 for error, _ in errors) / max(1, clips), 3),
        round(sum(error == 0 for error, _ in errors) / max(1, clips), 3),
    )


def count_repetitions(frames: Iterable[Frame], session: Session, config: RepetitionConfig) -> tuple[int, int, float]:
    """How many the counter tells of a video, how many the session, and the milliseconds a frame that counting takes.

    The session's own small picture, which it needs anyway, is not in the cost.
    """
    counter = RepetitionCounter(config)
    told = in_session = 0
    seconds = 0.0
    frames_seen = 0
    end_s = 0.0
    for frame in frames:
        small = camera_thumbnail(frame.rgb)
        started = time.process_time()
        told += _repetitions(counter.push(motion_thumbnail(small), frame.time_s))
        seconds += time.process_time() - started
        in_session += _completed(session.push(frame))
        frames_seen += 1
        end_s = frame.time_s
    told += _repetitions(counter.end_run(end_s))
    in_session += _completed(session.finish())
    return told, in_session, 1e3 * seconds / max(1, frames_seen)


def _repetitions(movements: Iterable[Movement]) -> int:
    return sum(isinstance(one, Repetition) for one in movements)


def _completed(events: Iterable[Event]) -> int:
    return sum(isinstance(event.data, RepetitionCompleted) for event in events)


def fold_of(scene: str) -> int:
    """Which fifth a scene is in: always the same, whatever other scenes there are."""
    return int(hashlib.sha1(scene.encode()).hexdigest(), 16) % FOLDS


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


def table(counts: Sequence[Count], told: Callable[[Count], int]) -> Iterator[str]:
    """Lines of what `told` says of each clip."""
    yield f"{'':<32} {'clips':>5} {'error':>7} {'off by one':>11} {'exact':>7}"

    def measured(some: Iterable[Count]) -> Quality:
        return quality((count.expected, told(count)) for count in some)

    def line(name: str, some: Iterable[Count]) -> str:
        found = measured(some)
        return f"{name:<32} {found.clips:>5} {found.error:>7.3f} {found.off_by_one:>11.3f} {found.exact:>7.3f}"

    plain = [count for count in counts if count.sure and not count.alternating]
    yield line("all", counts)
    yield line("sure, not alternating", plain)
    yield line("alternating", (count for count in counts if count.alternating))
    folds = [measured(count for count in plain if count.fold == fold) for fold in range(FOLDS)]
    errors, near = [fold.error for fold in folds], [fold.off_by_one for fold in folds]
    yield f"sure, not alternating, fifths of the scenes: error {_range(errors)}, off by one {_range(near)}"
    groups: dict[str, list[Count]] = defaultdict(list)
    for count in counts:
        groups[count.group].append(count)
    for group, some in sorted(groups.items()):
        if any(count.expected for count in some):
            yield line(f"  {group}", some)
    still = [told(count) for count in counts if count.expected == 0]
    yield f"{sum(still)} told in {len(still)} clips without a repetition, in {sum(one > 0 for one in still)} of them"


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f} (standard deviation {statistics.pstdev(values):.3f})"


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--lone", default=RepetitionConfig().min_motion_share_single, show_default=True, help="As in RepetitionConfig."
)
@click.option("--bundle", default=DEFAULT, show_default=True, help="What the session asks.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the counts here.")
def main(data: Path, lone: float, bundle: str, json_file: Path | None) -> None:
    """Measure how well repetitions are counted in the clips of DATA."""
    config = RepetitionConfig(min_motion_share_single=lone)
    model = load_model(bundle)
    step_s = min_interval_s(model.clips.values())
    counts: list[Count] = []
    costs: list[float] = []
    for path, row, truth in wanted(data):
        session = Session(model, SessionConfig(repetitions=config))
        with VideoSource(path, DecodeConfig(short_side=model.short_side, min_interval_s=step_s)) as source:
            told, in_session, cost_ms = count_repetitions(source, session, config)
        sure, alternating = truth["sure"] == "yes", truth["alternating"] == "yes"
        group = row["group"] or row["exercise"]
        expected = int(truth["count"])
        counts.append(Count(group, fold_of(row["scene"]), sure, alternating, expected, told, in_session))
        costs.append(cost_ms)
    click.echo("The counter alone")
    for line in table(counts, lambda count: count.told):
        click.echo(line)
    click.echo(f"{sum(costs) / max(1, len(costs)):.2f} ms a frame")
    click.echo(f"\nA session with the bundle {bundle}")
    for line in table(counts, lambda count: count.in_session):
        click.echo(line)
    if json_file is not None:
        json_file.write_text(json.dumps([attrs.asdict(count) for count in counts], indent=2))


if __name__ == "__main__":
    main()
