"""Training of the last layers of a backbone on stored values of the layers before them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.bundles.manifest import Labels
from fitsense.data.frames import Recording
from fitsense.data.samples import Sample
from fitsense.inference.config import RuntimeConfig
from fitsense.inference.loading import load_graph
from fitsense.plugins import BackboneSpec, PluginManager
from fitsense.train.branch_trainer import BranchTrainer
from fitsense.train.clip_augmentation import Augmentation
from fitsense.train.features import Extractor
from fitsense.train.finetuning import TrainingData, Tuning, drawing_weights, predict
from fitsense.train.recipe import BranchRecipe, MaterialWeights, Recipe
from fitsense.train.run import fit_branches
from fitsense.train.trained_branch import FittedBranch, temporary_bundle
from fitsense.train.training_set import Pool
from fitsense.types import Frame
from tests.helpers import tiny_models
from tests.helpers.spot_bodies import BrightSpot
from tests.helpers.tiny_models import TinyConfig, make_sample
from tests.testing.contracts.broken import plugin_of
from tests.train.test_person_branch import plugins_with
from tests.train.test_person_branch import samples as spots

torch = pytest.importorskip("torch")

GROUPS = tuple(tiny_models.COLOURS)
LABELS = Labels(GROUPS, ("quads", "back"))
TUNING = Tuning(
    epochs=30,
    trainable_layers=2,
    stored_windows=4,
    batch_size=4,
    learning_rate=0.05,
    muscles_weight=0.0,
    ema_decay=0.0,
    augmentation=Augmentation(light=0.1, colour=0.1),
)


def build_chain(config: TinyConfig) -> Any:
    """The tiny network with its mean as a layer."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    tiny: Any = tiny_models.build(config)
    return nn.Sequential(tiny.normalise, *tiny.layers, nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten())).eval()


def plugins() -> PluginManager:
    """Plugins with a network whose layers are a chain, and one whose layers are not."""
    backbones = [
        BackboneSpec(
            name=name,
            config=TinyConfig,
            clip=TinyConfig.clip,
            feature_dim=TinyConfig.feature_dim,
            build=build,
            layers=layers,
        )
        for name, build, layers in (
            ("chain", build_chain, lambda module: list(module)[1:]),
            ("tree", tiny_models.build, tiny_models.layers),
            ("whole", build_chain, None),
        )
    ]
    manager = PluginManager.discover()
    assert manager.register(plugin_of(backbones=backbones)).status == "loaded"
    return manager


def colours() -> list[Sample]:
    """Samples that differ in colour."""

    def opened(group: str, seed: int) -> Any:
        @contextmanager
        def frames(short_side: int) -> Iterator[list[Frame]]:
            recorded = tiny_models.recording(group, seed)
            yield [Frame(recorded.values[at], float(time_s)) for at, time_s in enumerate(recorded.times)]

        return frames

    return [
        make_sample(group, f"{group} {seed}", fold=seed % 2, open=opened(group, seed))
        for group in GROUPS
        for seed in range(4)
    ]


def fitted(cache: Path, tuning: Tuning = TUNING, backbone: str = "mutants/chain", **recipe: Any) -> FittedBranch:
    branch = BranchRecipe(backbone=backbone, finetuning=tuning, muscles_head="heads/ridge", **recipe)
    pool = Pool(colours(), (), (), (), (), LABELS, {}, ())
    (branch_fit,) = fit_branches(Recipe((branch,), views=2, mirror=False, min_scenes=1), pool, plugins(), cache)
    return branch_fit


def names(outputs: Any, samples: Sequence[Sample]) -> list[str]:
    return [GROUPS[int(outputs[item.key]["exercise"].mean(axis=0).argmax())] for item in samples]


