"""Number of live streams that one process analyses with :class:`fitsense.SourceGroup`; files are paced like cameras."""

from __future__ import annotations

import functools
import math
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import attrs
import av

import fitsense
from fitsense.events.model import Event, ExerciseEnded, ExerciseStarted, ExerciseUpdated, MusclesActivated
from fitsense.imaging.frame_rate import min_interval_s
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource
from tests.benchmarks.measuring import PICTURES, Benchmark, Goal, Measured, SkippedError, alternate, cores, cost
from tests.benchmarks.videos import HD, RATE, about

_HOP_S = 1.0
_LATEST_S = 0.5
"""So soon after a window's end its event is to come, 95 times of 100."""
_DROPPED = 0.01
# A trial's length in media time: enough for each stream to give some windows.
_TRIAL_S = 12.0
# A source that is so late is one that drops frames: what waits would take more room than live sources give it.
_ROOM_S = 1.0
# A stream that is so late will not catch up in this trial.
_HOPELESS_S = 3.0
# Streams open one after the other before the clock starts.
_HEAD_START_S = 0.5
# So few should be no trouble; what they cost says how many to try.
_FEW = 4


@attrs.define
class Lateness:
    """Delays in seconds, of all threads.

    :param frames: when each was taken, after it was due.
    :param answers: when each event of a window came, after the window's end.
    :param media_s: how much of each stream was followed, by its origin.
    :param hopeless: whether one was so late that the trial was broken off.
    """

    frames: list[float] = attrs.field(factory=list)
    answers: list[float] = attrs.field(factory=list)
    media_s: dict[float, float] = attrs.field(factory=dict)
    hopeless: bool = False

    def frame(self, origin_s: float, time_s: float) -> bool:
        """Take a frame of a stream, now; whether to go on."""
        late_s = time.monotonic() - origin_s - time_s
        self.frames.append(late_s)
        self.media_s[origin_s] = time_s
        self.hopeless |= late_s > _HOPELESS_S
        return not self.hopeless


@attrs.frozen
class Trial:
    """A number of simultaneous streams.

    :param dropped: share of the frames that came so late that a live source would have dropped them.
    :param p50_s: median of how late the answers were; of the frames, where nothing is answered.
    :param p95_s: likewise, but 95 of 100 are sooner.
    :param share: CPU time for each second of each stream: the share of a core that one takes.
    """

    count: int
    dropped: float
    p50_s: float
    p95_s: float
    share: float

    @property
    def sustained(self) -> bool:
        """True if analysis kept up with every stream."""
        return self.dropped <= _DROPPED and self.p95_s <= _LATEST_S


T = TypeVar("T")

Follow = Callable[[Path, Sequence[float], Lateness], None]
"""Follows a file as several streams at a time, whose media time 0 is at these times of the monotonic clock."""

CASCADE = fitsense.Cascade(("x3d_s", "x3d_bodies"), threshold=0.5)
"""The branches that share a trunk come first. With it, the ensemble is as good as without, see
``docs/explanation/cascade.md``."""


def whole_model() -> fitsense.Model:
    """The ensemble on pictures, on one thread: others go on meanwhile, and none waits for the other's half."""
    return fitsense.load_model(PICTURES, threads=1)


def cheapest_model() -> fitsense.Model:
    """The same as a cascade."""
    return fitsense.load_model(PICTURES, threads=1, cascade=CASCADE)


def decode(path: Path, origins_s: Sequence[float], lateness: Lateness) -> None:
    """Decode every frame of each stream in a separate thread, without analysis."""
    threads = [threading.Thread(target=_decode, args=(path, each_s, lateness), daemon=True) for each_s in origins_s]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _decode(path: Path, origin_s: float, lateness: Lateness) -> None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        # One thread a stream is enough, and costs the least.
        stream.codec_context.thread_count = 1
        frames = (frame.time for frame in container.decode(stream) if frame.time is not None)
        for _ in _paced(frames, lambda time_s: time_s, origin_s, lateness):
            pass


