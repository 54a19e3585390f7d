"""Heads fitted on features of a frozen backbone: by gradient descent, or in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
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


@attrs.frozen(eq=False)
class HeadData:
    """A head to fit, and the data to fit it on.

    :param spec: the head.
    :param config: its configuration.
    :param task: its task.
    :param samples: training samples.
    :param features: float32 (views, feature_dim) by the sample's key; a clip's views share its weight.
    :param labels: labels of the task.
    :param class_power: 0 makes classes count alike, 1 by their number of scenes; scenes of a class count alike.
    """

    spec: HeadSpec
    config: Any
    task: TaskSpec
    samples: Sequence[Sample]
    features: Mapping[str, FloatArray]
    labels: tuple[str, ...]
    class_power: float

    def labelled(self) -> HeadData:
        """The data without samples that are not labelled for the task."""
        return attrs.evolve(self, samples=labelled(self.samples, self.task, f"head {self.spec.name}"))


def fit(data: HeadData, l2: float) -> nn.Module:
    """Fit a head: minimise its loss over the samples' views, plus ``l2 / 2`` times its squared weights.

    Full-batch L-BFGS, so that the result does not depend on an order or a learning rate.

    :param l2: penalty on squared weights; biases are not penalised.
    """
    import torch

    from fitsense.nn.losses import head_loss, loss_of_clips

    samples = data.samples
    chosen_loss = head_loss(data.spec, data.task)
    by_clip = [data.features[item.key] for item in samples]
    values = torch.from_numpy(np.concatenate(by_clip))
    views = [len(each) for each in by_clip]
    target = torch.from_numpy(np.repeat(_training_targets(samples, data.task, data.labels), views, axis=0))
    share = torch.from_numpy(np.repeat(sampling_weights(samples, data.class_power) / views, views).astype(np.float32))
    share /= share.sum()
    head = data.spec.build(data.config, values.shape[1], data.labels)
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


def fit_by_descent(data: HeadData, branch: BranchRecipe) -> tuple[Any, nn.Module]:
    """The configuration, and a head by :func:`fit` with a branch's penalties."""
    penalties = {task: one.l2 for task, one in branch.tasks.items()}
    l2 = {"exercise": branch.l2_exercise, "muscles": branch.l2_muscles, **penalties}[data.task.name]
    return data.config, fit(data.labelled(), l2)


def fit_in_closed_form(data: HeadData, branch: BranchRecipe) -> tuple[Any, nn.Module]:
    """Fit a head with the function of its spec; return the configuration that results, and the head."""
    assert data.spec.fit is not None
    return data.spec.fit(data.config, examples_of(data, branch), data.labels)


def examples_of(data: HeadData, branch: BranchRecipe) -> HeadExamples:
    """Examples for a fit in closed form.

    Recorded clips weigh as in :func:`fit`, and further material as a branch's recipe says. For exercises, each exercise
    of ``unknown`` is a variant, and so is each cluster of photo pairs that show no trained exercise.
    """
    exercise = data.spec.task == "exercise"
    known, features = data.labelled().samples, data.features
    material = {"exercise": branch.exercise_weights, "muscles": branch.muscles_weights}.get(data.task.name)
    weights = _weights(known, material or MaterialWeights(), data.class_power, exercise)
    variants = _variants(known, features, branch.background_clusters) if exercise else np.full(len(known), -1)
    # What counts nothing would still cost time and memory.
    used = [at for at in range(len(known)) if weights[at] > 0]
    known = [known[at] for at in used]
    views = [len(features[item.key]) for item in known]
    return HeadExamples(
        features=np.concatenate([features[item.key] for item in known]).astype(np.float32, copy=False),
        targets=np.repeat(_training_targets(known, data.task, data.labels), views, axis=0),
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
