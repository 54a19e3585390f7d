"""Heads on features that do not change."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.data.samples import Sample
from fitsense.plugins.tasks import RESERVED
from fitsense.train.heads import HeadData, fit, graded_targets, targets
from fitsense.types import FloatArray, Task
from tests.helpers.tiny_models import make_sample

EXERCISES, MUSCLES = ("no_exercise", "row", "squat"), ("quads", "biceps")
CENTRES = {"no_exercise": (0, 0), "row": (3, 0), "squat": (0, 3)}


def seen(scenes: int, seed: int = 0, views: int = 2) -> tuple[list[Sample], dict[str, FloatArray]]:
    """Clips of each group, whose features lie around its centre."""
    random = np.random.default_rng(seed)
    items = [make_sample(group, f"{group}{scene}") for scene in range(scenes) for group in EXERCISES]
    return items, {item.key: random.normal(CENTRES[item.group], 0.8, (views, 2)).astype(np.float32) for item in items}


def fitted(
    task: Task, items: list[Sample], features: Mapping[str, FloatArray], l2: float = 0.01, class_power: float = 0.0
) -> np.ndarray:
    """Weights and biases, (labels, features + 1)."""
    spec = fitsense.PluginManager.discover().head(f"heads/linear_{task}")
    assert isinstance(spec, fitsense.plugins.HeadSpec)
    labels = EXERCISES if task == "exercise" else MUSCLES
    head = fit(HeadData(spec, spec.config(), RESERVED[task], items, features, labels, class_power), l2)
    assert not head.training
    weight, bias = (parameter.detach().numpy() for parameter in head.parameters())
    return np.concatenate([weight, bias[:, None]], axis=1)


def said(head: np.ndarray, values: FloatArray) -> np.ndarray:
    return np.asarray(values @ head[:, :-1].T + head[:, -1])


def test_targets_are_indices_or_flags_by_label() -> None:
    items, _ = seen(1)
    assert targets(items, "exercise", EXERCISES).tolist() == [0, 1, 2]
    assert targets(items, "muscles", MUSCLES).tolist() == [[0, 0], [0, 1], [1, 0]]


def test_fit_separates_groups() -> None:
    head, muscles = (fitted(task, *seen(20)) for task in ("exercise", "muscles"))
    others, features = seen(20, seed=1)
    values = np.stack([features[item.key][0] for item in others])
    right = said(head, values).argmax(axis=1) == targets(others, "exercise", EXERCISES)
    assert right.mean() > 0.9
    assert ((said(muscles, values) > 0) == targets(others, "muscles", MUSCLES)).mean() > 0.9


@pytest.mark.parametrize("task", ["exercise", "muscles"])
def test_fit_minimises_loss_plus_penalty(task: Task) -> None:
    items, features = seen(5)
    weak, strong = (fitted(task, items, features, l2) for l2 in (0.001, 1.0))
    assert np.square(strong[:, :-1]).sum() < np.square(weak[:, :-1]).sum() / 4
    np.testing.assert_allclose(weak, fitted(task, items[::-1], features, 0.001), atol=0.02, err_msg="order")


def test_fit_views_of_a_clip_share_its_weight() -> None:
    items, features = seen(5)
    often = {key: np.repeat(values, 3, axis=0) if "squat" in key else values for key, values in features.items()}
    np.testing.assert_allclose(fitted("exercise", items, features), fitted("exercise", items, often), atol=0.01)


def test_fit_class_power_weighs_classes_by_scenes() -> None:
    items, features = seen(30)
    few = [item for item in items if item.group != "squat"] + [item for item in items if item.group == "squat"][:3]
    between = np.array([[0.0, 1.5]], np.float32)
    alike, by_scenes = (said(fitted("exercise", few, features, class_power=power), between)[0] for power in (0.0, 1.0))
    assert alike[2] - alike[0] > by_scenes[2] - by_scenes[0] + 1, (
        "a rare class is a safer guess where classes count alike"
    )


def test_graded_targets_secondary_muscles_are_half_active() -> None:
    item = attrs.evolve(
        make_sample("squat", "1"), muscles=frozenset({"quads"}), muscles_secondary=frozenset({"biceps"})
    )
    assert graded_targets([item], "muscles", MUSCLES).tolist() == [[1.0, 0.5]]
    assert targets([item], "muscles", MUSCLES).tolist() == [[1.0, 0.0]]
    assert graded_targets([item], "exercise", EXERCISES).tolist() == [2]