def test_fit_branches_last_layers_learn_and_the_first_do_not(tmp_path: Path) -> None:
    fit = fitted(tmp_path)
    module: Any = fit.final.module
    initial: Any = build_chain(TinyConfig())
    first, *last = zip(initial[1:3].parameters(), module.backbone[1:3].parameters(), strict=True)
    np.testing.assert_array_equal(*(each.detach().numpy() for each in first))
    assert any(not np.array_equal(before.detach().numpy(), after.detach().numpy()) for before, after in last)
    # By networks that did not see the clip.
    assert set(fit.out_of_fold) == {item.key for item in colours()}
    right = [name == item.group for name, item in zip(names(fit.out_of_fold, colours()), colours(), strict=True)]
    assert np.mean(right) > 0.8


def test_fit_branches_outputs_are_those_of_the_exported_network(tmp_path: Path) -> None:
    fit = fitted(tmp_path)
    recordings = [
        attrs.evolve(tiny_models.recording(group, seed), sample=item)
        for (group, seed), item in zip(((group, seed) for group in GROUPS for seed in range(4)), colours(), strict=True)
    ]
    with temporary_bundle(fit.final.module, fit.entry, LABELS, "ensemble/weighted") as bundle:
        run = load_graph(bundle, fit.entry, RuntimeConfig(bf16=False))
        expected = predict(run, recordings, fit.entry.clip, 2)
    for item, outputs in zip(colours(), expected, strict=True):
        for name in ("features", "exercise", "muscles"):
            # Windows are stored in half precision.
            np.testing.assert_allclose(fit.final.outputs[item.key][name], outputs[name], rtol=0.02, atol=0.05)


