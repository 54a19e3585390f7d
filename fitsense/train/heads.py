"""Heads fitted on features of a frozen backbone: by gradient descent, or in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fitsense.catalogue import UNKNOWN
from fitsense.data.samples import Sample
from fitsense.data.task_targets import has_target, task_targets
from fitsense.errors import InvalidInputError
from fitsense.plugins.specs import HeadExamples, HeadSpec
from fitsense.plugins.tasks import RESERVED, TaskSpec
from fitsense.train.background import cluster_photos
from fitsense.train.finetuning import sampling_weights
from fitsense.train.recipe import BranchRecipe, MaterialWeights
from fitsense.types import FloatArray, Task

if TYPE_CHECKING:
    from torch import nn


def targets(samples: Sequence[Sample], task: Task, labels: Sequence[str]) -> NDArray[Any]:
    """Targets of samples: int64 (clips,) label indices of exercises, or float32 (clips, labels), 0 or 1, of muscles."""
    if task == "exercise":
        index = {label: position for position, label in enumerate(labels)}
        return np.array([index[item.group] for item in samples], dtype=np.int64)
    return np.array([[group in item.muscles for group in labels] for item in samples], dtype=np.float32)


def graded_targets(samples: Sequence[Sample], task: Task, labels: Sequence[str]) -> NDArray[Any]:
    """Training targets: as :func:`targets`, but secondary muscle groups are in between 0 and 1."""
    if task == "exercise":
        return targets(samples, task, labels)
    return np.array([[item.activation(group) for group in labels] for item in samples], dtype=np.float32)


def labelled(samples: Sequence[Sample], task: TaskSpec, what: str) -> list[Sample]:
    """Samples that are labelled for a task.

    :raises InvalidInputError: none is.
    """
    if task.name == "exercise":
        return list(samples)
    if task.name == "muscles":
        return [item for item in samples if item.has_muscles]
    chosen = [item for item in samples if has_target(item, task)]
    if not chosen:
        raise InvalidInputError(f"{what}: expected clips to train on with a cell in the column {task.name}, got none")
    return chosen


def _training_targets(samples: Sequence[Sample], task: TaskSpec, labels: Sequence[str]) -> NDArray[Any]:
    if task.name in RESERVED:
        return graded_targets(samples, task.name, labels)
    return task_targets(samples, task, labels)


def fit(
    spec: HeadSpec,
    config: Any,
    samples: Sequence[Sample],
    features: Mapping[str, FloatArray],
    labels: tuple[str, ...],
    l2: float,
    class_power: float,
    task: TaskSpec | None = None,
) -> nn.Module:
    """Fit a head: minimise its loss over the samples' views, plus ``l2 / 2`` times its squared weights.

    Full-batch L-BFGS, so that the result does not depend on an order or a learning rate.

    :param features: float32 (views, feature_dim) by the sample's key; a clip's views share its weight.
    :param l2: penalty on squared weights; biases are not penalised.
    :param class_power: 0 makes classes count alike, 1 by their number of scenes; scenes of a class count alike.
    :param task: the head's task; None for a task of fitsense.
    """
    import torch

    from fitsense.nn.losses import head_loss, loss_of_clips

    task = task or RESERVED[spec.task]
    chosen_loss = head_loss(spec, task)
    by_clip = [features[item.key] for item in samples]
    values = torch.from_numpy(np.concatenate(by_clip))
    views = [len(each) for each in by_clip]
    target = torch.from_numpy(np.repeat(_training_targets(samples, task, labels), views, axis=0))
    share = torch.from_numpy(np.repeat(sampling_weights(samples, class_power) / views, views).astype(np.float32))
    share /= share.sum()
    head = spec.build(config, values.shape[1], labels)
    optimizer = torch.optim.LBFGS(
        head.parameters(),
        max_iter=400,
        tolerance_grad=1e-6,
        tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = head(values)
        each = loss_of_clips(chosen_loss, logits, target)
        penalty = sum(p.square().sum() for p in head.parameters() if p.ndim > 1)
        total = (each * share).sum() + l2 / 2 * penalty
        total.backward()  # type: ignore[no-untyped-call]
        return total

    head.train()
    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return head.eval()


def fit_by_descent(
    spec: HeadSpec,
    config: Any,
    samples: Sequence[Sample],
    features: Mapping[str, FloatArray],
    labels: tuple[str, ...],
    branch: BranchRecipe,
    class_power: float,
    task: TaskSpec,
) -> tuple[Any, nn.Module]:
    """The configuration, and a head by :func:`fit` with a branch's penalties."""
    penalties = {task: one.l2 for task, one in branch.tasks.items()}
    l2 = {"exercise": branch.l2_exercise, "muscles": branch.l2_muscles, **penalties}[task.name]
    known = labelled(samples, task, f"head {spec.name}")
    return config, fit(spec, config, known, features, labels, l2, class_power, task)


