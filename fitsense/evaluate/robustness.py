"""Changes of labels and counts of sessions on transformed clips, see :mod:`fitsense.evaluate.transformations`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from fitsense._internal.hashing import fingerprint
from fitsense._internal.progress import ProgressBar, silent
from fitsense.catalogue import UNKNOWN
from fitsense.data.manifest import ClipItem, Skipped
from fitsense.data.tables import read_table
from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.evaluate.kept_results import KeptResults, digest_of_analysis
from fitsense.evaluate.transformations import TRANSFORMATIONS, UNTOUCHED
from fitsense.events.model import Event, ExerciseEnded, RepetitionCompleted
from fitsense.inference.model import Model
from fitsense.session.config import SessionConfig
from fitsense.session.session import Session
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource


@attrs.frozen
class Trial:
    """Result of a session on a clip.

    :param clip: fingerprint of the file.
    :param transformation: name of the transformation.
    :param analysis: digest of the bundle and the session's configuration.
    :param exercise: the exercise that was named for the longest time; empty if none was.
    :param repetitions: number of repetitions.
    """

    clip: str
    transformation: str
    analysis: str
    exercise: str
    repetitions: int


class Trials(KeptResults[Trial]):
    """Results of earlier runs, and a JSON Lines file to which further ones are appended.

    :param file: None to keep nothing.
    :raises InvalidInputError: the file holds something else.
    """

    def __init__(self, file: Path | None) -> None:
        super().__init__(Trial, lambda trial: (trial.clip, trial.transformation, trial.analysis), file)


def read_counts(file: Path) -> dict[str, int]:
    """Read the true numbers of repetitions from a table with the columns ``clip`` and ``count``.

    :returns: counts by clip: the path of a clip as in the manifest, or its file's name without the suffix.
    :raises InvalidInputError: the table is malformed, or a count is no whole number from 0 on.
    """
    counts = {}
    for row in read_table(file, ("clip", "count")):
        if not row.cells["count"].isdigit():
            raise InvalidInputError(f"{row.where}: count: expected a number from 0 on, got {row.cells['count']!r}")
        counts[row.cells["clip"]] = int(row.cells["count"])
    return counts


def select_clips(
    items: Sequence[ClipItem], counts: Mapping[str, int] | None, per_exercise: int | None, *, seed: int = 0
) -> list[ClipItem]:
    """Select clips for a measurement, in their order.

    :param counts: true numbers of repetitions, see :func:`read_counts`; clips without one are left out. None for all.
    :param per_exercise: largest number of clips of an exercise; None for all.
    :param seed: seed of the selection among the clips of an exercise.
    """
    eligible = [item for item in items if counts is None or _expected(item, counts) is not None]
    if per_exercise is None:
        return eligible
    order = np.random.default_rng(seed).permutation(len(eligible)).tolist()
    taken: Counter[str] = Counter()
    chosen = []
    for index in order:
        group = eligible[index].group
        if taken[group] < per_exercise:
            taken[group] += 1
            chosen.append(index)
    return [eligible[index] for index in sorted(chosen)]


def robustness(
    model: Model,
    items: Sequence[ClipItem],
    config: SessionConfig,
    *,
    counts: Mapping[str, int] | None = None,
    names: Collection[str] = tuple(TRANSFORMATIONS),
    trials: Trials | None = None,
    track: ProgressBar = silent,
) -> dict[str, Any]:
    """Metrics of sessions on clips and on their transformations, as a JSON object.

    :param counts: true numbers of repetitions, see :func:`read_counts`.
    :param names: names of the transformations; untouched clips are always analysed, too.
    :param trials: results of earlier runs, which are not computed again.
    """
    unknown = sorted(set(names) - TRANSFORMATIONS.keys())
    if unknown:
        raise InvalidInputError(
            f"transformation: expected one of {', '.join(TRANSFORMATIONS)}, got {', '.join(unknown)}"
        )
    trials = trials or Trials(None)
    analysis = digest_of_analysis(model, config)
    pairs = [(item, name) for item in items for name in (UNTOUCHED, *names)]
    found: dict[str, dict[str, Trial]] = {}
    skipped: dict[Path, str] = {}
    for item, name in track(pairs, "Clips"):
        if item.path in skipped:
            continue
        try:
            clip = fingerprint(item.path)
            trial = trials.get((clip, name, analysis))
            if trial is None:
                trial = Trial(clip, name, analysis, *_analyse(model, item.path, name, config))
                trials.add(trial)
        except FitsenseError as error:
            skipped[item.path] = str(error)
            continue
        found.setdefault(str(item.path), {})[name] = trial
    whole = [item for item in items if item.path not in skipped]
    return {
        "clips": len(whole),
        "skipped_files": [attrs.asdict(Skipped(str(path), reason)) for path, reason in skipped.items()],
        "transformations": {
            name: _summary(whole, [found[str(item.path)] for item in whole], name, counts or {})
            for name in (UNTOUCHED, *names)
        },
        "runs": [
            {
                "path": str(item.path),
                "group": item.group,
                "count": _expected(item, counts or {}),
                "found": {
                    name: {"exercise": trial.exercise, "repetitions": trial.repetitions}
                    for name, trial in found[str(item.path)].items()
                },
            }
            for item in whole
        ],
    }


def _analyse(model: Model, path: Path, name: str, config: SessionConfig) -> tuple[str, int]:
    """The exercise that a session names for the longest time in a transformed clip, and the number of repetitions."""
    session = Session(model, config)
    events: list[Event] = []
    with VideoSource(path, DecodeConfig(short_side=model.short_side)) as source:
        frames: Iterable[Frame] = source if name == UNTOUCHED else TRANSFORMATIONS[name].apply(source)
        for frame in frames:
            events += session.push(frame)
    events += session.finish()
    seconds: Counter[str] = Counter()
    for event in events:
        if isinstance(event.data, ExerciseEnded) and event.data.exercise != UNKNOWN:
            seconds[event.data.exercise] += event.data.end_s - event.data.start_s  # type: ignore[assignment]
    exercise = max(seconds, key=lambda one: (seconds[one], one), default="")
    return exercise, sum(isinstance(event.data, RepetitionCompleted) for event in events)


def _expected(item: ClipItem, counts: Mapping[str, int]) -> int | None:
    for key, count in counts.items():
        if key == item.path.stem or item.path.as_posix().endswith(f"/{key}"):
            return count
    return None


def _summary(
    items: Sequence[ClipItem], found: Sequence[Mapping[str, Trial]], name: str, counts: Mapping[str, int]
) -> dict[str, Any]:
    """Metrics of one transformation."""
    errors = []
    for item, trials in zip(items, found, strict=True):
        expected = _expected(item, counts)
        if expected:
            errors.append((abs(trials[name].repetitions - expected), expected))
    return {
        "flipped": sum(trials[name].exercise != trials[UNTOUCHED].exercise for trials in found),
        "right": sum(trials[name].exercise == item.group for item, trials in zip(items, found, strict=True)),
        "counted": len(errors),
        "count_error": sum(error / expected for error, expected in errors) / len(errors) if errors else None,
        "off_by_one": sum(error <= 1 for error, _ in errors) / len(errors) if errors else None,
        "count_changed": sum(trials[name].repetitions != trials[UNTOUCHED].repetitions for trials in found),
    }
