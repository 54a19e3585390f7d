"""Each law of backbones is broken by a network that keeps all others."""

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
from fitsense.testing.contracts import BackboneContract
from fitsense.testing.contracts.networks import NetworkContract
from tests.testing.contracts.broken import broken_laws, laws, plugin_of
from tests.tiny import TinyConfig, build, layers, load_observer

GOOD = fitsense.BackboneSpec(
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


def wrapped(after: Callable[[Any, Any], Any]) -> fitsense.BackboneSpec:
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
    "test_the_same_comes_out_twice": wrapped(noisy),
    "test_a_batch_gives_what_its_clips_give_alone": wrapped(batched),
    "test_inputs_are_left_alone": wrapped(writing),
    "test_it_works_in_several_threads": wrapped(sharing),
    "test_gradients_reach_its_parameters": wrapped(detached),
    "test_its_state_dict_is_all_that_it_knows": wrapped(hiding),
    "test_it_comes_in_eval_mode": attrs.evolve(GOOD, build=in_training_mode),
    "test_a_wrong_clip_is_refused_with_both_shapes": attrs.evolve(GOOD, build=taking_anything),
    "test_layers_hold_each_parameter_once": attrs.evolve(GOOD, layers=lambda module: layers(module)[:1]),
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


def observing(observe: Callable[[Any], Any]) -> fitsense.BackboneSpec:
    seen = fitsense.ObservationSpec(shape=TinyConfig.observation, load=lambda config, files, threads: observe)
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


OBSERVERS = {
    "test_observations_are_as_declared": observing(lambda clips: colours(clips).astype(np.float64)),
    "test_observing_a_batch_gives_what_its_clips_give_alone": observing(
        lambda clips: colours(clips) + np.float32(len(clips))
    ),
    "test_observing_leaves_pictures_alone": observing(clearing),
    "test_observing_works_in_several_threads": observing(keeping),
}


def broken(spec: fitsense.BackboneSpec, **fixtures: Any) -> set[str]:
    values = {"config": CONFIG, "exports": False, "published": build(CONFIG).state_dict(), **fixtures}
    if spec.build not in (build, in_training_mode, taking_anything):
        values["published"] = None
    return broken_laws(BackboneContract, plugin=plugin_of(backbones=[spec]), name="tiny", **values)


@pytest.mark.parametrize("law", NETWORKS)
def test_a_law_is_broken_by_a_network_that_keeps_the_others(law: str) -> None:
    assert broken(NETWORKS[law]) == {law}


@pytest.mark.parametrize("law", OBSERVERS)
def test_a_law_is_broken_by_an_observer_that_keeps_the_others(law: str) -> None:
    clips = np.random.default_rng(0).integers(100, 256, (3, *CONFIG.clip().shape), dtype=np.uint8)
    clips[1:] //= 3
    assert broken(OBSERVERS[law], pictures=clips) == {law}


def test_a_graph_that_computes_something_else_breaks_the_law_of_export_alone() -> None:
    assert broken(wrapped(exported_otherwise), exports=True) == {"test_the_exported_graph_agrees"}


def test_good_backbones_break_no_law() -> None:
    assert broken(GOOD, exports=True) == set()
    assert broken(observing(colours)) == set()


def test_every_law_has_a_mutant() -> None:
    assert laws(BackboneContract) == {*NETWORKS, *OBSERVERS, "test_the_exported_graph_agrees"}
    assert laws(NetworkContract) < laws(BackboneContract)
