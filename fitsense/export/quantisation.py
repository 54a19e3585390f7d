"""Post-training quantisation of a bundle's graphs to 8-bit integers, by NNCF.

Only graphs change. Weights stay in the safetensors files, each behind a ``QuantizeLinear`` and a ``DequantizeLinear``
whose scales are in the graph; the runtime converts them to integers when it compiles the graph.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from fitsense._internal.progress import ProgressBar, silent
from fitsense.bundles.bundle import Bundle, save
from fitsense.bundles.manifest import BranchEntry
from fitsense.data.clip_views import clip_views
from fitsense.data.manifest import Skipped, read_manifest
from fitsense.errors import FitsenseError, InvalidInputError, MissingExtraError
from fitsense.export.onnx import refer
from fitsense.inference.base import check_batch
from fitsense.types import UInt8Array
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource

CARD = "README.md"


def typical_clips(
    bundle: Bundle, names: Collection[str], data: Path, split: str, count: int, track: ProgressBar = silent
) -> tuple[dict[str, UInt8Array], list[Skipped]]:
    """Read calibration clips for :func:`quantise`: the middle of up to `count` clips, spread evenly over a split.

    :param names: branches to read clips for.
    :param data: a folder with a manifest.
    :return: clips by branch, and the clips that could not be read.
    """
    branches = [branch for branch in bundle.manifest.branches if branch.name in names]
    specs = {branch.name: branch.clip for branch in branches}
    items = read_manifest(data, [split]).items
    taken: dict[str, list[UInt8Array]] = {name: [] for name in specs}
    skipped = []
    spread = sorted({round(at) for at in np.linspace(0, len(items) - 1, count)})
    for item in track([items[at] for at in spread], "Clips"):
        try:
            with VideoSource(
                item.path, DecodeConfig(short_side=max(spec.short_side for spec in specs.values()))
            ) as frames:
                views = clip_views(frames, specs, 1, False)
        except FitsenseError as error:
            skipped.append(Skipped(str(item.path), str(error)))
            continue
        for name, view in views.items():
            taken[name].append(view)
    if not any(taken.values()):
        raise InvalidInputError(f"{data}: expected readable clips in split {split}, got none")
    return {name: np.concatenate(each) for name, each in taken.items()}, skipped


def quantise(bundle: Bundle, clips: Mapping[str, UInt8Array], folder: Path) -> Bundle:
    """Write a copy of `bundle` with quantised branches to `folder`.

    The copy does not allow bfloat16. The torch runtime runs the original networks.

    :param clips: calibration clips by the names of the branches to quantise, uint8 (clips, frames, size, size, 3).
        Streaming branches and those with observations cannot be quantised.
    :param folder: an empty folder, or one that does not exist.
    :raises MissingExtraError: ``fitsense[quantize]`` is not installed.
    """
    require()
    import onnx

    branches = {branch.name: branch for branch in bundle.manifest.branches}
    for name, batch in clips.items():
        if name not in quantisable(bundle):
            raise InvalidInputError(f"branches: expected some of {', '.join(quantisable(bundle))}, got {name}")
        check_batch(batch, f"clip of {name}", branches[name].clip.shape, "uint8")
        if not len(batch):
            raise InvalidInputError(f"clip of {name}: expected at least one")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InvalidInputError(f"{folder}: expected an empty folder")
    teaching = bundle.manifest.teaching
    # Rows of quantised heads cannot be added to.
    left_out = {CARD, *([teaching.file] if teaching else [])}
    for file in bundle.manifest.files:
        if file.path not in left_out:
            (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.path(file.path), folder / file.path)
    for name, batch in clips.items():
        model = _quantised(onnx.load(bundle.path(branches[name].graph)), batch)
        refer(model, folder / branches[name].weights)
        onnx.save(model, folder / branches[name].graph)
    manifest = bundle.manifest
    (folder / CARD).write_text(
        f"# {manifest.name}, quantised\n\n{manifest.name} {manifest.version}, whose card has its metrics, with "
        f"{', '.join(clips)} in 8-bit integers. `fitsense evaluate` measures its metrics.\n",
        "utf-8",
    )
    return save(
        folder,
        attrs.evolve(
            manifest, name=f"{manifest.name}-int8", version=f"{manifest.version}+int8", allow_bf16=False, teaching=None
        ),
    )


def require() -> None:
    """Check the packages of ``fitsense[quantize]``.

    :raises MissingExtraError: one is not installed.
    """
    # NNCF reports each use to its makers, except on machines for tests.
    os.environ.setdefault("NNCF_CI", "1")
    try:
        import nncf  # noqa: F401
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("quantising a bundle", "quantize", error) from error


def quantisable(bundle: Bundle) -> list[str]:
    """Names of the branches that can be quantised: those whose input is clips, without streaming."""
    return [branch.name for branch in bundle.manifest.branches if _on_clips(branch)]


def _on_clips(branch: BranchEntry) -> bool:
    return branch.observation is None and branch.stream is None


def _quantised(model: Any, clips: UInt8Array) -> Any:
    """Quantise an ONNX model with scales for `clips`; initializers keep their names, or get new ones if they change."""
    import nncf
    import onnx
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet
    from onnx.numpy_helper import to_array

    # The log of NNCF is for its makers.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    model = onnx.shape_inference.infer_shapes(_in_float32(model))
    # Convolutions take nearly all of the time. What follows them may not survive 8 bits: of the backbone x3d/bodies,
    # statistics of landmarks became noise.
    others = sorted({node.op_type for node in model.graph.node} - {"Conv"})
    (taken,) = model.graph.input
    kept = {initializer.name: initializer for initializer in model.graph.initializer}
    quantised = nncf.quantize(
        model,
        nncf.Dataset([clip[np.newaxis] for clip in clips], lambda clip: {taken.name: clip}),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(clips),
        ignored_scope=nncf.IgnoredScope(types=others, validate=False),
        # NNCF's default, the mean of the clips' extremes, clips the values of every label that is brighter, faster or
        # otherwise stronger than the average: all of its answers are then wrong by the same large amount.
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
        ),
    )
    _restore_weights(quantised, kept)
    for initializer in quantised.graph.initializer:
        before = kept.get(initializer.name)
        # Values that are corrected for the loss of precision belong to the graph.
        if before is not None and not np.array_equal(to_array(before), to_array(initializer)):
            _rename(quantised, initializer.name, f"{initializer.name}.quantised")
    return quantised


def _in_float32(model: Any) -> Any:
    """Replace float16 weights and their casts by float32 initializers, which NNCF recognises as weights."""
    from onnx.numpy_helper import from_array, to_array

    initializers = {initializer.name: initializer for initializer in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        stored = initializers.get(node.input[0]) if node.op_type == "Cast" else None
        if stored is None:
            nodes.append(node)
            continue
        stored.CopyFrom(from_array(to_array(stored).astype(np.float32), node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _restore_weights(model: Any, kept: Mapping[str, Any]) -> None:
    """Replace the integer weights of NNCF by their float32 values and a quantisation in the graph."""
    from onnx import helper

    initializers = {initializer.name: initializer for initializer in model.graph.initializer}
    nodes, placed = [], set()
    for node in model.graph.node:
        integers = node.input[0] if node.op_type == "DequantizeLinear" else ""
        if integers in initializers:
            # NNCF calls them q_output_<name>_<number>.
            name = integers.removeprefix("q_output_").rpartition("_")[0]
            quantise = helper.make_node("QuantizeLinear", [name, *node.input[1:]], [integers], f"Quantize_{integers}")
            quantise.attribute.extend(node.attribute)
            nodes.append(quantise)
            model.graph.initializer.remove(initializers[integers])
            placed.add(name)
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(kept[name] for name in sorted(placed - initializers.keys()))


def _rename(model: Any, old: str, new: str) -> None:
    for initializer in model.graph.initializer:
        if initializer.name == old:
            initializer.name = new
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
