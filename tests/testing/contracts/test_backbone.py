"""Mutants show that each law of backbones can fail alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from torch import nn

import fitsense
from fitsense.nn.landmarks import LANDMARKS
from fitsense.plugins import PoseEstimatorSpec
from fitsense.testing.contracts import BackboneContract
from fitsense.testing.contracts.networks import NetworkContract
from fitsense.testing.runner import run, subclass
from tests.helpers.tiny_models import TinyConfig, build, build_streaming, layers, load_observer, streaming
from tests.inference.test_pose_estimator import SET, Config, Estimator
from tests.testing.contracts.broken import broken_laws, laws, plugin_of

GOOD = fitsense.plugins.BackboneSpec(
    name="tiny",
    config=TinyConfig,
    clip=TinyConfig.clip,
    feature_dim=TinyConfig.feature_dim,
    build=build,
    layers=layers,
)
CONFIG = TinyConfig(size=8, width=4)


class Wrapped(nn.Module):
    """A network and what comes after it."""

    def __init__(self, config: TinyConfig, after: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.inner = build(config)
        self.after = after
        self.last = nn.Linear(config.feature_dim(), config.feature_dim())
        self.random = torch.randn(config.feature_dim())
        self.kept = torch.zeros(0)
        self.eval()

    def forward(self, clips: Any) -> Any:
        return self.after(self, clips)


def wrapped(after: Callable[[Any, Any], Any]) -> fitsense.plugins.BackboneSpec:
    return attrs.evolve(GOOD, build=lambda config: Wrapped(config, after), layers=None)


def noisy(self: Any, clips: Any) -> Any:
    return self.last(self.inner(clips)) + torch.rand(1) * 1e-4


def batched(self: Any, clips: Any) -> Any:
    features = self.last(self.inner(clips))
    return features - features.mean(dim=0) * 0.5


def writing(self: Any, clips: Any) -> Any:
    features = self.last(self.inner(clips))
    clips.zero_()
    return features


def sharing(self: Any, clips: Any) -> Any:
    self.kept = clips
    time.sleep(0.02)
    return self.last(self.inner(self.kept))


def detached(self: Any, clips: Any) -> Any:
    return self.last(self.inner(clips).detach())


def hiding(self: Any, clips: Any) -> Any:
    return self.last(self.inner(clips)) + self.random


def exported_otherwise(self: Any, clips: Any) -> Any:
    features = self.last(self.inner(clips))
    return features + 1 if torch.compiler.is_exporting() else features


def in_training_mode(config: TinyConfig) -> nn.Module:
    module = build(config)
    module.add_module("unused", nn.Dropout(0.0).train())
    return module


def taking_anything(config: TinyConfig) -> nn.Module:
    module: Any = build(config)
    normalise = module.normalise
    module.normalise = nn.Identity().eval()
    module.register_forward_pre_hook(
        lambda _, arguments: ((arguments[0].permute(0, 4, 1, 2, 3).float() / 255 - normalise.mean) / normalise.std,)
    )
    return module  # type: ignore[no-any-return]


NETWORKS = {
    "test_outputs_are_as_declared": attrs.evolve(GOOD, feature_dim=lambda config: config.feature_dim() + 1),
    "test_output_is_deterministic": wrapped(noisy),
    "test_batch_equals_single_clips": wrapped(batched),
    "test_inputs_are_not_modified": wrapped(writing),
    "test_calls_in_several_threads_agree": wrapped(sharing),
    "test_gradients_reach_all_parameters": wrapped(detached),
    "test_state_dict_determines_the_output": wrapped(hiding),
    "test_network_is_in_eval_mode": attrs.evolve(GOOD, build=in_training_mode),
    "test_wrong_clip_is_refused_with_both_shapes": attrs.evolve(GOOD, build=taking_anything),
    "test_layers_contain_each_parameter_once": attrs.evolve(GOOD, layers=lambda module: layers(module)[:1]),
    "test_published_weights_fit_strictly": attrs.evolve(
        GOOD, adapt_weights=lambda state: {k: v for k, v in state.items() if k != "layers.0.1.weight"}
    ),
}


def network(config: TinyConfig) -> nn.Module:
    """On mean colours, with a check of what it gets."""

    class Colours(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(config.frames * 3, config.feature_dim())

        def forward(self, colours: Any) -> Any:
            if tuple(colours.shape[1:]) != config.observation():
                raise fitsense.InvalidInputError(f"expected {config.observation()}, got {tuple(colours.shape)}")
            return self.layer(colours.flatten(1))

    return Colours().eval()


def observing(observe: Callable[[Any], Any]) -> fitsense.plugins.BackboneSpec:
    seen = fitsense.plugins.ObservationSpec(shape=TinyConfig.observation, load=lambda config, files, threads: observe)
    return attrs.evolve(GOOD, build=network, layers=None, observation=seen)


colours = load_observer(CONFIG, {}, None)
_lock, _shared = threading.Lock(), {"clips": np.zeros(0, np.uint8)}


def clearing(clips: Any) -> Any:
    seen = colours(clips)
    clips[:] = 0
    return seen


def keeping(clips: Any) -> Any:
    _shared["clips"] = clips
    time.sleep(0.02)
    return colours(_shared["clips"])


def trembling(clips: Any) -> Any:
    return colours(clips) + np.random.default_rng().uniform(0, 1e-4, (4, 3)).astype(np.float32)


OBSERVERS = {
    "test_observations_are_as_declared": observing(lambda clips: colours(clips).astype(np.float64)),
    "test_observation_is_deterministic": observing(trembling),
    "test_observed_batch_equals_single_clips": observing(lambda clips: colours(clips) + np.float32(len(clips))),
    "test_observe_does_not_modify_its_input": observing(clearing),
    "test_observe_in_several_threads_agrees": observing(keeping),
}


def seen_frames(config: Any, places: Any) -> Any:
    return (np.nan_to_num(places) != 0).any(axis=2).mean(axis=1, dtype=np.float32)


def posed(
    from_poses: Callable[[Any, Any], Any], evidence: Callable[[Any, Any], Any] = seen_frames
) -> fitsense.plugins.BackboneSpec:
    """With a network on the mean places of a body's landmarks."""
    seen = fitsense.plugins.ObservationSpec(
        shape=TinyConfig.observation, from_poses=from_poses, pose_estimator="mutants/torso", evidence=evidence
    )
    return attrs.evolve(GOOD, build=network, layers=None, observation=seen)


