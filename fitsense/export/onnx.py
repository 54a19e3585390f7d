"""Export of a branch's module to an ONNX graph and a file of weights.

The graph contains no weights: each is ONNX external data in the safetensors file. So a bundle contains its weights
once, and the graph and the torch network always have the same ones.
"""

from __future__ import annotations

import copy
import gc
import json
import logging
import struct
import warnings
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fitsense.bundles.manifest import BranchEntry
from fitsense.errors import MissingExtraError
from fitsense.inference.base import input_of
from fitsense.inference.streaming import inputs_of_step, next_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    # Maps a network and its inputs to its outputs by name.
    Call = Callable[[Any, tuple[Tensor, ...]], Mapping[str, Tensor]]


def export_branch(
    module: nn.Module,
    branch: BranchEntry,
    folder: Path,
    *,
    step_alone: bool = False,
    traced: MutableMapping[str, Any] | None = None,
) -> None:
    """Write the graphs and the weights of `branch` into `folder`.

    Weights of more than one dimension are stored as float16, the others as float32.

    :param module: maps clips or observations to a dict of outputs.
    :param step_alone: whether to write only the step graph of a streaming branch.
    :param traced: cache of graphs by file, for networks that differ only in their weights; tracing takes most of the
        time. Missing graphs are added.
    :raises MissingExtraError: ``fitsense[torch]`` is not installed.
    """
    try:
        import onnx
        import safetensors.numpy
    except ImportError as error:
        raise MissingExtraError("exporting a network", "torch", error) from error

    weights = folder / branch.weights
    name, shape, dtype = input_of(branch)
    traced = {} if traced is None else traced
    files = []
    if not step_alone:
        files.append(branch.graph)
        if branch.graph not in traced:
            traced[branch.graph] = _to_onnx(module, {name: (shape, dtype)}, lambda network, inputs: network(*inputs))
    if branch.stream is not None:
        files.append(branch.stream.graph)
        if branch.stream.graph not in traced:
            step = _step(branch.stream.state)
            traced[branch.stream.graph] = _to_onnx(module, inputs_of_step(branch), step)
    graphs = {file: copy.deepcopy(traced[file]) for file in files}
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    for name, value in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        array = value.detach().cpu().numpy()
        tensors[name] = array.astype(np.float16) if array.ndim > 1 and array.dtype == np.float32 else array
    for model in graphs.values():
        for initializer in model.graph.initializer:
            if initializer.name not in tensors:
                # Constants of the graph itself stay in it.
                continue
            expected = tensors[initializer.name].shape
            if tuple(initializer.dims) != expected:
                raise AssertionError(f"{initializer.name}: the exporter changed {expected} to {initializer.dims}")
    safetensors.numpy.save_file(tensors, weights)
    # safetensors makes files that only their owner can read; a bundle is for all users.
    weights.chmod(0o644)
    for file, model in graphs.items():
        refer(model, weights)
        onnx.save(model, folder / file)


def _step(state: Mapping[str, Any]) -> Call:
    """The call of a step graph, whose inputs and outputs include the state."""

    def step(network: Any, inputs: tuple[Tensor, ...]) -> Mapping[str, Tensor]:
        outputs, after = network.step(inputs[0], dict(zip(state, inputs[1:], strict=True)))
        return {**outputs, **{next_of(name): after[name] for name in state}}

    return step


def _to_onnx(module: nn.Module, inputs: Mapping[str, tuple[tuple[int, ...], str]], call: Call) -> Any:
    """Trace an ONNX model whose initializers keep the names and values of the module's state dict.

    :param inputs: shapes without the batch, and dtypes, by name.
    """
    import torch
    from onnxscript import optimizer, rewriter
    from onnxscript.rewriter.rules import common as rules

    class Tuple(torch.nn.Module):
        """Wrapper with a tuple as output, since the exporter names the outputs of tuples but not of dicts."""

        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *given: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(call(self.module, given).values())

    # Two clips, so that the batch dimension does not become a constant.
    examples = tuple(torch.zeros((2, *shape), dtype=getattr(torch, dtype)) for shape, dtype in inputs.values())
    with torch.inference_mode():
        names = list(call(module, examples))
    batch = torch.export.Dim("clips")
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    # The exporter makes millions of objects that stay until it is done: a tenth of its time goes into searching them
    # for garbage.
    collects = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                Tuple().eval(),
                examples,
                dynamo=True,
                optimize=False,
                verbose=False,
                input_names=list(inputs),
                output_names=names,
                dynamic_shapes=(tuple({0: batch} for _ in inputs),),
            )
    finally:
        logger.setLevel(level)
        if collects:
            gc.enable()
    assert program is not None
    # The optimisation of the exporter would fold normalisation into convolutions, and so make new weights. Constant
    # folding must not use weights, either.
    weights = {f"module.{name}" for name in module.state_dict()}
    optimizer.fold_constants(
        program.model,
        should_fold=lambda node: None if weights.isdisjoint(v.name for v in node.inputs if v is not None) else False,
    )
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
    """Remove the exporter's notes on the source code, which are as large as the graph."""
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]


def refer(model: Any, weights: Path) -> None:
    """Make the graph's initializers refer to the safetensors file, with casts from float16 to float32."""
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
