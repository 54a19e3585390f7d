"""Models: branches that are run together, asked lazily, and answer for what they are given."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fitsense
from fitsense.bundles.bundle import Bundle, save
from fitsense.bundles.manifest import FusionEntry, Labels
from fitsense.inference.config import RUNTIMES, RuntimeConfig, RuntimeName
from fitsense.inference.loading import load_branch, load_joint
from fitsense.types import Clip, UInt8Array
from fitsense.windowing.sampler import Window
from fitsense.windowing.stream_state import NewFrames, StreamProgress
from tests.helpers import tiny_models

CONFIG = tiny_models.TinyConfig()
LABELS = Labels(exercise=("squat", "row", "no_exercise"), muscles=("quads", "lats"))
BACKBONES = {"one": "pictures", "other": "pictures", "apart": "pictures", "colours": "colours", "stream": "stream"}
NAMES = tuple(BACKBONES)


def clips(batch: int, seed: int = 0) -> UInt8Array:
    return np.random.default_rng(seed).integers(0, 256, (batch, *CONFIG.clip().shape), dtype=np.uint8)


@pytest.fixture(scope="module")
def plugins() -> fitsense.PluginManager:
    host = fitsense.PluginManager.discover()
    assert host.register(tiny_models).status == "loaded"
    return host


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, plugins: fitsense.PluginManager) -> Bundle:
    """Two branches on the same pictures with the same trunk, one with a trunk of its own, one on observations, and
    one that streams."""
    return tiny_models.bundle_of_branches(
        tmp_path_factory.mktemp("sharing"), plugins, BACKBONES, LABELS, twins=("one", "other")
    )


_MODELS: dict[Any, fitsense.Model] = {}


def loaded(bundle: Bundle, plugins: fitsense.PluginManager) -> fitsense.Model:
    """The same model for all examples."""
    key = repr(bundle.manifest.fusion)
    if key not in _MODELS:
        _MODELS[key] = fitsense.Model(bundle, plugins=plugins, threads=1, bf16=False)
    return _MODELS[key]


def cascading(bundle: Bundle, first: Sequence[str], sure: float) -> Bundle:
    """The bundle, but with a cascade for both tasks."""
    fusion = {
        "exercise": FusionEntry("ensemble/weighted", {"cascade": {"first": [*first], "threshold": sure}}),
        "muscles": FusionEntry("ensemble/weighted", {"cascade": {"first": [*first], "threshold": 0.0}}),
    }
    return attrs.evolve(bundle, manifest=attrs.evolve(bundle.manifest, fusion=fusion))


def windows(seeds: Sequence[int]) -> list[Window]:
    """Windows of a run, each with clips of its own."""
    run, found = StreamProgress(), []
    for at, seed in enumerate(seeds):
        (pictures,) = clips(1, seed)
        clip = Clip(pictures, float(at), at + 1.0)
        stretch = NewFrames(run, at * CONFIG.frames, tuple(pictures))
        on_clips = dict.fromkeys([name for name in NAMES if name != "stream"], clip)
        found.append(Window(on_clips, float(at), at + 1.0, float(at), at + 1.0, {"stream": stretch}))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_run_all_branches_equals_each_alone(
    bundle: Bundle, plugins: fitsense.PluginManager, runtime: RuntimeName
) -> None:
    branches = bundle.manifest.branches[:3]
    joint = load_joint(bundle, branches, RuntimeConfig(runtime=runtime, threads=1, bf16=False), plugins=plugins)
    alone = {
        branch.name: load_branch(bundle, branch, RuntimeConfig(runtime=runtime, threads=1, bf16=False), plugins=plugins)
        for branch in branches
    }
    for batch in (0, 1, 3):
        together = joint(clips(batch))
        assert list(together) == ["one", "other", "apart"]
        for name, outputs in together.items():
            expected = alone[name](clips(batch))
            assert outputs.keys() == expected.keys() == {"features", "exercise", "muscles"}
            for output, values in outputs.items():
                assert values.shape[0] == batch
                np.testing.assert_allclose(values, expected[output], atol=1e-4, err_msg=f"{name}/{output}")
    np.testing.assert_allclose(together["one"]["features"], together["other"]["features"], atol=1e-5)
    assert np.abs(together["one"]["features"] - together["apart"]["features"]).max() > 0.01


@settings(max_examples=15)
@given(seeds=st.lists(st.integers(0, 1), min_size=len(NAMES), max_size=len(NAMES)), batch=st.integers(1, 3))
def test_run_each_branch_predicts_its_own_clips(
    bundle: Bundle, plugins: fitsense.PluginManager, seeds: list[int], batch: int
) -> None:
    model = loaded(bundle, plugins)
    each = {seed: model.run(dict.fromkeys(NAMES, clips(batch, seed))) for seed in set(seeds)}
    mixed = model.run({name: clips(batch, seed) for name, seed in zip(NAMES, seeds, strict=True)})
    assert tuple(mixed) == NAMES
    for name, seed in zip(NAMES, seeds, strict=True):
        for output, values in mixed[name].items():
            np.testing.assert_allclose(values, each[seed][name][output], atol=1e-4, err_msg=f"{name}/{output}")


def test_load_model_graph_with_another_input_is_refused(bundle: Bundle, plugins: fitsense.PluginManager) -> None:
    branches = {branch.name: branch for branch in bundle.manifest.branches}
    with pytest.raises(fitsense.BundleError, match=r"branch one: colours\.onnx is not a graph that runs"):
        load_branch(bundle, attrs.evolve(branches["one"], graph="colours.onnx"), plugins=plugins)


def test_predict_clips_of_a_streaming_branch_are_made_on_demand(
    bundle: Bundle, plugins: fitsense.PluginManager, tmp_path: Path
) -> None:
    for file in bundle.manifest.files:
        shutil.copy(bundle.path(file.path), tmp_path / file.path)
    (tmp_path / "stream.onnx").write_bytes(b"no graph")
    model = fitsense.Model(save(tmp_path, bundle.manifest), plugins=plugins, threads=1, bf16=False)
    assert len(model.predict(windows([0, 1]))) == 2
    with pytest.raises(fitsense.BundleError, match=r"branch stream: stream\.onnx is not a graph that runs"):
        model.run(dict.fromkeys(NAMES, clips(1)))


@settings(max_examples=20)
@given(
    seeds=st.lists(st.integers(0, 20), min_size=1, max_size=5),
    first=st.sampled_from([("one",), ("apart", "colours"), ("colours",), ("one", "other")]),
    sure=st.sampled_from([0.0, 0.6, 0.9, 1.0]),
)
def test_predict_other_windows_of_the_batch_do_not_matter(
    bundle: Bundle, plugins: fitsense.PluginManager, seeds: list[int], first: tuple[str, ...], sure: float
) -> None:
    model = loaded(cascading(bundle, first, sure), plugins)
    together = model.predict(windows(seeds))
    alone = [prediction for window in windows(seeds) for prediction in model.predict([window])]
    # Streams remember, so that alone means in order.
    for ours, theirs in zip(together, alone, strict=True):
        np.testing.assert_allclose(ours.exercise, theirs.exercise, atol=1e-4)
        np.testing.assert_allclose(ours.muscles, theirs.muscles, atol=1e-4)


def test_predict_cascade_ends_equal_the_first_or_all_branches(bundle: Bundle, plugins: fitsense.PluginManager) -> None:
    batch = dict.fromkeys(NAMES, clips(4))
    whole = loaded(bundle, plugins)
    always, never = (loaded(cascading(bundle, ("one",), sure), plugins) for sure in (1.0, 0.0))
    outputs = whole.run(batch)
    alone = attrs.evolve(
        bundle, manifest=attrs.evolve(bundle.manifest, branches=bundle.manifest.branches[:1], version="alone")
    )
    cheap = fitsense.Model(alone, plugins=plugins, threads=1, bf16=False).predict_clips({"one": batch["one"]})
    for task, scores in whole.fuse(outputs).items():
        np.testing.assert_allclose(always.predict_clips(batch)[task].logits, scores.logits, atol=1e-4)
        np.testing.assert_allclose(never.predict_clips(batch)[task].logits, cheap[task].logits, atol=1e-4)
        assert np.abs(scores.logits - cheap[task].logits).max() > 0.1


def test_predict_deferred_branches_are_not_run(bundle: Bundle, plugins: fitsense.PluginManager) -> None:
    model = fitsense.Model(cascading(bundle, ("one",), 0.0), plugins=plugins, threads=1, bf16=False)
    without_clips = [
        attrs.evolve(window, clips={"one": window.clips["one"]}, new_frames=window.new_frames)
        for window in windows([0, 1])
    ]
    expected = model.predict(windows([0, 1]))
    for ours, theirs in zip(model.predict(without_clips), expected, strict=True):
        np.testing.assert_array_equal(ours.exercise, theirs.exercise)
    with pytest.raises(KeyError, match="other"):
        loaded(cascading(bundle, ("one",), 1.0), plugins).predict(without_clips)


def test_pickle_model_is_refused_with_the_alternative(model: fitsense.Model) -> None:
    with pytest.raises(TypeError, match=r"a Model cannot be pickled.*load_model"):
        pickle.dumps(model)
