"""``python -m tests.benchmarks.repetitions DATA``: repetitions counted in real clips, compared with manual counts.

The clips are those of a folder with `manifest.csv`; the manual counts are `tests/truth/repetitions.csv`. It measures
the counter alone, and the events of a session, which counts only during exercises that its bundle recognises. Fifths of
the scenes show the dependence on the choice of clips.
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
from fitsense.repetitions.config import RepetitionConfig
from fitsense.repetitions.counter import RepetitionCounter
from fitsense.repetitions.movement import Movement, Repetition
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
    """Counts of one clip.

    :param fold: fifth of the scenes.
    :param sure: whether the manual count is certain.
    :param alternating: whether sides alternate, so that a counter may count pairs.
    :param expected: the manual count.
    :param counted: the count of the counter alone.
    :param in_session: the count of the session.
    """

    group: str
    fold: int
    sure: bool
    alternating: bool
    expected: int
    counted: int
    in_session: int


@attrs.frozen
class Quality:
    """Quality of counts, over the clips with repetitions.

    :param error: mean of the error as a share of the expected count.
    :param off_by_one: share of the clips whose count is at most one off.
    :param exact: share of the clips whose count is right.
    """

    clips: int
    error: float
    off_by_one: float
    exact: float


def quality(pairs: Iterable[tuple[int, int]]) -> Quality:
    """Measure pairs of expected and actual counts."""
    errors = [(abs(counted - expected), expected) for expected, counted in pairs if expected]
    clips = len(errors)
    return Quality(
        clips,
        round(sum(error / expected for error, expected in errors) / max(1, clips), 3),
        round(sum(error <= 1 for error, _ in errors) / max(1, clips), 3),
        round(sum(error == 0 for error, _ in errors) / max(1, clips), 3),
    )


def count_repetitions(frames: Iterable[Frame], session: Session, config: RepetitionConfig) -> tuple[int, int, float]:
    """Counts of the counter and of the session, and the milliseconds per frame of the counter.

    The thumbnail, which the session needs anyway, is not part of the cost.
    """
    counter = RepetitionCounter(config)
    counted = in_session = 0
    seconds = 0.0
    frames_seen = 0
    end_s = 0.0
    for frame in frames:
        small = camera_thumbnail(frame.rgb)
        started = time.process_time()
        counted += _repetitions(counter.push(motion_thumbnail(small), frame.time_s))
        seconds += time.process_time() - started
        in_session += _completed(session.push(frame))
        frames_seen += 1
        end_s = frame.time_s
    counted += _repetitions(counter.end_run(end_s))
    in_session += _completed(session.finish())
    return counted, in_session, 1e3 * seconds / max(1, frames_seen)


def _repetitions(movements: Iterable[Movement]) -> int:
    return sum(isinstance(one, Repetition) for one in movements)


def _completed(events: Iterable[Event]) -> int:
    return sum(isinstance(event.data, RepetitionCompleted) for event in events)


def fold_of(scene: str) -> int:
    """The fifth of a scene; it does not depend on other scenes."""
    return int(hashlib.sha1(scene.encode()).hexdigest(), 16) % FOLDS


def wanted(data: Path) -> Iterator[tuple[Path, Mapping[str, str], Mapping[str, str]]]:
    """The clips with a manual count, and those without exercise: file, row of the manifest, row of the truth."""
    with TRUTH.open(newline="") as file:
        truth = {row["clip"]: row for row in csv.DictReader(file)}
    with (data / "manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            path = data / row["path"]
            if path.stem in truth:
                yield path, row, truth[path.stem]
            elif row["group"] == IDLE:
                yield path, row, {"count": "0", "sure": "yes", "alternating": "no"}


def table(counts: Sequence[Count], counted: Callable[[Count], int]) -> Iterator[str]:
    """Lines of a table of the counts that `counted` selects."""
    yield f"{'':<32} {'clips':>5} {'error':>7} {'off by one':>11} {'exact':>7}"

    def measured(some: Iterable[Count]) -> Quality:
        return quality((count.expected, counted(count)) for count in some)

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
    still = [counted(count) for count in counts if count.expected == 0]
    yield f"{sum(still)} counted in {len(still)} clips without repetitions, in {sum(one > 0 for one in still)} of them"


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f} (standard deviation {statistics.pstdev(values):.3f})"


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--lone", default=RepetitionConfig().min_motion_share_single, show_default=True, help="As in RepetitionConfig."
)
@click.option("--bundle", default=DEFAULT, show_default=True, help="Bundle of the session.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the counts here.")
def main(data: Path, lone: float, bundle: str, json_file: Path | None) -> None:
    """Measure the counts of repetitions in the clips of DATA."""
    config = RepetitionConfig(min_motion_share_single=lone)
    model = load_model(bundle)
    step_s = min_interval_s(model.clips.values())
    counts: list[Count] = []
    costs: list[float] = []
    for path, row, truth in wanted(data):
        session = Session(model, SessionConfig(repetitions=config))
        with VideoSource(path, DecodeConfig(short_side=model.short_side, min_interval_s=step_s)) as source:
            counted, in_session, cost_ms = count_repetitions(source, session, config)
        sure, alternating = truth["sure"] == "yes", truth["alternating"] == "yes"
        group = row["group"] or row["exercise"]
        expected = int(truth["count"])
        counts.append(Count(group, fold_of(row["scene"]), sure, alternating, expected, counted, in_session))
        costs.append(cost_ms)
    click.echo("The counter alone")
    for line in table(counts, lambda count: count.counted):
        click.echo(line)
    click.echo(f"{sum(costs) / max(1, len(costs)):.2f} ms a frame")
    click.echo(f"\nA session with the bundle {bundle}")
    for line in table(counts, lambda count: count.in_session):
        click.echo(line)
    if json_file is not None:
        json_file.write_text(json.dumps([attrs.asdict(count) for count in counts], indent=2))


if __name__ == "__main__":
    main()
