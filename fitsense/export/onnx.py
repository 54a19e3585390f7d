"""From a branch's module to a graph and a file of weights that share every number.

The graph has no weights inside: each is ONNX external data that points into the safetensors file. So a bundle
carries its weights once, and the graph and the torch network cannot come apart.
"""

from __future__ import annotations

import json
import logging
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fitsense.bundle import BranchEntry
from fitsense.errors import MissingExtraError
from fitsense.runtime import input_of

if TYPE_CHECKING:
    from torch import nn


def export_branch(module: nn.Module, branch: BranchEntry, folder: Path) -> None:
    """Write `module`, from clips or observations to a dict of outputs, as the graph and the weights that `branch`
    names, into `folder`.

    Weights of more than one dimension are stored as float16, the others as float32.

    :raises MissingExtraError: ``fitsense[torch]`` is not installed.
    """
    try:
        import onnx
        import safetensors.numpy
    except ImportError as error:
        raise MissingExtraError("exporting a network", "torch", error) from error

    weights = folder / branch.weights
    model = _to_onnx(module, *input_of(branch))
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    for name, value in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        array = value.detach().cpu().numpy()
        tensors[name] = array.astype(np.float16) if array.ndim > 1 and array.dtype == np.float32 else array
    for initializer in model.graph.initializer:
        if initializer.name not in tensors:
            # Constants of the graph itself stay in it.
            continue
        expected = tensors[initializer.name].shape
        if tuple(initializer.dims) != expected:
            raise AssertionError(f"{initializer.name}: the exporter changed {expected} to {initializer.dims}")
    safetensors.numpy.save_file(tensors, weights)
    # safetensors makes files that only their owner can read; a bundle is for whoever installs it.
    weights.chmod(0o644)
    _refer(model, weights)
    onnx.save(model, folder / branch.graph)


def _to_onnx(module: nn.Module, name: str, shape: tuple[int, ...], dtype: str) -> Any:
    """An ONNX model whose initializers keep the names and values of the module's state dict."""
    import torch
    from onnxscript import optimizer, rewriter
    from onnxscript.rewriter.rules import common as rules

    class Tuple(torch.nn.Module):
        """The exporter names a tuple's outputs, but not a dict's."""

        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, clips: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(self.module(clips).values())

    # Two clips, so that the batch dimension is not taken for a constant.
    clips = torch.zeros((2, *shape), dtype=getattr(torch, dtype))
    with torch.inference_mode():
        names = list(module(clips))
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                Tuple().eval(),
                (clips,),
                dynamo=True,
                optimize=False,
                verbose=False,
                input_names=[name],
                output_names=names,
                dynamic_shapes=({0: torch.export.Dim("clips")},),
            )
    finally:
        logger.setLevel(level)
    assert program is not None
    # Not the exporter's own optimisation: it folds normalisation into convolutions, and so makes new weights.
    optimizer.fold_constants(program.model)
    rewriter.rewrite(
        program.model, [rules.remove_optional_bias_from_conv_rule, rules.remove_optional_bias_from_gemm_rule]
    )
    model = program.model_proto
    for initializer in model.graph.initializer:
        initializer.name = initializer.name.removeprefix("module.")
    for node in model.graph.node:
        node.input[:] = [name.removeprefix("module.") for name in node.input]
    _forget_origin(model)
    return model


def _forget_origin(model: Any) -> None:
    """Drop what the exporter notes of the source code: it is as large as the graph."""
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]


def _refer(model: Any, weights: Path) -> None:
    """Point the graph's initializers into the safetensors file, and turn float16 ones to float32 when read."""
    from onnx import TensorProto, helper

    with weights.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    casts = []
    for initializer in model.graph.initializer:
        if initializer.name not in header:
            continue
        entry = header[initializer.name]
        start, end = entry["data_offsets"]
        if entry["dtype"] == "F16":
            stored = f"{initializer.name}.float16"
            casts.append(helper.make_node("Cast", [stored], [initializer.name], to=TensorProto.FLOAT))
            initializer.name = stored
            initializer.data_type = TensorProto.FLOAT16
        for field in ("raw_data", "float_data", "int32_data", "int64_data"):
            initializer.ClearField(field)
        initializer.data_location = TensorProto.EXTERNAL
        del initializer.external_data[:]
        place = {"location": weights.name, "offset": 8 + length + start, "length": end - start}
        for key, value in place.items():
            initializer.external_data.add(key=key, value=str(value))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
