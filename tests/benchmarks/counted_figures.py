"""``python -m tests.benchmarks.counted_figures``: repetitions counted by sessions of rendered people, who do supersets
without a rest, single repetitions between standing, repetitions of eight seconds, and sets at changing tempo.

A video is right if each of its sets has its true number of repetitions and nothing else was counted, and named if all
of them have their exercise's name.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import attrs
import click

from fitsense.bundles.bundle import DEFAULT
from fitsense.catalogue import IDLE
from fitsense.events.model import Event, RepetitionCompleted
from fitsense.inference.model import load_model
from fitsense.session.session import Session
from fitsense.synthetic.figures import EXERCISES, Bout, FigureVideo, Interval
from fitsense.synthetic.rendering import Camera

_PAIRS = [(first, second) for first in EXERCISES for second in EXERCISES if first != second]
# Repetitions of a superset that begin so soon after the other exercise's are of their own set.
_MARGIN_S = 1.0


@attrs.frozen
class Outcome:
    """Repetitions of a video.

    :param true: of each set.
    :param counted: nearest to each set.
    :param named: whether all have their set's name.
    """

    true: Sequence[int]
    counted: Sequence[int]
    named: bool

    @property
    def right(self) -> bool:
        return list(self.true) == list(self.counted)


def scenarios(seed: int) -> Iterator[tuple[str, FigureVideo]]:
    """Kind and video of each scenario of a seed, which also sets speeds, pauses and the camera's direction."""
    choice = random.Random(seed)

    def tempo(exercise: str) -> float:
        return choice.choice([0.9, 1.0, 1.2] if exercise == "jumping_jack" else [1.5, 1.8, 2.0, 2.4])

    def video(*bouts: Bout) -> FigureVideo:
        return FigureVideo(bouts, Camera(azimuth_deg=choice.uniform(25.0, 55.0)), seed=seed)

    first, second = _PAIRS[seed % len(_PAIRS)]
    yield "superset", video(Bout(first, choice.randint(4, 6), tempo(first)), Bout(second, 6, tempo(second)))
    for exercise in EXERCISES:
        lone = Bout(exercise, 1, choice.choice([1.5, 2.0, 2.5, 3.0]))
        yield "single", video(Bout(IDLE, 0, 4.0), lone, Bout(IDLE, 0, choice.choice([1.0, 3.0, 6.0])))
    yield "slow", video(Bout(EXERCISES[seed % len(EXERCISES)], 4, 8.0))
    exercise = EXERCISES[(seed + 1) % len(EXERCISES)]
    yield "pyramid", video(*(Bout(exercise, 3, seconds) for seconds in (1.2, 3.0, 1.2)))


def judge(video: FigureVideo, events: Iterable[Event]) -> Outcome:
    """Compare the events of a video's session with its truth."""
    sets: list[Interval] = []
    for part in video.segments:
        if sets and sets[-1].exercise == part.exercise and part.start_s - sets[-1].end_s < _MARGIN_S / 2:
            sets[-1] = attrs.evolve(sets[-1], end_s=part.end_s)
        else:
            sets.append(part)
    counted, named = Counter[int](), True
    for event in events:
        if isinstance(one := event.data, RepetitionCompleted):
            middle_s = (one.start_s + one.end_s) / 2
            apart = [max(part.start_s - middle_s, middle_s - part.end_s) for part in sets]
            nearest = apart.index(min(apart))
            counted[nearest] += 1
            named = named and one.exercise == sets[nearest].exercise
    true = [sum(part.start_s <= one.start_s < part.end_s for one in video.repetitions) for part in sets]
    return Outcome(true, [counted[at] for at in range(len(sets))], named)


@click.command()
@click.option("--bundle", default=DEFAULT, show_default=True, help="Bundle of the sessions.")
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True, help="Number of seeds.")
@click.option("--kind", "kinds", multiple=True, help="superset, single, slow or pyramid; repeatable. By default all.")
def main(bundle: str, seeds: int, kinds: tuple[str, ...]) -> None:
    """Count the repetitions of rendered people in sessions."""
    model = load_model(bundle)
    outcomes: dict[str, list[Outcome]] = {}
    for seed in range(seeds):
        for kind, video in scenarios(seed):
            if kinds and kind not in kinds:
                continue
            session = Session(model)
            outcome = judge(video, [*session.push_many(video), *session.finish()])
            outcomes.setdefault(kind, []).append(outcome)
            if not outcome.right:
                what = ", ".join(f"{bout.repetitions} {bout.exercise} of {bout.tempo_s:g} s" for bout in video.bouts)
                click.echo(f"seed {seed}: {what}: counted {list(outcome.counted)} of {list(outcome.true)}")
    for kind, some in outcomes.items():
        right, named = sum(one.right for one in some), sum(one.right and one.named for one in some)
        click.echo(f"{kind}: {right} of {len(some)} right, {named} with the right names")


if __name__ == "__main__":
    main()
