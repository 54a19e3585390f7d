"""A bundle on a split of labelled clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from fitsense._internal.progress import ProgressBar, silent
from fitsense.data.manifest import ClipItem, Skipped, read_manifest
from fitsense.evaluate import metrics
from fitsense.evaluate.clip_reading import read_clips
from fitsense.evaluate.scores import ClipScores, clip_scores
from fitsense.evaluate.summary import relative, summarise
from fitsense.inference.model import Model


def evaluate(
    model: Model, folder: Path, split: str, *, views: int = 4, mirror: bool = True, track: ProgressBar = silent
) -> dict[str, Any]:
    """Figures of a model on a split, as a JSON object.

    Every clip is looked at in the same `views` windows, and their mirror images with `mirror`. Probabilities are
    averaged over these, and all figures are of the averages, but for those of windows, which are single and not
    mirrored, as sessions see them. Clips of ``no_exercise`` count for rejection alone; clips of groups that the bundle
    does not know are counted apart, as are those that cannot be read.
    """
    metrics.require()
    dataset = read_manifest(folder, [split])
    scored, unreadable = score(model, dataset.items, views=views, mirror=mirror, track=track)
    skipped = [
        *dataset.skipped,
        *(attrs.evolve(skip, path=relative(Path(skip.path), folder)) for skip in unreadable),
    ]
    return {
        "bundle": {"name": model.manifest.name, "version": model.manifest.version},
        "split": split,
        "views": views,
        "mirror": mirror,
        "clips": len(scored),
        "skipped": len(skipped),
        "skipped_files": [attrs.asdict(skip) for skip in skipped],
        **summarise(model, scored, folder, views),
    }


def score(
    model: Model, items: Sequence[ClipItem], *, views: int, mirror: bool, track: ProgressBar = silent
) -> tuple[list[ClipScores], list[Skipped]]:
    """The scores of each clip, and the clips that cannot be read, with the reason."""
    skipped: list[Skipped] = []
    clips = read_clips(model, track(items, "Clips"), skipped, views=views, mirror=mirror)
    return [clip_scores(model, item, windows) for item, windows in clips], skipped