def places(config: Any, poses: Any) -> Any:
    return np.nan_to_num(poses[..., 2:5].mean(axis=2))


POSES = {
    "test_observations_without_a_person_are_finite": posed(lambda config, poses: poses[..., 2:5].mean(axis=2)),
    "test_observations_of_a_longer_clip_contain_those_of_a_clip": posed(
        lambda config, poses: places(config, poses) - places(config, poses).mean(axis=1, keepdims=True)
    ),
    "test_evidence_is_a_share_of_each_clip": posed(
        places, lambda config, places: np.ones(len(places), np.float32) - seen_frames(config, places)
    ),
}


def computed(observe: Callable[[Any], Any] = colours, **changes: Any) -> fitsense.plugins.BackboneSpec:
    """Without a network: its features are mean colours."""
    seen = fitsense.plugins.ObservationSpec(
        shape=lambda config: (config.frames * 3,),
        load=lambda config, files, threads: lambda clips: observe(clips).reshape(len(clips), -1),
    )
    without = attrs.evolve(GOOD, build=None, layers=None, feature_dim=lambda config: config.frames * 3)
    return attrs.evolve(without, **{"observation": seen, **changes})


def stepping(
    step: Callable[..., Any],
    build: Callable[[TinyConfig], nn.Module] = build_streaming,
    **state: tuple[int, ...],
) -> fitsense.plugins.BackboneSpec:
    """The backbone that streams, with another step, which may remember more."""
    good = streaming().streaming
    assert good is not None
    spec = attrs.evolve(good, step=step, state=lambda config: {**good.state(config), **state})
    return attrs.evolve(streaming(), name="tiny", build=build, streaming=spec)