def analyze(model: fitsense.Model, path: Path, origins_s: Sequence[float], lateness: Lateness) -> None:
    """Analyse all streams and take their events."""
    with fitsense.SourceGroup(model=model, hop_s=_HOP_S) as streams:
        began: dict[str, datetime] = {}
        for at, origin_s in enumerate(origins_s):
            name = f"urn:fitsense:stream:{at}"
            began[name] = datetime.now(UTC) + timedelta(seconds=origin_s - time.monotonic())
            frames = _frames(path, model, origin_s, lateness)
            streams.add(name, frames, config=fitsense.SessionConfig(started_at=began[name]))
        for event in streams:
            # The last window of all ends with the trial, not when it is due.
            if _is_of_window(event) and event.time < began[event.source] + timedelta(seconds=_TRIAL_S - 1 / RATE):
                lateness.answers.append((datetime.now(UTC) - event.time).total_seconds())
        for error in streams.failures.values():
            raise error


def _frames(path: Path, model: fitsense.Model, origin_s: float, lateness: Lateness) -> Iterator[Frame]:
    """Items of a source of a file in real time, decoded by the caller."""
    step_s = min_interval_s(model.clips.values())
    with VideoSource(
        path, DecodeConfig(short_side=model.short_side, min_interval_s=step_s, threads=model.threads)
    ) as source:
        yield from _paced(source, lambda frame: frame.time_s, origin_s, lateness)


def trial(follow: Follow, path: Path, count: int) -> Trial:
    """Follow a number of streams for some seconds."""
    lateness = Lateness()
    # Their windows do not all end at once: Streams sees to that, where it opens the sources.
    origin_s = time.monotonic() + _HEAD_START_S
    origins_s = [origin_s + at * _HOP_S / count for at in range(count)]
    share = cost(lambda: follow(path, origins_s, lateness)).cpu_s / max(1.0, sum(lateness.media_s.values()))
    answers = lateness.answers or lateness.frames
    if lateness.hopeless or len(answers) < 2:
        return Trial(count, 1.0, math.inf, math.inf, share)
    late = sum(late_s > _ROOM_S for late_s in lateness.frames) / len(lateness.frames)
    percentiles = statistics.quantiles(answers, n=100, method="inclusive")
    return Trial(count, late, percentiles[49], percentiles[94], share)


def largest(holds: Callable[[int], bool], guess: int) -> int:
    """The largest count that holds, if all below it do; 0 if none does. Few are tried if the guess is near."""
    low, step = 0, 1
    high: int | None = None
    at = max(1, guess)
    while high is None or high - low > 1:
        if holds(at):
            low = at
        else:
            high = at
        if high is None:
            at, step = low + step, 2 * step
        elif low == 0:
            at, step = max(1, high - step), 2 * step
            if high == 1:
                return 0
        else:
            at = (low + high) // 2
    return low


def most(follow: Follow, path: Path, guess: int | None = None) -> Trial:
    """The trial of the most streams that analysis keeps up with."""
    trials: dict[int, Trial] = {}

    def holds(count: int) -> bool:
        if count not in trials:
            trials[count] = trial(follow, path, count)
        return trials[count].sustained

    if guess is None:
        first = trials[_FEW] = trial(follow, path, _FEW)
        guess = int(cores() / first.share)
    found = largest(holds, guess)
    if not found:
        raise SkippedError("analysis keeps up with no stream: do other programs use the machine?")
    return trials[found]


@functools.cache
def _searched(rounds: int) -> list[tuple[Trial, Trial]]:
    """The most that are analysed, and the most that are decoded, by round."""
    path, follow = HD.path, functools.partial(analyze, cheapest_model())
    found: list[tuple[Trial, Trial]] = []
    for _ in range(rounds):
        analysed = most(follow, path, found[-1][0].count if found else None)
        decoded = most(decode, path, found[-1][1].count if found else None)
        found.append((analysed, decoded))
    return found


