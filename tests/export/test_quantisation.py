"""A quantised bundle has the same weights, computes with integers, and says about the same."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest
from click.testing import CliRunner

import fitsense
from fitsense.bundles.bundle import Bundle
from fitsense.bundles.manifest import BranchEntry, Labels
from fitsense.cli import main
from fitsense.synthetic.figures import FigureVideo
from fitsense.types import UInt8Array
from tests.conftest import encode
from tests.helpers import tiny_models

pytest.importorskip("nncf")
pytest.importorskip("onnxruntime")

CONFIG = tiny_models.TinyConfig()
LABELS = Labels(exercise=("squat", "row", "no_exercise"), muscles=("quads", "lats"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle whose network has much larger activations for one colour than for the others."""
    import torch

    torch.manual_seed(14)
    branch = BranchEntry(
        name="pictures",
        backbone="tiny/pictures",
        config={},
        clip=CONFIG.clip(),
        feature_dim=CONFIG.feature_dim(),
        graph="pictures.onnx",
        weights="pictures.safetensors",
        heads=(),
    )
    return tiny_models.bundle_of(tmp_path_factory.mktemp("float"), tiny_models.build(CONFIG), branch, LABELS)


@pytest.fixture(scope="module")
def plugins() -> fitsense.PluginManager:
    host = fitsense.PluginManager.discover()
    assert host.register(tiny_models).status == "loaded"
    return host


def clips(seed: int, count: int = 8) -> UInt8Array:
    """Clips of the colours of :mod:`tests.helpers.tiny_models`."""
    pictures = [tiny_models.recording(group, seed + at).values for at in range(count) for group in tiny_models.COLOURS]
    return np.stack([np.asarray(each[: CONFIG.frames, :16, :16]) for each in pictures])


@pytest.fixture(scope="module")
def quantised(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    from fitsense.export.quantisation import quantise

    return quantise(bundle, {"pictures": clips(0)}, tmp_path_factory.mktemp("int8"))


def test_quantise_changes_only_graphs(bundle: Bundle, quantised: Bundle) -> None:
    import onnx

    before, after = bundle.manifest, quantised.manifest
    assert (after.name, after.version, after.allow_bf16) == ("pictures-int8", "1+int8", False)
    assert after.branches == before.branches
    assert after.fusion == before.fusion
    (branch,) = after.branches
    assert quantised.path(branch.weights).read_bytes() == bundle.path(branch.weights).read_bytes()
    graph = onnx.load(quantised.path(branch.graph), load_external_data=False).graph
    outside = {tensor.name for tensor in graph.initializer if tensor.external_data}
    assert {"heads.exercise.weight.float16", "backbone.layers.0.0.weight.float16"} <= outside
    kinds = [node.op_type for node in graph.node]
    # The input and the weights of both convolutions, and nothing else.
    assert kinds.count("QuantizeLinear") == kinds.count("DequantizeLinear") == 4


def test_quantise_any_clip_gives_about_the_same_outputs(
    bundle: Bundle, quantised: Bundle, plugins: fitsense.PluginManager
) -> None:
    asked = {"pictures": clips(100)}
    exact, rough = (
        fitsense.Model(one, plugins=plugins, threads=1, bf16=False).run(asked)["pictures"]
        for one in (bundle, quantised)
    )
    for name, values in exact.items():
        errors = np.abs(values - rough[name]).mean(axis=1) / values.std()
        # .34 to .66 of the logits where ranges are the mean of the clips' extremes; .02 to .06 where they cover all.
        assert 0 < errors.max() < 0.1, name


def test_quantise_compiled_graph_computes_with_integers(quantised: Bundle) -> None:
    core = fitsense.plugins.openvino_core()
    # As models compile it: OpenVINO has no integer kernels beside bfloat16, which it prefers on CPUs that have it.
    properties = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(quantised.path("pictures.onnx")), "CPU", properties)
    types = {node.get_rt_info()["runtimePrecision"].astype(str) for node in compiled.get_runtime_model().get_ops()}
    assert types & {"i8", "u8"}


def test_quantise_torch_runs_original_networks(
    bundle: Bundle, quantised: Bundle, plugins: fitsense.PluginManager
) -> None:
    asked = {"pictures": clips(100)}
    exact, same = (
        fitsense.Model(one, plugins=plugins, runtime="torch").run(asked)["pictures"] for one in (bundle, quantised)
    )
    for name, values in exact.items():
        np.testing.assert_array_equal(values, same[name])


def test_quantise_invalid_arguments_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    from fitsense.export.quantisation import quantise

    with pytest.raises(fitsense.InvalidInputError, match="expected some of pictures, got other"):
        quantise(bundle, {"other": clips(0)}, tmp_path)
    with pytest.raises(fitsense.InvalidInputError, match="expected at least one"):
        quantise(bundle, {"pictures": clips(0)[:0]}, tmp_path)
    with pytest.raises(fitsense.InvalidInputError, match="expected uint8 of shape"):
        quantise(bundle, {"pictures": clips(0)[:, :2]}, tmp_path)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(fitsense.InvalidInputError, match="expected an empty folder"):
        quantise(bundle, {"pictures": clips(0)}, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_quantize_command_skips_unreadable_clips(bundle: Bundle, squats: FigureVideo, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for name in ("one", "two"):
        encode(data / f"{name}.mp4", squats)
    (data / "broken.mp4").write_bytes(b"no video")
    rows = [f"{name}.mp4,squat,{split}" for name, split in (("one", "train"), ("two", "train"), ("broken", "train"))]
    (data / "manifest.csv").write_text("\n".join(["path,group,split", *rows, "two.mp4,squat,test"]))
    arguments = ["quantize", str(bundle.folder), "--data", str(data), "--out", str(out)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert f"fitsense evaluate --data {data} --split test --bundle {out}" in done.output
    assert "broken.mp4" in done.output
    assert Bundle.load(out).manifest.name == "pictures-int8"
    done = CliRunner().invoke(main, [*arguments, "--branch", "other"])
    assert done.exit_code != 0
    assert "--branch: expected one of pictures, got other" in done.output


def test_quantize_command_bundle_without_clip_branch_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    from fitsense.bundles.manifest import ObservationEntry
    from fitsense.export.quantisation import quantisable

    (branch,) = bundle.manifest.branches
    looking = attrs.evolve(branch, observation=ObservationEntry((4, 3), {}))
    assert quantisable(attrs.evolve(bundle, manifest=attrs.evolve(bundle.manifest, branches=(looking,)))) == []
