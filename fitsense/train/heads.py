"""Heads fitted on features of a frozen backbone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fitsense.catalogue import load_catalogue
from fitsense.hookspecs import HeadSpec
from fitsense.train.features import ClipFeatures
from fitsense.types import FloatArray, Task

if TYPE_CHECKING:
    from torch import nn


def targets(clips: Sequence[ClipFeatures], task: Task, labels: Sequence[str]) -> NDArray[Any]:
    """What a head should say of each clip: int64 (clips,) label indices for exercises, float32 (clips, labels)
    of 0 and 1 for muscles, from the catalogue."""
    if task == "exercise":
        index = {label: position for position, label in enumerate(labels)}
        return np.array([index[clip.group] for clip in clips], dtype=np.int64)
    known = load_catalogue().exercises
    return np.array(
        [[clip.group in known and group in known[clip.group].muscles for group in labels] for clip in clips],
        dtype=np.float32,
    )


def balance(clips: Sequence[ClipFeatures], class_power: float) -> NDArray[np.float64]:
    """A weight for each clip, of mean 1: scenes of a class count alike, however many clips they have; classes
    count alike for `class_power` 0, and by their number of scenes for 1."""
    in_scene = Counter((clip.group, clip.scene) for clip in clips)
    scenes = Counter(group for group, _ in in_scene)
    weights = np.array([scenes[clip.group] ** (class_power - 1.0) / in_scene[clip.group, clip.scene] for clip in clips])
    return np.asarray(weights / weights.mean(), dtype=np.float64)


def fit(
    spec: HeadSpec,
    config: Any,
    clips: Sequence[ClipFeatures],
    weights: NDArray[np.float64],
    labels: tuple[str, ...],
    l2: float,
) -> nn.Module:
    """A head that minimises its loss over the clips' views, plus ``l2 / 2`` times its squared weights.

    Full-batch L-BFGS, so that the result does not depend on an order or a learning rate.

    :param weights: of the clips, (clips,); a clip's views share its weight.
    :param l2: biases are not penalised.
    """
    import torch
    from torch.nn import functional as F

    features = torch.from_numpy(np.concatenate([clip.features for clip in clips]))
    views = [len(clip.features) for clip in clips]
    target = torch.from_numpy(np.repeat(targets(clips, spec.task, labels), views, axis=0))
    share = torch.from_numpy(np.repeat(weights / views, views).astype(np.float32))
    share /= share.sum()
    head = spec.build(config, features.shape[1], labels)
    optimizer = torch.optim.LBFGS(
        head.parameters(),
        max_iter=400,
        tolerance_grad=1e-6,
        tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = head(features)
        if spec.loss == "cross_entropy":
            each = F.cross_entropy(logits, target, reduction="none")
        else:
            each = F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(dim=1)
        penalty = sum(p.square().sum() for p in head.parameters() if p.ndim > 1)
        total = (each * share).sum() + l2 / 2 * penalty
        total.backward()  # type: ignore[no-untyped-call]
        return total

    head.train()
    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return head.eval()


def logits_of(head: nn.Module, clips: Sequence[ClipFeatures]) -> list[FloatArray]:
    """The head's logits, float32 (views, labels) for each clip."""
    import torch

    with torch.inference_mode():
        return [head(torch.from_numpy(clip.features)).numpy() for clip in clips]


def out_of_fold(
    spec: HeadSpec,
    config: Any,
    clips: Sequence[ClipFeatures],
    labels: tuple[str, ...],
    l2: float,
    class_power: float,
) -> list[FloatArray]:
    """Logits of each clip by a head that was fitted without its fold, float32 (views, labels) for each."""
    logits: dict[int, FloatArray] = {}
    for fold in sorted({clip.fold for clip in clips}):
        kept = [clip for clip in clips if clip.fold != fold]
        held = [index for index, clip in enumerate(clips) if clip.fold == fold]
        head = fit(spec, config, kept, balance(kept, class_power), labels, l2)
        for index, value in zip(held, logits_of(head, [clips[i] for i in held]), strict=True):
            logits[index] = value
    return [logits[index] for index in range(len(clips))]


def label_set(clips: Sequence[ClipFeatures], min_scenes: int) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """The groups that enough scenes show, sorted; and the others, with their number of scenes."""
    scenes: dict[str, set[str]] = {}
    for clip in clips:
        scenes.setdefault(clip.group, set()).add(clip.scene)
    kept = tuple(sorted(group for group, where in scenes.items() if len(where) >= min_scenes))
    return kept, {group: len(where) for group, where in scenes.items() if group not in kept}
