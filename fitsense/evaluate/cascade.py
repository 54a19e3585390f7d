"""Accuracy and cost of a cascade by its threshold."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.progress import ProgressBar, silent
from fitsense.bundles.bundle import Bundle
from fitsense.catalogue import IDLE
from fitsense.data.manifest import ClipItem, Skipped, read_manifest
from fitsense.errors import InvalidInputError
from fitsense.evaluate import metrics
from fitsense.evaluate.clip_reading import read_clips
from fitsense.inference.fusion import FusionPipeline, Outputs, set_cascade
from fitsense.inference.model import Model
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import Cascade
from fitsense.types import Clip, FloatArray
from fitsense.windowing.sampler import Window
from fitsense.windowing.stream_state import NewFrames, StreamProgress

STEPS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
"""Thresholds of a curve."""

_ROUNDS = 15


@attrs.frozen
class Point:
    """Accuracy and cost of a cascade at a threshold.

    :param threshold: the threshold of the exercise's cascade.
    :param asked: share of the windows that all branches run on.
    :param cost: CPU time of a window, as a share of that without a cascade.
    :param top1: share of the clips whose most probable exercise is correct; None for no clips.
    :param macro_recall: its mean over exercises.
    """

    threshold: float
    asked: float
    cost: float
    top1: float | None
    macro_recall: float | None


def curve(
    bundle: Bundle,
    data: Path,
    split: str,
    first: Sequence[str],
    *,
    plugins: PluginManager | None = None,
    views: int = 4,
    track: ProgressBar = silent,
) -> tuple[list[Point], list[Skipped]]:
    """A point for each of :data:`STEPS`, by clips of exercises that the bundle knows; and clips that cannot be read.

    All branches run once on `views` windows of each clip; the branches that a threshold would skip follow from their
    outputs. Costs are measured, and differ from CPU to CPU.
    """
    plugins = plugins or PluginManager.discover()
    names = [branch.name for branch in bundle.manifest.branches]
    if not first or not set(first) < set(names):
        raise InvalidInputError(f"first: expected some, but not all, of {', '.join(names)}, got {', '.join(first)}")
    # Errors of the cascade come before the work.
    fusings = {
        sure: FusionPipeline(set_cascade(bundle.manifest, plugins, Cascade(first, sure)), plugins) for sure in STEPS
    }
    model = Model(bundle, plugins=plugins)
    said, skipped = _said(model, data, split, views, track)
    labels = bundle.manifest.labels.exercise
    truth = np.array([labels.index(item.group) for item, _ in said], dtype=np.int64)
    cheap, dear = _costs(model, bundle, plugins, first)
    points = []
    for sure, fusing in fusings.items():
        answers = [_answer(fusing, outputs) for _, outputs in said]
        probabilities = np.array([answer for answer, _ in answers], np.float32).reshape(-1, len(labels))
        asked = float(np.mean([share for _, share in answers])) if answers else 0.0
        recalls = metrics.recall_by_label(probabilities.argmax(axis=1), truth, labels)
        points.append(
            Point(
                sure,
                asked,
                cheap + asked * (dear - cheap),
                metrics.top_k(probabilities, truth, 1),
                float(np.mean([entry["recall"] for entry in recalls.values()])) if recalls else None,
            )
        )
    return points, skipped


def _said(
    model: Model, data: Path, split: str, views: int, track: ProgressBar
) -> tuple[list[tuple[ClipItem, Outputs]], list[Skipped]]:
    """Outputs of all branches for the windows of each clip."""
    known = set(model.labels.exercise) - {IDLE}
    items = [item for item in read_manifest(data, [split]).items if item.group in known]
    skipped: list[Skipped] = []
    clips = read_clips(model, track(items, "Clips"), skipped, views=views, mirror=False)
    return [(item, model.run(windows)) for item, windows in clips], skipped


def _answer(fusing: FusionPipeline, outputs: Outputs) -> tuple[FloatArray, float]:
    """Mean calibrated probabilities over a clip's windows, (labels,), and the share of windows that all branches ran
    on."""
    asked: list[int] = []

    def ask(windows: NDArray[np.intp]) -> Outputs:
        asked.extend(windows.tolist())
        return {name: {key: array[windows] for key, array in outputs[name].items()} for name in fusing.deferred}

    scores = fusing.predict({name: outputs[name] for name in fusing.first}, ask)["exercise"]
    probabilities = fusing.calibrated(scores)
    return np.asarray(probabilities.mean(axis=0), dtype=np.float32), len(asked) / len(probabilities)


def _costs(model: Model, bundle: Bundle, plugins: PluginManager, first: Sequence[str]) -> tuple[float, float]:
    """CPU time of a window about which the first branches are asked, and of one about which all are, each over that
    of the model without a cascade."""
    models = [model]
    for sure in (0.0, 1.0):
        changed = attrs.evolve(bundle, manifest=set_cascade(bundle.manifest, plugins, Cascade(first, sure)))
        models.append(Model(changed, plugins=plugins))
    times: list[list[float]] = [[] for _ in models]
    for _ in range(_ROUNDS):
        # In turns, so that load on the machine slows all of them alike.
        for one, spent in zip(models, times, strict=True):
            window = _window(one)
            started = time.process_time()
            one.predict([window])
            spent.append(time.process_time() - started)
    whole, cheap, dear = (float(np.median(spent[2:])) for spent in times)
    return cheap / whole, dear / whole


def _window(model: Model) -> Window:
    """A black window, a second of it new to branches that stream."""
    clips, stretches = {}, {}
    for name, spec in model.clips.items():
        pictures = np.zeros(spec.shape, np.uint8)
        if name in model.streaming_branches:
            stretches[name] = NewFrames(StreamProgress(), 0, tuple(pictures[: max(1, round(spec.rate_hz))]))
        else:
            clips[name] = Clip(pictures, 0.0, spec.span_s)
    return Window(clips, 0.0, 1.0, 0.0, 1.0, stretches)
