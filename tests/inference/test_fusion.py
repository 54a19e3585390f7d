"""The laws of cascades, whatever branches say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

import fitsense
from fitsense.bundles.manifest import BranchEntry, Calibration, DerivedEntry, FusionEntry, Labels, Manifest, StreamEntry
from fitsense.inference.fusion import FusionPipeline, Outputs
from fitsense.types import ClipSpec, FloatArray, Scores, to_probabilities
from tests.helpers import tiny_models

PLUGINS = fitsense.PluginManager.discover()
LABELS = Labels(exercise=("squat", "row", "no_exercise"), muscles=("quads", "lats"))
NAMES = ("cheap", "dear", "dearest")
WEIGHTS = {"cheap": 0.5, "dear": 0.3, "dearest": 0.2}


def entry(name: str) -> BranchEntry:
    return BranchEntry(
        name, "tiny/pictures", {}, ClipSpec(4, 4, 16, 16), 8, f"{name}.onnx", f"{name}.safetensors", tiny_models.HEADS
    )


def manifest(names: Sequence[str] = NAMES, /, **cascades: tuple[Sequence[str], float]) -> Manifest:
    """A manifest of branches; by task, who is asked first and how sure they have to be."""

    def config(task: str) -> dict[str, Any]:
        document: dict[str, Any] = {"weights": {name: WEIGHTS[name] for name in names}, "space": "logits"}
        if task in cascades:
            first, sure = cascades[task]
            document["cascade"] = {"first": [*first], "threshold": sure}
        return document

    fusion = {task: FusionEntry("ensemble/weighted", config(task)) for task in ("exercise", "muscles")}
    calibration = Calibration(0.7, 0.5, 0.4)
    return Manifest("made", "1", "", LABELS, tuple(entry(name) for name in names), fusion, calibration)


def both(first: Sequence[str], sure: float) -> dict[str, tuple[Sequence[str], float]]:
    return {"exercise": (first, sure), "muscles": (first, sure)}


logits = st.integers(1, 6).flatmap(
    lambda clips: st.fixed_dictionaries(
        {
            name: st.fixed_dictionaries(
                {
                    "exercise": hnp.arrays(np.float32, (clips, 3), elements=st.floats(-12, 12, width=32)),
                    "muscles": hnp.arrays(np.float32, (clips, 2), elements=st.floats(-12, 12, width=32)),
                }
            )
            for name in NAMES
        }
    )
)
firsts = st.sampled_from([("cheap",), ("dear",), ("cheap", "dear"), ("dearest", "cheap")])
thresholds = st.floats(0, 1)


def taken(outputs: Outputs, names: Sequence[str], clips: Any = slice(None)) -> dict[str, dict[str, FloatArray]]:
    return {name: {task: values[clips] for task, values in outputs[name].items()} for name in names}


def same(ours: Any, theirs: Any) -> None:
    assert ours.keys() == theirs.keys()
    for task, scores in ours.items():
        np.testing.assert_array_equal(scores.logits, theirs[task].logits, err_msg=task)


@given(logits, firsts)
def test_cascade_threshold_zero_uses_the_first_branches_alone(outputs: Outputs, first: tuple[str, ...]) -> None:
    cascade, alone = FusionPipeline(manifest(**both(first, 0.0)), PLUGINS), FusionPipeline(manifest(first), PLUGINS)
    same(cascade.fuse(outputs), alone.fuse(taken(outputs, first)))


@given(logits, firsts)
def test_cascade_threshold_one_uses_all_branches(outputs: Outputs, first: tuple[str, ...]) -> None:
    same(
        FusionPipeline(manifest(**both(first, 1.0)), PLUGINS).fuse(outputs),
        FusionPipeline(manifest(), PLUGINS).fuse(outputs),
    )


@given(logits, firsts, thresholds, thresholds)
def test_cascade_clip_has_the_scores_of_the_first_or_of_all_branches(
    outputs: Outputs, first: tuple[str, ...], sure: float, sure_of_muscles: float
) -> None:
    cascade = FusionPipeline(manifest(exercise=(first, sure), muscles=(first, sure_of_muscles)), PLUGINS)
    cheap = FusionPipeline(manifest(first), PLUGINS).fuse(taken(outputs, first))
    whole = FusionPipeline(manifest(), PLUGINS).fuse(outputs)
    likeliest = to_probabilities(cheap["exercise"].logits / np.float32(0.7), "softmax").max(axis=1)
    muscles = cheap["muscles"].probabilities
    asked = (likeliest <= sure) | (np.maximum(muscles, 1 - muscles).min(axis=1) <= sure_of_muscles)
    for task, scores in cascade.fuse(outputs).items():
        expected = np.where(asked[:, None], whole[task].logits, cheap[task].logits)
        np.testing.assert_allclose(scores.logits, expected, rtol=1e-6)


@given(logits, firsts, thresholds)
def test_cascade_other_branches_run_once_on_uncertain_clips(
    outputs: Outputs, first: tuple[str, ...], sure: float
) -> None:
    cascade, calls = FusionPipeline(manifest(**both(first, sure)), PLUGINS), []

    def ask(clips: NDArray[np.intp]) -> Outputs:
        calls.append(clips)
        return taken(outputs, cascade.deferred, clips)

    assert set(cascade.first) == set(first)
    assert set(cascade.deferred) == set(NAMES) - set(first)
    same(cascade.predict(taken(outputs, first), ask), cascade.fuse(outputs))
    assert len(calls) <= 1
    for clips in calls:
        assert len(clips) > 0
        assert np.all(np.diff(clips) > 0)


@given(logits, firsts, thresholds)
def test_cascade_other_clips_of_the_batch_do_not_matter(outputs: Outputs, first: tuple[str, ...], sure: float) -> None:
    cascade = FusionPipeline(manifest(**both(first, sure)), PLUGINS)
    together = cascade.fuse(outputs)
    for at in range(len(together["exercise"].logits)):
        alone = cascade.fuse(taken(outputs, NAMES, slice(at, at + 1)))
        for task, scores in alone.items():
            np.testing.assert_allclose(scores.logits[0], together[task].logits[at], rtol=1e-6)


def test_fuse_no_clips_gives_no_scores() -> None:
    outputs = {
        name: {"exercise": np.zeros((0, 3), np.float32), "muscles": np.zeros((0, 2), np.float32)} for name in NAMES
    }
    fused = FusionPipeline(manifest(**both(("cheap",), 0.5)), PLUGINS).fuse(outputs)
    assert fused["exercise"].logits.shape == (0, 3)


def test_fuse_task_without_cascade_needs_all_its_branches() -> None:
    one = FusionPipeline(manifest(exercise=(("cheap",), 0.5)), PLUGINS)
    assert (one.first, one.deferred) == (NAMES, ())


def test_cascade_streaming_branch_always_runs_and_counts_in_its_stage() -> None:
    streaming = attrs.evolve(entry("dear"), stream=StreamEntry("dear.step.onnx", {}, 1, 0, 1))
    made = manifest(**both(("cheap",), 0.0))
    made = attrs.evolve(made, branches=(made.branches[0], streaming, made.branches[2]))
    cascade = FusionPipeline(made, PLUGINS)
    assert (cascade.first, cascade.deferred) == (("cheap", "dear"), ("dearest",))
    outputs = {
        name: {"exercise": np.full((1, 3), at, np.float32), "muscles": np.full((1, 2), at, np.float32)}
        for at, name in enumerate(NAMES)
    }
    same(cascade.fuse(outputs), FusionPipeline(manifest(("cheap",)), PLUGINS).fuse(taken(outputs, ["cheap"])))


@given(logits, thresholds)
def test_fuse_derived_head_uses_the_fused_scores(outputs: Outputs, sure: float) -> None:
    looked_up = FusionEntry("ensemble/weighted", {"cascade": {"first": ["lookup"], "threshold": 0.0}})
    made = manifest(exercise=(("cheap",), sure))
    made = attrs.evolve(
        made,
        branches=tuple(attrs.evolve(branch, heads=tiny_models.HEADS[:1]) for branch in made.branches),
        fusion={**made.fusion, "muscles": looked_up},
        derived=(DerivedEntry("lookup", "muscles", "heads/lookup_muscles", {}),),
    )
    head = PLUGINS.head("heads/lookup_muscles")
    assert isinstance(head, fitsense.plugins.DerivedHeadSpec)
    fused = FusionPipeline(made, PLUGINS).fuse(outputs)
    calibrated = Scores("exercise", LABELS.exercise, fused["exercise"].logits / np.float32(0.7), "softmax")
    expected = head.derive(head.config(), calibrated, LABELS.muscles)
    np.testing.assert_allclose(fused["muscles"].logits, expected.logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("cascade", "error", "message"),
    [
        (
            {"first": ["nobody"], "threshold": 0.5},
            fitsense.InvalidInputError,
            "expected a weight above 0 for one of nobody",
        ),
        (
            {"first": ["cheap", "nobody"], "threshold": 0.5},
            fitsense.BundleError,
            "the cascade for exercise: expected to ask",
        ),
        ({"first": [], "threshold": 0.5}, fitsense.InvalidInputError, "expected at least one name"),
        ({"first": ["cheap"], "threshold": 1.5}, fitsense.InvalidInputError, r"expected a number in 0\.\.1, got 1\.5"),
    ],
)
def test_fusion_pipeline_invalid_cascade_is_refused(cascade: Any, error: type[Exception], message: str) -> None:
    made = manifest()
    config = {**made.fusion["exercise"].config, "cascade": cascade}
    fusion = {**made.fusion, "exercise": FusionEntry("ensemble/weighted", config)}
    with pytest.raises(error, match=message):
        FusionPipeline(attrs.evolve(made, fusion=fusion), PLUGINS)
