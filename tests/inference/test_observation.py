"""Branches that look at something else than pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import attrs
import numpy as np
import pytest

import fitsense
from fitsense._internal.hashing import sha256
from fitsense.bundles.bundle import Bundle
from fitsense.bundles.manifest import BranchEntry, Labels, ObservationEntry
from fitsense.events.schema import validate
from fitsense.inference.config import RuntimeConfig, RuntimeName
from fitsense.inference.loading import load_branch, load_graph
from fitsense.synthetic.figures import FigureVideo
from tests.helpers import tiny_models

CONFIG = tiny_models.TinyConfig()
LABELS = Labels(("no_exercise", "squat"), ("quads", "glutes"))
CLIPS = np.random.default_rng(0).integers(0, 256, (3, *CONFIG.clip().shape), dtype=np.uint8)


class Observing:
    """A plugin whose observer wants a file that says how bright pictures are."""

    def __init__(self, uri: str, digest: str) -> None:
        self._assets = {"gain": fitsense.plugins.WeightsRef(uri, digest)}

    @fitsense.hookimpl
    def fitsense_plugin(self) -> fitsense.plugins.PluginInfo:
        return fitsense.plugins.PluginInfo(name="observing", version="1.0")

    @fitsense.hookimpl
    def fitsense_backbones(self) -> Iterable[fitsense.plugins.BackboneSpec]:
        yield tiny_models.observing(self._assets)


def host(uri: str | Path, digest: str) -> fitsense.PluginManager:
    plugins = fitsense.PluginManager.discover()
    assert plugins.register(Observing(str(uri), digest)).status == "loaded"
    return plugins


@pytest.fixture(scope="module")
def gain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("assets") / "gain.txt"
    path.write_text("2.0")
    return path


@pytest.fixture(scope="module")
def plugins(gain: Path) -> fitsense.PluginManager:
    return host(gain, sha256(gain))


@pytest.fixture(scope="module")
def bundle(gain: Path, plugins: fitsense.PluginManager, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    import torch

    branch = BranchEntry(
        name="colours",
        backbone="observing/colours",
        config=attrs.asdict(CONFIG),
        clip=CONFIG.clip(),
        feature_dim=CONFIG.feature_dim(),
        graph="colours.onnx",
        weights="colours.safetensors",
        heads=(),
        observation=ObservationEntry(CONFIG.observation(), {"gain": sha256(gain)}),
    )
    torch.manual_seed(0)
    return tiny_models.bundle_of(tmp_path_factory.mktemp("bundle"), tiny_models.build_observing(CONFIG), branch, LABELS)


def test_bundle_states_the_observation_of_its_graph(bundle: Bundle, gain: Path) -> None:
    document = json.loads(bundle.path("model.json").read_text("utf-8"))
    validate(document, "model")
    assert document["branches"][0]["observation"] == {"shape": [4, 3], "assets": {"gain": sha256(gain)}}
    assert not list(bundle.folder.rglob("gain*")), "files of others are not in the bundle"


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_observed_branch_takes_pictures_and_its_graph_observations(
    bundle: Bundle, plugins: fitsense.PluginManager, runtime: RuntimeName
) -> None:
    (branch,) = bundle.manifest.branches
    run = load_branch(bundle, branch, RuntimeConfig(runtime=runtime, bf16=False), plugins=plugins)
    graph = load_graph(bundle, branch, RuntimeConfig(runtime=runtime, bf16=False), plugins=plugins)
    # The file says that all is twice as bright.
    seen = np.asarray(CLIPS.mean(axis=(2, 3)) / 255 * 2, dtype=np.float32)
    outputs, expected = run(CLIPS), graph(seen)
    assert outputs.keys() == {"features", "exercise", "muscles"}
    for name, values in outputs.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-6)
    assert outputs["features"].std() > 0.01
    with pytest.raises(fitsense.InvalidInputError, match=r"clip of colours: expected uint8 of shape \(clips, 4, 16"):
        run(seen)
    with pytest.raises(
        fitsense.InvalidInputError, match=r"observation of colours: expected float32 of shape \(clips, 4, 3\)"
    ):
        graph(CLIPS)


def test_observed_branch_runtimes_agree(bundle: Bundle, plugins: fitsense.PluginManager) -> None:
    ours = fitsense.Model(bundle, plugins=plugins, bf16=False).predict_clips({"colours": CLIPS})
    theirs = fitsense.Model(bundle, plugins=plugins, runtime="torch").predict_clips({"colours": CLIPS})
    for task, scores in ours.items():
        np.testing.assert_allclose(scores.logits, theirs[task].logits, atol=1e-3)


def test_observed_branch_runs_in_a_session(
    bundle: Bundle, plugins: fitsense.PluginManager, squats: FigureVideo
) -> None:
    events = list(fitsense.analyze(squats, model=fitsense.Model(bundle, plugins=plugins)))
    assert events[-1].type == "fitsense.session.ended"
    assert len(events) > 2


def test_load_observer_other_files_than_in_training_are_refused(
    bundle: Bundle, gain: Path, plugins: fitsense.PluginManager, tmp_path: Path
) -> None:
    (branch,) = bundle.manifest.branches
    newer = tmp_path / "newer.txt"
    newer.write_text("3.0")
    with pytest.raises(
        fitsense.BundleError, match="branch colours was trained with other files than observing/colours uses now"
    ):
        load_branch(bundle, branch, plugins=host(newer, sha256(newer)))
    with pytest.raises(fitsense.WeightsError, match=f"expected sha256 {sha256(gain)}, got {sha256(newer)}"):
        load_branch(bundle, branch, plugins=host(newer, sha256(gain)))


def test_load_observer_missing_file_names_the_command_that_fetches_it(
    bundle: Bundle, gain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fitsense.bundles.weights.cache_folder", lambda kind: tmp_path)
    monkeypatch.setenv("FITSENSE_OFFLINE", "1")
    remote = host("https://example.org/gain.txt", sha256(gain))
    with pytest.raises(fitsense.WeightsError, match="FITSENSE_OFFLINE is set; run  fitsense models pull"):
        fitsense.Model(bundle, plugins=remote)
    missing = host(tmp_path / "gain.txt", sha256(gain))
    with pytest.raises(fitsense.WeightsError, match="no such file"):
        fitsense.Model(bundle, plugins=missing)


def test_load_observer_of_a_backbone_on_pictures_is_refused(bundle: Bundle, plugins: fitsense.PluginManager) -> None:
    from fitsense.inference.observation import load_observer

    plugins.register(tiny_models)
    (branch,) = bundle.manifest.branches
    with pytest.raises(fitsense.PluginError, match="tiny/pictures looks at pictures"):
        load_observer(attrs.evolve(branch, backbone="tiny/pictures"), plugins)
