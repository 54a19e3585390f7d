"""A branch on disk: one graph and one file of weights, which share every number."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitsense.bundles.manifest import BranchEntry, ObservationEntry
from fitsense.export.onnx import export_branch
from fitsense.nn.branch import join
from tests.helpers import tiny_models

CONFIG = tiny_models.TinyConfig()


def exported(folder: Path, *, observing: bool, seed: int = 0, traced: dict[str, Any] | None = None) -> BranchEntry:
    import torch

    torch.manual_seed(seed)
    branch = BranchEntry(
        name="tiny",
        backbone="tiny/colours" if observing else "tiny/pictures",
        config={},
        clip=CONFIG.clip(),
        feature_dim=CONFIG.feature_dim(),
        graph="tiny.onnx",
        weights="tiny.safetensors",
        heads=(),
        observation=ObservationEntry(CONFIG.observation(), {}) if observing else None,
    )
    backbone = tiny_models.build_observing(CONFIG) if observing else tiny_models.build(CONFIG)
    module = join(backbone, {"exercise": torch.nn.Linear(CONFIG.feature_dim(), 3)})
    export_branch(module, branch, folder, traced=traced)
    return branch


@pytest.mark.parametrize("observing", [False, True], ids=["pictures", "observations"])
def test_export_branch_graph_has_branch_input_and_external_weights(tmp_path: Path, observing: bool) -> None:
    import onnx
    from safetensors.numpy import load_file

    branch = exported(tmp_path, observing=observing)
    assert {file.name for file in tmp_path.iterdir()} == {branch.graph, branch.weights}
    weights = tmp_path / branch.weights
    assert weights.stat().st_mode & stat.S_IROTH, "a bundle is for all users"
    graph = onnx.load(tmp_path / branch.graph, load_external_data=False).graph
    (taken,) = graph.input
    kind, sides = taken.type.tensor_type.elem_type, taken.type.tensor_type.shape.dim
    if observing:
        assert (taken.name, kind) == ("observation", onnx.TensorProto.FLOAT)
        assert [side.dim_value for side in sides[1:]] == [4, 3]
    else:
        assert (taken.name, kind) == ("clip", onnx.TensorProto.UINT8)
        assert [side.dim_value for side in sides[1:]] == [4, 16, 16, 3]
    assert not sides[0].dim_value, "any number of clips"
    assert [output.name for output in graph.output] == ["features", "exercise"]
    # Matrices in half of the bytes; what is added or scaled by is not rounded.
    for name, value in load_file(weights).items():
        assert value.dtype == (np.float16 if value.ndim > 1 else np.float32), name
    outside = {place.value for tensor in graph.initializer for place in tensor.external_data if place.key == "location"}
    assert outside == {branch.weights}
    assert (tmp_path / branch.graph).stat().st_size < 50_000


@pytest.mark.parametrize("observing", [False, True], ids=["pictures", "observations"])
def test_export_branch_cached_trace_gives_same_graph(
    tmp_path: Path, observing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / name for name in ("first", "again", "alone")]
    for folder in folders:
        folder.mkdir()
    first, again, alone = folders
    traced: dict[str, Any] = {}
    exported(first, observing=observing, seed=1, traced=traced)
    exported(alone, observing=observing, seed=2)

    def refuse(*arguments: Any) -> Any:
        raise AssertionError("it was traced again")

    monkeypatch.setattr("fitsense.export.onnx._to_onnx", refuse)
    exported(again, observing=observing, seed=2, traced=traced)
    for name in ("tiny.onnx", "tiny.safetensors"):
        assert (again / name).read_bytes() == (alone / name).read_bytes()
    assert (again / "tiny.safetensors").read_bytes() != (first / "tiny.safetensors").read_bytes()
