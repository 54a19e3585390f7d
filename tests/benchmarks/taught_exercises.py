"""Exercises that are left out of a bundle and taught back.

``python -m tests.benchmarks.taught_exercises --data FOLDER --split test --out curve.svg`` measures a bundle on the
clips of a manifest, and draws the curve.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.bundles.manifest import TaughtEntry
from fitsense.bundles.teaching import TeachingStatistics
from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.cli.progress import track
from fitsense.data.manifest import read_manifest
from fitsense.errors import InvalidInputError
from fitsense.experiments.base import Figure, Plot
from fitsense.experiments.plots import svg
from fitsense.inference.model import load_model
from fitsense.plugins._manager import PluginManager
from fitsense.teaching.examples import read_examples
from fitsense.teaching.heads import teachable_heads
from fitsense.teaching.lesson import Learned, Lesson, learn
from fitsense.teaching.thresholds import probabilities
from fitsense.train.calibration import best_exercise
from fitsense.types import FloatArray

COUNTS = (1, 3, 5, 10)
"""Numbers of clips to teach from."""


@attrs.frozen(eq=False)
class Clips:
    """Clips with the outputs of a bundle's branches for their windows.

    :param groups: the label of each clip.
    :param scenes: the scene of each clip.
    :param features: by branch, float32 (clips, windows, feature_dim).
    :param logits: by branch, exercise logits by heads that were not trained on the clip, float32 (clips, windows,
        labels).
    """

    groups: NDArray[np.str_]
    scenes: NDArray[np.str_]
    features: Mapping[str, FloatArray]
    logits: Mapping[str, FloatArray]


@attrs.frozen
class Outcome:
    """Effects of a taught exercise, as shares of clips.

    :param found: clips of the exercise, of other scenes than the taught ones, whose most likely exercise it is.
    :param named: those of them that get its name at the threshold.
    :param before: clips of the other exercises whose most likely exercise is right, before it was taught.
    :param after: the same afterwards.
    :param unknown_before: clips of unknown exercises that get a name, before.
    :param unknown_after: the same afterwards.
    """

    exercise: str
    clips: int
    found: float
    named: float
    before: float
    after: float
    unknown_before: float
    unknown_after: float


def measure(
    lesson: Lesson, clips: Clips, plugins: PluginManager, counts: Sequence[int] = COUNTS, draws: int = 3
) -> list[Outcome]:
    """Leave each exercise out of a bundle, and teach it back from clips of random scenes.

    :param lesson: the bundle, whose heads are ``heads/discriminant``.
    :param draws: number of random choices of clips for each exercise and count.
    """
    rng = np.random.default_rng(0)
    outcomes = []
    for label in lesson.manifest.labels.exercise:
        own = np.flatnonzero(clips.groups == label)
        if label in (IDLE, UNKNOWN) or not len(own):
            continue
        without = left_out(lesson, label)
        others = np.flatnonzero(clips.groups != label)
        position = lesson.manifest.labels.exercise.index(label)
        rest = {branch: np.delete(values, position, axis=2) for branch, values in clips.logits.items()}
        base = _clip_probabilities(without, without, clips.features, rest, others, plugins)
        for count in counts:
            for _ in range(draws):
                chosen = _spread(own, clips.scenes, count, rng)
                tested = own[~np.isin(clips.scenes[own], clips.scenes[chosen])]
                if len(chosen) < count or not len(tested):
                    continue
                outcomes.append(_outcome(without, label, clips, rest, chosen, tested, others, base, plugins))
    return outcomes


def left_out(lesson: Lesson, label: str) -> Lesson:
    """The bundle as if it had been trained without a label: its row, its rehearsal and its products are left out."""
    labels = lesson.manifest.labels.exercise
    at = labels.index(label)
    heads, arrays = {}, {}
    for branch, head in lesson.heads.items():
        rows = ("scores.layer.weight", "scores.layer.bias")
        kept = {name: np.delete(head.tensors[name], at, axis=0) for name in rows}
        heads[branch] = attrs.evolve(head, tensors={**head.tensors, **kept})
        known = lesson.statistics.heads[branch]
        products = np.delete(np.delete(known["products"], at, axis=0), at, axis=1)
        arrays[branch] = {**known, "products": products}
    rehearsal = lesson.statistics.rehearsal
    there = rehearsal.targets != at
    targets = rehearsal.targets[there]
    remaining = (*labels[:at], *labels[at + 1 :])
    rehearsal = attrs.evolve(
        rehearsal,
        targets=targets - (targets > at),
        labels=remaining,
        features={branch: values[there] for branch, values in rehearsal.features.items()},
        logits={branch: np.delete(values[there], at, axis=1) for branch, values in rehearsal.logits.items()},
    )
    manifest = attrs.evolve(lesson.manifest, labels=attrs.evolve(lesson.manifest.labels, exercise=remaining))
    return Lesson(manifest, heads, attrs.evolve(lesson.statistics, heads=arrays, rehearsal=rehearsal))


def curve(outcomes: Sequence[Outcome]) -> Plot:
    """The shares over the number of clips, each the mean over exercises."""
    lines = {
        "new exercise, most likely": "found",
        "new exercise, named": "named",
        "other exercises, before": "before",
        "other exercises, after": "after",
    }
    points = {
        title: [
            (float(count), Figure(mean_of(outcomes, count, field))) for count in sorted({o.clips for o in outcomes})
        ]
        for title, field in lines.items()
    }
    return Plot("Exercises left out and taught back", "clips of the new exercise", points)


def mean_of(outcomes: Sequence[Outcome], count: int, field: str) -> float:
    """Mean over exercises of a share, for a number of clips."""
    by_exercise: dict[str, list[float]] = {}
    for one in outcomes:
        if one.clips == count:
            by_exercise.setdefault(one.exercise, []).append(getattr(one, field))
    return float(np.mean([np.mean(values) for values in by_exercise.values()]))


def _spread(own: NDArray[np.intp], scenes: NDArray[np.str_], count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Some clips, of as many scenes as possible while some scenes remain to be tested."""
    order = rng.permutation(own)
    names = list(dict.fromkeys(scenes[order].tolist()))
    kept = set(names[: max(1, min(count, len(names) * 2 // 3))])
    allowed = [at for at in order.tolist() if scenes[at] in kept]
    # One clip of each scene first.
    seen: dict[str, int] = {}
    turns = []
    for at in allowed:
        seen[scenes[at]] = seen.get(scenes[at], 0) + 1
        turns.append((seen[scenes[at]], at))
    return np.array([at for _, at in sorted(turns, key=lambda turn: turn[0])][:count], np.intp)


def _outcome(
    without: Lesson,
    label: str,
    clips: Clips,
    rest: Mapping[str, FloatArray],
    chosen: NDArray[np.intp],
    tested: NDArray[np.intp],
    others: NDArray[np.intp],
    base: FloatArray,
    plugins: PluginManager,
) -> Outcome:
    windows = next(iter(clips.features.values())).shape[1]
    features = {branch: np.concatenate(list(values[chosen])) for branch, values in clips.features.items()}
    entry = TaughtEntry(label, label, (), False, len(chosen))
    learned = learn(without, entry, np.repeat(np.arange(len(chosen)), windows), features, plugins)
    old, new = without.manifest, learned.manifest
    now = _clip_probabilities(without, learned, clips.features, rest, others, plugins)
    mine = _clip_probabilities(without, learned, clips.features, rest, tested, plugins)
    best, score = best_exercise(mine, new.labels.exercise)
    hit = best == learned.position
    truth = clips.groups[others]
    known = ~np.isin(truth, (IDLE, UNKNOWN))
    stranger = truth == UNKNOWN

    def right(probability: FloatArray, labels: tuple[str, ...]) -> float:
        answer = np.array(labels)[best_exercise(probability, labels)[0]]
        return float((answer[known] == truth[known]).mean())

    def named(probability: FloatArray, labels: tuple[str, ...], enter: float) -> float:
        return float((best_exercise(probability, labels)[1][stranger] >= enter).mean()) if stranger.any() else np.nan

    return Outcome(
        exercise=label,
        clips=len(chosen),
        found=float(hit.mean()),
        named=float((hit & (score >= new.calibration.enter)).mean()),
        before=right(base, old.labels.exercise),
        after=right(now, new.labels.exercise),
        unknown_before=named(base, old.labels.exercise, old.calibration.enter),
        unknown_after=named(now, new.labels.exercise, new.calibration.enter),
    )


def _clip_probabilities(
    before: Lesson,
    after: Lesson,
    features: Mapping[str, FloatArray],
    logits: Mapping[str, FloatArray],
    chosen: NDArray[np.intp],
    plugins: PluginManager,
) -> FloatArray:
    """Mean probabilities of clips by a bundle, float32 (clips, labels): held-out logits, and what teaching changes."""
    given = {}
    for branch, head in before.heads.items():
        windows = features[branch][chosen]
        flat = windows.reshape(-1, windows.shape[-1])
        held = logits[branch][chosen].reshape(len(flat), -1)
        if isinstance(after, Learned):
            now = after.heads[branch].logits(flat)
            held = held + np.delete(now, after.position, axis=1) - head.logits(flat)
            held = np.insert(held, after.position, now[:, after.position], axis=1)
        given[branch] = held.astype(np.float32)
    found = probabilities(after.manifest, plugins, given)
    return np.asarray(found.reshape(len(chosen), -1, found.shape[-1]).mean(axis=1), np.float32)


def lesson_of(bundle: str, plugins: PluginManager) -> Lesson:
    """Knowledge of a bundle, as it ships."""
    model = load_model(bundle, plugins=plugins)
    heads = teachable_heads(model.bundle, plugins)
    assert model.manifest.teaching is not None
    return Lesson(model.manifest, heads, TeachingStatistics.read(model.bundle.path(model.manifest.teaching.file)))


def clips_of(bundle: str, plugins: PluginManager, data: Path, splits: Sequence[str]) -> Clips:
    """Clips of a manifest with the outputs of a bundle; logits of clips that it was trained on are not held out."""
    model = load_model(bundle, plugins=plugins, bf16=False)
    labels = model.labels.exercise
    groups, scenes, outputs = [], [], []
    for item in track(read_manifest(data, list(splits)).items, "Clips"):
        try:
            examples = read_examples(model, [item.path], lambda items, description: items)
        except InvalidInputError:
            continue
        groups.append(item.group if item.group in labels else UNKNOWN)
        scenes.append(item.scene)
        outputs.append(examples.outputs)
    branches = outputs[0]
    return Clips(
        np.array(groups),
        np.array(scenes),
        {branch: np.stack([each[branch]["features"] for each in outputs]) for branch in branches},
        {branch: np.stack([each[branch]["exercise"] for each in outputs]) for branch in branches},
    )


def main() -> None:
    """Measure a bundle, print the means, and draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", action="append", required=True)
    parser.add_argument("--bundle", default="gym")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    plugins = PluginManager.discover()
    clips = clips_of(given.bundle, plugins, given.data, given.split)
    outcomes = measure(lesson_of(given.bundle, plugins), clips, plugins, draws=given.draws)
    fields = ("found", "named", "before", "after", "unknown_before", "unknown_after")
    lines = ["\t".join(("clips", "exercises", *fields))]
    for count in sorted({one.clips for one in outcomes}):
        means = [f"{mean_of(outcomes, count, field):.3f}" for field in fields]
        exercises = len({one.exercise for one in outcomes if one.clips == count})
        lines.append("\t".join((str(count), str(exercises), *means)))
    sys.stdout.write("\n".join(lines) + "\n")
    if given.out:
        given.out.write_text(svg(curve(outcomes)), "utf-8")


if __name__ == "__main__":
    main()