def step_apart(module: Any, frame: Any, state: Any) -> Any:
    features, state = module.step(frame, state)
    return features + 1, state


def step_remembering_more(module: Any, frame: Any, state: Any) -> Any:
    features, state = module.step(frame, state)
    return features, {**state, "more": features}


def step_hiding(module: Any, frame: Any, state: Any) -> Any:
    """Step that keeps its memory in the module, and only a flag in the state."""
    past = module.hidden if state["past"].any() else torch.zeros_like(state["past"])
    features, after = module.step(frame, {"past": past})
    module.hidden = after["past"]
    return features, {"past": torch.ones_like(past)}


def step_writing(module: Any, frame: Any, state: Any) -> Any:
    features, after = module.step(frame, state)
    frame.zero_()
    state["past"].zero_()
    return features, after


def step_never_forgetting(module: Any, frame: Any, state: Any) -> Any:
    features, after = module.step(frame, state)
    sums = 0.9 * state["sums"] + features
    return sums, {**after, "sums": sums}


def build_never_forgetting(config: TinyConfig) -> nn.Module:
    """Build a network whose clips give what its steps give."""
    module: Any = build_streaming(config)
    width = config.feature_dim()

    def forward(clips: Any) -> Any:
        state = {"past": torch.zeros(len(clips), config.width, 2), "sums": torch.zeros(len(clips), width)}
        for at in range(config.frames):
            features, state = step_never_forgetting(module, clips[:, at], state)
        return features + 0 * module.normalise(clips).sum()

    module.forward = forward
    return module  # type: ignore[no-any-return]


def step_too_soon(module: Any, frame: Any, state: Any) -> Any:
    features, after = module.step(frame, state)
    return features / state["begun"] * 1.0, {**after, "begun": torch.ones_like(state["begun"])}


def step_exported_otherwise(module: Any, frame: Any, state: Any) -> Any:
    features, after = module.step(frame, state)
    return features + 1 if torch.compiler.is_exporting() else features, after


def predicting(forward: Callable[[Any, Any], tuple[Any, Any]]) -> fitsense.plugins.BackboneSpec:
    """The good backbone with landmarks."""
    return attrs.evolve(GOOD, landmarks=fitsense.plugins.LandmarkSpec(forward))


def landmarks_of(clips: Any, points: int = len(LANDMARKS)) -> Any:
    import torch

    return torch.zeros((*clips.shape[:2], points, 6))


LANDMARK_MUTANTS = {
    "test_landmarks_are_as_declared": predicting(lambda module, clips: (module(clips), landmarks_of(clips, 33))),
    "test_landmarks_come_with_the_features_of_the_module": predicting(
        lambda module, clips: (module(clips) + 1, landmarks_of(clips))
    ),
}
EXPORTED = ("test_exported_graph_equals_the_network", "test_exported_step_equals_the_network")
STREAMS = {
    "test_stepping_over_a_clip_equals_the_clip": stepping(step_apart),
    "test_state_has_the_declared_shapes": stepping(step_remembering_more),
    "test_interleaved_streams_are_independent": stepping(step_hiding),
    "test_step_does_not_modify_its_arguments": stepping(step_writing),
    "test_frames_before_the_receptive_field_have_no_effect": stepping(
        step_never_forgetting, build_never_forgetting, sums=(CONFIG.feature_dim(),)
    ),
    "test_features_follow_delay_and_stride": stepping(step_too_soon, begun=(1,)),
}


