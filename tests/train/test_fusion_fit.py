"""Fusion and calibration on held-out outputs."""

from __future__ import annotations

import contextlib

import numpy as np
from torch import nn

from fitsense.bundles.manifest import BranchEntry, HeadEntry, Labels
from fitsense.data.samples import Sample, worked_by
from fitsense.plugins import PluginManager
from fitsense.train.fusion_fit import FittedFusion, fit_fusion
from fitsense.train.recipe import Recipe
from fitsense.train.trained_branch import FittedBranch, TrainedBranch
from fitsense.types import ClipSpec, FloatArray, to_probabilities

LABELS = Labels(("push_up", "row", "squat", "unknown"), ("quads", "chest", "lats"))
VIEWS = 2


def sample(number: int, group: str) -> Sample:
    return Sample(
        key=str(number),
        name=str(number),
        group=group,
        scene=str(number),
        fold=number % 5,
        split="train",
        source="",
        muscles=worked_by(group),
        open=lambda short_side: contextlib.nullcontext([]),
    )


def fitted(known: FloatArray, truth: list[int], unknown: FloatArray) -> FittedFusion:
    """The fusion of one branch with these logits (clips, labels) for clips of known and of unknown exercises."""
    groups = [*(LABELS.exercise[at] for at in truth), *["unknown"] * len(unknown)]
    samples = [sample(number, group) for number, group in enumerate(groups)]
    outputs = {
        item.key: {"exercise": np.repeat(logits[None], VIEWS, axis=0)}
        for item, logits in zip(samples, np.concatenate([known, unknown]), strict=True)
    }
    entry = BranchEntry(
        name="one",
        backbone="x3d/s",
        config={},
        clip=ClipSpec(13, 6.0, 160, 182),
        feature_dim=8,
        graph="one.onnx",
        weights="one.safetensors",
        heads=(HeadEntry("exercise", "heads/discriminant", {}, "softmax"),),
    )
    branch = FittedBranch(entry, TrainedBranch(nn.Identity(), outputs), outputs, {}, {}, (), {})
    recipe = Recipe(views=VIEWS, unknown=True, max_unknown_named=0.15)
    plugins = PluginManager.discover()
    return fit_fusion(recipe, [branch], samples[: len(known)], samples[len(known) :], LABELS, plugins)


def test_temperature_is_that_of_clips_of_trained_exercises() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (1500, 4)).astype(np.float32)
    logits[:, 3] = -4.0
    chances = to_probabilities(logits, "softmax").astype(float)
    truth = [int(random.choice(3, p=one[:3] / one[:3].sum())) for one in chances]
    # As sure of a wrong name as the others are of a right one.
    strangers = random.normal(0, 1.5, (500, 4)).astype(np.float32)
    strangers[:, 3] = -4.0
    fusion = fitted(3 * logits, truth, 3 * strangers)
    assert abs(fusion.calibration.temperature - 3.0) < 0.4
    assert fusion.metrics["unknown_clips"] == 500


def test_threshold_names_no_more_of_the_unknown_clips_than_the_recipe_permits() -> None:
    random = np.random.default_rng(1)
    truth = [at % 3 for at in range(300)]
    known = (4 * np.eye(4)[truth] + random.normal(0, 1.0, (300, 4))).astype(np.float32)
    strangers = random.normal(0, 2.0, (200, 4)).astype(np.float32)
    fusion = fitted(known, truth, strangers)
    assert 0 < fusion.metrics["unknown_named"] <= 0.15
    assert fusion.metrics["known_named"] > fusion.metrics["unknown_named"]