@functools.cache
def _few(rounds: int) -> list[tuple[Trial, ...]]:
    """A few that are analysed, a few that are decoded, and a few that all branches are asked about, by round."""
    models = cheapest_model(), whole_model()
    cheapest, whole = (functools.partial(analyze, model) for model in models)
    trials = [functools.partial(trial, follow, HD.path, _FEW) for follow in (cheapest, decode, whole)]
    return alternate(*trials, rounds=rounds)


def _of(what: Callable[[Trial, Trial], float], rounds: int) -> Measured:
    return Measured([what(*found) for found in _searched(rounds)], _note())


def _of_a_few(what: Callable[..., float], rounds: int) -> Measured:
    return Measured([what(*found) for found in _few(rounds)], f"{_FEW} x {_note()}")


def _note() -> str:
    first = " and ".join(CASCADE.first)
    bundle = f"{PICTURES}, {first} asked first and the rest where these are not above {CASCADE.threshold:g}"
    return f"{about(HD.path)}; {bundle}; a window each {_HOP_S:g} s, {cores()} cores"


def _paced(items: Iterable[T], time_of: Callable[[T], float], origin_s: float, lateness: Lateness) -> Iterator[T]:
    """The first seconds of frames, none before its time; nor is one fetched, and so decoded, before the one before
    it has been seen."""
    due_s = origin_s
    iterator = iter(items)
    while True:
        _sleep_until(due_s)
        item = next(iterator, None)
        if item is None or time_of(item) > _TRIAL_S:
            return
        _sleep_until(origin_s + time_of(item))
        if not lateness.frame(origin_s, time_of(item)):
            return
        yield item
        due_s = origin_s + time_of(item) + 1 / RATE


def _sleep_until(time_s: float) -> None:
    if (left_s := time_s - time.monotonic()) > 0:
        time.sleep(left_s)


def _is_of_window(event: Event) -> bool:
    return isinstance(event.data, (ExerciseStarted, ExerciseUpdated, ExerciseEnded, MusclesActivated))


BENCHMARKS = (
    Benchmark(
        "streams.sustained",
        "live 720p streams that analysis keeps up with",
        functools.partial(_of, lambda analysed, decoded: analysed.count),
        unit="",
        goal=Goal(least=15),
        rounds=3,
    ),
    Benchmark(
        "streams.of_decoding",
        "live streams as a share of those that can be decoded alone",
        functools.partial(_of, lambda analysed, decoded: analysed.count / decoded.count),
        rounds=3,
    ),
    Benchmark(
        "streams.latency_p50_ms",
        "median time from a window's end to its event, with that number of streams",
        functools.partial(_of, lambda analysed, decoded: 1e3 * analysed.p50_s),
        unit="ms",
        rounds=3,
    ),
    Benchmark(
        "streams.latency_p95_ms",
        "95th percentile of that time",
        functools.partial(_of, lambda analysed, decoded: 1e3 * analysed.p95_s),
        unit="ms",
        goal=Goal(most=1e3 * _LATEST_S),
        rounds=3,
    ),
    Benchmark(
        "streams.core_percent",
        "CPU time of one of a few streams, of one core's",
        functools.partial(_of_a_few, lambda analysed, decoded, whole: 100 * analysed.share),
        unit="%",
        rounds=3,
    ),
    Benchmark(
        "streams.cpu_of_decoding",
        "CPU time of one stream over that of decoding alone",
        functools.partial(_of_a_few, lambda analysed, decoded, whole: analysed.share / decoded.share),
        rounds=3,
    ),
    Benchmark(
        "streams.cpu_of_all_asked",
        "CPU time of one stream over that where all branches always run",
        functools.partial(_of_a_few, lambda analysed, decoded, whole: analysed.share / whole.share),
        rounds=3,
    ),
)