def test_fit_branches_again_reads_windows_and_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fitted(tmp_path)

    def computed(*_: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr(Extractor, "_compute", computed)
    again = fitted(tmp_path)
    for key, outputs in first.final.outputs.items():
        for name, values in outputs.items():
            np.testing.assert_array_equal(values, again.final.outputs[key][name])


def test_fit_branches_head_in_closed_form_is_fitted_to_the_tuned_features(tmp_path: Path) -> None:
    fit = fitted(tmp_path, exercise_head="heads/discriminant", head_config={"shrinkage": 0.5})
    assert names(fit.final.outputs, colours()) == [item.group for item in colours()]
    assert fit.statistics, "it can be taught"


@pytest.mark.parametrize(
    ("change", "backbone", "message"),
    [
        ({"trainable_layers": None}, "mutants/chain", "without trainable_layers"),
        ({}, "mutants/whole", "without layers"),
        ({"stored_windows": 1}, "mutants/chain", "at least the 2 views, got 1"),
        ({"trainable_layers": 1}, "mutants/tree", "do not each take what the one before returns"),
        ({"trainable_layers": 3}, "mutants/chain", "expected fewer than the backbone's 3"),
    ],
)
def test_fit_branches_unsuitable_stored_windows_are_refused(
    tmp_path: Path, change: dict[str, Any], backbone: str, message: str
) -> None:
    with pytest.raises(fitsense.InvalidInputError, match=message):
        fitted(tmp_path, attrs.evolve(TUNING, **change), backbone)


def test_fit_branches_auxiliary_clips_without_weight_are_refused(tmp_path: Path) -> None:
    with pytest.raises(fitsense.InvalidInputError, match="a weight of auxiliary clips above 0"):
        fitted(tmp_path, use_auxiliary=True)


def test_fit_branches_auxiliary_sources_select_clips(tmp_path: Path) -> None:
    branch = BranchRecipe(backbone="mutants/chain", use_auxiliary=True, auxiliary_sources=("x/y",))
    auxiliary = [make_sample("squat", f"drawn {source}", source=source, kind="auxiliary") for source in ("x/y", "y/z")]
    pool = Pool(colours(), (), tuple(auxiliary), (), (), LABELS, {}, ())
    trainer = BranchTrainer(Recipe((branch,)), pool, (), plugins(), tmp_path)
    assert [item.source for item in trainer.samples(branch) if item.kind == "auxiliary"] == ["x/y"]


def test_fit_branches_other_kind_of_clip_starts_another_run(tmp_path: Path) -> None:
    """A clip that was measured and is auxiliary now is drawn less often."""
    fitted(tmp_path)
    before = {file.name for file in (tmp_path / "runs").iterdir()}
    (changed, *others) = colours()
    branch = BranchRecipe(backbone="mutants/chain", finetuning=TUNING, muscles_head="heads/ridge")
    used = attrs.evolve(branch, use_auxiliary=True, exercise_weights=MaterialWeights(auxiliary=0.5))
    pool = Pool(others, (), (attrs.evolve(changed, kind="auxiliary"),), (), (), LABELS, {}, ())
    fit_branches(Recipe((used,), views=2, mirror=False, min_scenes=1), pool, plugins(), tmp_path)
    assert len({file.name for file in (tmp_path / "runs").iterdir()}) == 2 * len(before)


def test_x3d_residual_blocks_are_a_chain() -> None:
    spec = PluginManager.discover().backbone("x3d/xs")
    config = attrs.evolve(spec.config(), frames=4, size=32, short_side=32, depth_factor=0.3)
    assert spec.build is not None
    assert spec.layers is not None
    module = spec.build(config)
    layers = list(spec.layers(module))
    clips = torch.randint(0, 256, (1, 4, 32, 32, 3), dtype=torch.uint8)
    reached: list[Any] = []
    with torch.inference_mode():
        hook = layers[-3].register_forward_pre_hook(lambda _, inputs: reached.append(inputs[0]))
        expected = module(clips)
        hook.remove()
        values = reached[0]
        for layer in layers[-3:]:
            values = layer(values)
    np.testing.assert_allclose(values.flatten(1).numpy(), expected.flatten(1).numpy(), atol=1e-4)


def test_fit_branches_unknown_auxiliary_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(fitsense.InvalidInputError, match="expected sources of auxiliary clips, got x/y"):
        fitted(
            tmp_path,
            use_auxiliary=True,
            auxiliary_sources=("x/y",),
            exercise_weights=MaterialWeights(auxiliary=0.2),
        )


def test_fit_branches_last_layers_see_the_person(tmp_path: Path) -> None:
    """Spots beside the picture's middle, which a crop of it cuts off."""
    around, centre = (_seen(fit, tmp_path / fit) for fit in ("person", "crop"))
    for item in spots():
        seen, cut_off = (fit.final.outputs[item.key]["features"] for fit in (around, centre))
        assert seen.shape == cut_off.shape == (2, TinyConfig().feature_dim())
        assert not np.allclose(seen, cut_off, atol=1e-3)


def _seen(fit: Any, cache: Path) -> FittedBranch:
    """The last layers on squares around the person, or on the middle of pictures."""
    chain = BackboneSpec(
        name="chain",
        config=TinyConfig,
        clip=lambda config: fitsense.ClipSpec(config.frames, config.rate_hz, 16, 24, fit=fit),
        feature_dim=TinyConfig.feature_dim,
        build=build_chain,
        layers=lambda module: list(module.children())[1:],
    )
    branches = (
        BranchRecipe(name="bodies", backbone="mutants/landmarks"),
        BranchRecipe(name="x", backbone="mutants/chain", finetuning=attrs.evolve(TUNING, epochs=1)),
    )
    recipe = Recipe(branches, views=2, mirror=False, min_scenes=1)
    pool = Pool(spots(), (), (), (), (), Labels(("squat", "push_up"), ("quads", "chest")), {}, ())
    return fit_branches(recipe, pool, plugins_with(BrightSpot(), chain), cache)[1]


def test_drawing_weights_auxiliary_clips_have_their_share() -> None:
    clips = colours()
    drawn = [attrs.evolve(item, key=f"drawn {item.key}", kind="auxiliary") for item in clips[:5]]
    recordings = [Recording(item, np.zeros(1), np.zeros((1, 1))) for item in (*clips, *drawn)]
    data = TrainingData(recordings, TinyConfig().clip(), LABELS, auxiliary=0.25)
    weights = drawing_weights(data, 0.5)
    assert weights.sum() == pytest.approx(1)
    assert weights[len(clips) :].sum() == pytest.approx(0.2)
    alone = drawing_weights(attrs.evolve(data, recordings=recordings[: len(clips)]), 0.5)
    np.testing.assert_allclose(weights[: len(clips)], 0.8 * alone)
