"""Training of a frozen branch on squares around the person of an earlier branch."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import fitsense
from fitsense.bundles.manifest import Labels
from fitsense.data.samples import Sample
from fitsense.plugins import BackboneSpec, ObservationSpec, PluginManager, PoseEstimatorSpec
from fitsense.train.recipe import BranchRecipe, Recipe
from fitsense.train.run import fit_branches
from fitsense.train.training_set import Pool
from fitsense.types import Frame
from tests.helpers import tiny_models
from tests.helpers.spot_bodies import TORSO, BrightSpot, NoConfig, spot_frames
from tests.helpers.tiny_models import TinyConfig, make_sample
from tests.testing.contracts.broken import plugin_of

GROUPS = ("squat", "push_up")
FITS: tuple[Literal["crop", "person"], ...] = ("person", "crop")


def still_bodies(config: TinyConfig) -> Any:
    """A network without weights: the landmarks of a window in a row."""
    from torch import nn

    return nn.Sequential(nn.Flatten()).eval()


def square(config: TinyConfig, fit: Literal["crop", "person"]) -> fitsense.ClipSpec:
    return fitsense.ClipSpec(config.frames, config.rate_hz, 16, 24, fit=fit)


def plugins_with(spot: BrightSpot, *further: BackboneSpec) -> PluginManager:
    """Plugins with a branch on landmarks, networks on pictures that see the person or the centre, and further ones."""
    landmarks = BackboneSpec(
        name="landmarks",
        config=TinyConfig,
        clip=lambda config: fitsense.ClipSpec(config.frames, config.rate_hz, 48, 24, fit="pad"),
        feature_dim=lambda config: config.frames * len(TORSO) * 6,
        build=still_bodies,
        observation=ObservationSpec(
            lambda config: (config.frames, len(TORSO), 6),
            from_poses=lambda config, poses: np.nan_to_num(poses),
            pose_estimator="mutants/spot",
            evidence=lambda config, poses: (poses[..., 5].max(axis=2) > 0).mean(axis=1).astype(np.float32),
        ),
    )
    networks = [
        BackboneSpec(
            name=fit,
            config=TinyConfig,
            clip=functools.partial(square, fit=fit),
            feature_dim=TinyConfig.feature_dim,
            build=tiny_models.build,
        )
        for fit in FITS
    ]
    estimator = PoseEstimatorSpec("spot", NoConfig, TORSO, lambda config, files, threads: spot)
    plugins = PluginManager.discover()
    assert (
        plugins.register(plugin_of(backbones=[landmarks, *networks, *further], pose_estimators=[estimator])).status
        == "loaded"
    )
    return plugins


def samples(dark: Sequence[int] = ()) -> list[Sample]:
    """Spots in the left half of the picture, which a crop of the centre cuts off; in `dark` frames there is none."""

    def opened(seed: int) -> Any:
        @contextmanager
        def frames(short_side: int) -> Iterator[Iterable[Frame]]:
            yield [Frame(np.roll(one.rgb, -20 - seed, axis=1), one.time_s) for one in spot_frames(20, dark)]

        return frames

    return [
        make_sample(group, f"{group} {seed}", fold=seed % 2, open=opened(seed + 2 * at))
        for at, group in enumerate(GROUPS)
        for seed in range(2)
    ]


def fitted(second: str, cache: Path, spot: BrightSpot, dark: Sequence[int] = ()) -> Any:
    branches = (BranchRecipe(name="bodies", backbone="mutants/landmarks"), BranchRecipe(name="x", backbone=second))
    recipe = Recipe(branches, views=2, mirror=False, min_scenes=1)
    pool = Pool(samples(dark), (), (), (), (), Labels(GROUPS, ("quads", "chest")), {}, ())
    return fit_branches(recipe, pool, plugins_with(spot), cache)


def test_fit_branches_person_branch_sees_the_recorded_person(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    spot = BrightSpot()
    _, around = fitted("mutants/person", tmp_path / "person", spot)
    found = spot.estimates
    _, centre = fitted("mutants/crop", tmp_path / "crop", spot)
    assert spot.estimates == 2 * found, "the person of both runs was found once a picture"
    for sample in samples():
        seen, cut_off = (one.final.outputs[sample.key]["features"] for one in (around, centre))
        assert seen.shape == cut_off.shape == (2, TinyConfig().feature_dim())
        assert not np.allclose(seen, cut_off, atol=1e-3)
    assert around.entry.clip.fit == "person"
    # From the cache, without the estimator.
    _, again = fitted("mutants/person", tmp_path / "person", BrightSpot())
    for key, outputs in around.final.outputs.items():
        np.testing.assert_array_equal(outputs["features"], again.final.outputs[key]["features"])


def test_fit_branches_branch_on_landmarks_states_how_much_of_each_window_shows_somebody(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    bodies, person = fitted("mutants/person", tmp_path, BrightSpot(), dark=range(6))
    for sample in samples():
        evidence = bodies.out_of_fold[sample.key]["evidence"]
        assert evidence.shape == (2,)
        assert evidence[0] < evidence[1] == 1
        assert "evidence" not in person.out_of_fold[sample.key]