def broken(spec: fitsense.plugins.BackboneSpec, **fixtures: Any) -> set[str]:
    values = {"config": CONFIG, "exports": False, "published": build(CONFIG).state_dict(), **fixtures}
    if spec.build not in (build, in_training_mode, taking_anything) or spec.streaming:
        values["published"] = None
    estimator = PoseEstimatorSpec("torso", Config, SET, lambda config, files, threads: Estimator(config))
    plugin = plugin_of(backbones=[spec], pose_estimators=[estimator])
    return broken_laws(BackboneContract, plugin=plugin, name="tiny", **values)


@pytest.mark.parametrize("law", NETWORKS)
def test_network_mutant_breaks_one_law(law: str) -> None:
    assert broken(NETWORKS[law]) == {law}


@pytest.mark.parametrize("law", OBSERVERS)
def test_observation_mutant_breaks_one_law(law: str) -> None:
    clips = np.random.default_rng(0).integers(100, 256, (3, *CONFIG.clip().shape), dtype=np.uint8)
    clips[1:] //= 3
    assert broken(OBSERVERS[law], pictures=clips) == {law}


@pytest.mark.parametrize("law", POSES)
def test_pose_laws_mutant_breaks_one_law(law: str) -> None:
    assert broken(POSES[law]) == {law}


@pytest.mark.parametrize("law", STREAMS)
def test_streaming_mutant_breaks_one_law(law: str) -> None:
    assert broken(STREAMS[law]) == {law}


@pytest.mark.parametrize("law", LANDMARK_MUTANTS)
def test_landmark_laws_mutant_breaks_one_law(law: str) -> None:
    assert broken(LANDMARK_MUTANTS[law]) == {law}


def test_exported_graph_of_other_network_breaks_export_law() -> None:
    assert broken(wrapped(exported_otherwise), exports=True) == {"test_exported_graph_equals_the_network"}
    assert broken(stepping(step_exported_otherwise), exports=True) == {"test_exported_step_equals_the_network"}


def test_good_backbones_break_no_law() -> None:
    assert broken(GOOD, exports=True) == set()
    assert broken(predicting(lambda module, clips: (module(clips), landmarks_of(clips)))) == set()
    assert broken(observing(colours)) == set()
    assert broken(posed(places)) == set()
    assert broken(computed(), exports=True) == set()
    assert broken(attrs.evolve(streaming(), name="tiny"), exports=True) == set()


def test_observation_not_finite_as_features_breaks_law() -> None:
    def nobody(clips: Any) -> Any:
        return np.where(clips.mean(axis=(2, 3)) < 0, 0, np.nan).astype(np.float32)

    assert "test_observations_are_as_declared" in broken(computed(nobody))


def test_laws_of_observing_do_not_apply_where_an_extra_is_missing() -> None:
    def load(config: Any, files: Any, threads: Any) -> Any:
        raise fitsense.MissingExtraError("looking", "glasses", ImportError(name="lens"))

    seen = fitsense.plugins.ObservationSpec(shape=lambda config: (config.frames * 3,), load=load)
    plugin = plugin_of(backbones=[computed(observation=seen)])
    outcomes = run({"mine": subclass(BackboneContract, plugin=plugin, name="tiny", config=CONFIG)})
    names = {law.removeprefix("test_").replace("_", " ") for law in OBSERVERS}
    untried = [outcome for outcome in outcomes if outcome.law in names]
    assert len(untried) == len(OBSERVERS)
    assert {outcome.status for outcome in untried} == {"does not apply"}
    assert all("pip install 'fitsense[glasses]'" in outcome.message for outcome in untried)
    assert not [outcome for outcome in outcomes if outcome.status == "broken"]


def test_backbone_laws_all_have_a_mutant() -> None:
    assert laws(BackboneContract) == {*NETWORKS, *OBSERVERS, *POSES, *STREAMS, *LANDMARK_MUTANTS, *EXPORTED}
    assert laws(NetworkContract) < laws(BackboneContract)
