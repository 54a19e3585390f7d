"""Cost of the person's landmarks: the bundle ``gym``, relative to decoding and to the bundle on pictures."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import fitsense
from fitsense.inference.pose_estimator import landmark_estimator
from fitsense.pose.landmarks import BodyDetection, BodyRegion, Pose
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.types import UInt8Array
from tests.benchmarks import streams
from tests.benchmarks.files import analyze, decode
from tests.benchmarks.measuring import PICTURES, Benchmark, Cost, Goal, Measured, SkippedError, cores, costs
from tests.benchmarks.videos import FULL_HD, HD, about

BUNDLE = "gym"

_FEW = 2


def load_model(**options: Any) -> fitsense.Model:
    """The bundle with landmarks.

    :raises SkippedError: the pose estimator's files have not been fetched.
    """
    model = fitsense.load_model(BUNDLE, **options)
    if not model.pose_branches:
        raise SkippedError(f"{model.manifest.name} has no branch on poses; run: fitsense models pull blazepose")
    return model


@functools.cache
def _against_decoding(rounds: int) -> list[tuple[Cost, Cost]]:
    path, model = FULL_HD.path, load_model()
    return costs(lambda: analyze(path, model), lambda: decode(path), rounds)


def of_ceiling(rounds: int) -> Measured:
    """By the clock."""
    return Measured([alone.wall_s / whole.wall_s for whole, alone in _against_decoding(rounds)], _about(FULL_HD.path))


def over_pictures_cpu(rounds: int) -> Measured:
    """By the CPU's time, with one thread."""
    path, model, other = FULL_HD.path, load_model(threads=1), fitsense.load_model(PICTURES, threads=1)
    found = costs(lambda: analyze(path, model), lambda: analyze(path, other), rounds)
    return Measured([one.cpu_s / another.cpu_s for one, another in found], _about(path))


class CountingEstimator:
    """Counts what a pose estimator is asked."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator
        self.detections = 0
        self.estimates = 0

    def detect(self, picture: UInt8Array) -> Sequence[BodyDetection]:
        self.detections += 1
        return self._estimator.detect(picture)  # type: ignore[no-any-return]

    def estimate(self, pictures: Sequence[UInt8Array], regions: Sequence[BodyRegion]) -> Sequence[Pose | None]:
        self.estimates += len(regions)
        return self._estimator.estimate(pictures, regions)  # type: ignore[no-any-return]


@functools.cache
def _calls() -> tuple[float, float]:
    """Landmarks and detections a second of video."""
    model = load_model()
    # The session asks for the same one.
    estimator = model.pose_estimators.load(landmark_estimator(model.manifest, model.plugins) or "")
    counter = estimator._estimator = CountingEstimator(estimator._estimator)
    video = FigureVideo((Bout("squat", 5, 2.0),), size=(398, 224), rate_hz=30.0)
    for _ in fitsense.analyze(video, model=model):
        pass
    return counter.estimates / video.duration_s, counter.detections / video.duration_s


def landmarks_per_s(rounds: int) -> Measured:
    """The same in every round."""
    return Measured([_calls()[0]], f"a rendered figure, {BUNDLE}")


def detections_per_s(rounds: int) -> Measured:
    """The same in every round."""
    return Measured([_calls()[1]], f"a rendered figure, {BUNDLE}")


def sustained(rounds: int) -> Measured:
    """With one thread for each stream."""
    follow = functools.partial(streams.analyze, load_model(threads=1))
    found: list[streams.Trial] = []
    for _ in range(rounds):
        found.append(streams.most(follow, HD.path, found[-1].count if found else None))
    return Measured([one.count for one in found], _about(HD.path))


def core_percent(rounds: int) -> Measured:
    """Of one of a few streams."""
    follow = functools.partial(streams.analyze, load_model(threads=1))
    trials = [streams.trial(follow, HD.path, _FEW) for _ in range(rounds)]
    return Measured([100 * one.share for one in trials], f"{_FEW} x {_about(HD.path)}")


def _about(path: Any) -> str:
    return f"{about(path)}, {BUNDLE}, {cores()} cores"


BENCHMARKS = (
    Benchmark(
        "file.of_ceiling.landmarks",
        "speed of analysing a file with landmarks, as a share of decoding alone",
        of_ceiling,
        goal=Goal(least=0.8),
        rounds=5,
    ),
    Benchmark(
        "file.cpu_over_pictures.landmarks",
        "CPU time of analysing a file with landmarks over that with gym-video",
        over_pictures_cpu,
        goal=Goal(most=1.4),
        rounds=3,
    ),
    Benchmark(
        "person.landmarks_per_s", "times that landmarks are found a second", landmarks_per_s, unit="/s", rounds=1
    ),
    Benchmark(
        "person.detections_per_s", "times that the detector runs a second", detections_per_s, unit="/s", rounds=1
    ),
    Benchmark(
        "streams.sustained.landmarks",
        "live 720p streams with landmarks that analysis keeps up with",
        sustained,
        unit="",
        goal=Goal(least=10),
        rounds=3,
    ),
    Benchmark(
        "streams.core_percent.landmarks",
        "CPU time of one of a few streams with landmarks, of one core's",
        core_percent,
        unit="%",
        goal=Goal(most=25),
        rounds=3,
    ),
)