def fit_in_closed_form(
    spec: HeadSpec,
    config: Any,
    samples: Sequence[Sample],
    features: Mapping[str, FloatArray],
    labels: tuple[str, ...],
    branch: BranchRecipe,
    class_power: float,
    task: TaskSpec,
) -> tuple[Any, nn.Module]:
    """Fit a head with the function of its spec; return the configuration that results, and the head."""
    assert spec.fit is not None
    return spec.fit(config, examples_of(spec, samples, features, labels, branch, class_power, task), labels)


def examples_of(
    spec: HeadSpec,
    samples: Sequence[Sample],
    features: Mapping[str, FloatArray],
    labels: tuple[str, ...],
    branch: BranchRecipe,
    class_power: float,
    task: TaskSpec,
) -> HeadExamples:
    """Examples for a fit in closed form.

    Recorded clips weigh as in :func:`fit`, and further material as a branch's recipe says. For exercises, each exercise
    of ``unknown`` is a variant, and so is each cluster of photo pairs that show no trained exercise.
    """
    exercise = spec.task == "exercise"
    known = labelled(samples, task, f"head {spec.name}")
    material = {"exercise": branch.exercise_weights, "muscles": branch.muscles_weights}.get(task.name)
    weights = _weights(known, material or MaterialWeights(), class_power, exercise)
    variants = _variants(known, features, branch.background_clusters) if exercise else np.full(len(known), -1)
    # What counts nothing would still cost time and memory.
    used = [at for at in range(len(known)) if weights[at] > 0]
    known = [known[at] for at in used]
    views = [len(features[item.key]) for item in known]
    return HeadExamples(
        features=np.concatenate([features[item.key] for item in known]).astype(np.float32, copy=False),
        targets=np.repeat(_training_targets(known, task, labels), views, axis=0),
        weights=np.repeat(weights[used] / views, views),
        variants=np.repeat(variants[used], views),
    )


def _weights(
    samples: Sequence[Sample], material: MaterialWeights, class_power: float, exercise: bool
) -> NDArray[np.float64]:
    """Weight of each sample: 1 for all recorded clips together, and those of `material` for the rest.

    Samples of ``unknown`` count among the others for muscles alone: for exercises they are variants.
    """
    unknown = np.array([exercise and item.group == UNKNOWN for item in samples])
    weights = unknown.astype(np.float64)
    for kinds, total in (
        (("clip", "figure"), 1.0),
        (("auxiliary",), material.auxiliary),
        (("photos",), material.photos),
    ):
        rows = [at for at, item in enumerate(samples) if item.kind in kinds and not unknown[at]]
        if rows:
            weights[rows] = total * sampling_weights([samples[row] for row in rows], class_power, _class_of)
    return weights


def _class_of(sample: Sample) -> str:
    """The group, or for ``unknown`` the exercise."""
    return sample.group if sample.group != UNKNOWN else f"{UNKNOWN} {sample.exercise}"


def _variants(samples: Sequence[Sample], features: Mapping[str, FloatArray], clusters: int) -> NDArray[np.int64]:
    """Variant of ``unknown`` of each sample; -1 for those of other labels."""
    unknown = [item for item in samples if item.group == UNKNOWN]
    names = {item.key: item.exercise for item in unknown if item.kind != "photos"}
    names |= cluster_photos([item for item in unknown if item.kind == "photos"], features, clusters)
    number = {name: position for position, name in enumerate(sorted(set(names.values())))}
    return np.array([number[names[item.key]] if item.key in names else -1 for item in samples], dtype=np.int64)
