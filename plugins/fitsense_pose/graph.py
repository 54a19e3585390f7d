"""Networks that crop their input from a picture, run by OpenVINO."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from fitsense import WeightsError
from fitsense_pose.region import FloatArray, Region

if TYPE_CHECKING:
    import openvino as ov

UInt8Array = npt.NDArray[np.uint8]

# Part of the key of a compiled network; increment it if what is built around networks changes.
_VERSION = 1


class Graph:
    """A .tflite network from a square picture to several arrays, compiled with a picture and a region as inputs.

    :param file: the network; its one input is float32 (1, size, size, 3).
    :param outputs: the shape, without the batch, of each output that is wanted, by a name. What only others need is
        not computed.
    :param values: input values of the network for black and white.
    :param beyond: values outside the picture: ``zeros`` (black), or the ``border``'s pixels again.
    :param threads: CPU threads; None for all cores.
    :raises WeightsError: the file contains another network.
    :raises OSError: the file cannot be read.
    """

    def __init__(
        self,
        file: Path,
        outputs: Mapping[str, tuple[int, ...]],
        *,
        values: tuple[float, float],
        beyond: Literal["zeros", "border"],
        threads: int | None = None,
    ) -> None:
        from fitsense.plugins import compiled, openvino_core

        core = openvino_core()
        properties: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            properties["INFERENCE_NUM_THREADS"] = threads
        self._names = tuple(outputs)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        key = ("fitsense_pose", _VERSION, digest, tuple(outputs.items()), values, beyond)
        make = functools.partial(_with_crop, core, file, outputs, values, beyond)
        self._compiled = compiled(core, key, properties, make)

    def __call__(self, picture: UInt8Array, region: Region) -> dict[str, FloatArray]:
        """Outputs for one region of a picture, uint8 (height, width, 3), by name. Thread-safe."""
        height, width, _ = picture.shape
        # One request per call: requests are cheap, and other threads would overwrite a shared one.
        request = self._compiled.create_infer_request()
        results = request.infer([picture[None], region.sampling(width, height)])
        return {name: np.array(results[index][0]) for index, name in enumerate(self._names)}


def _with_crop(
    core: ov.Core, file: Path, outputs: Mapping[str, tuple[int, ...]], values: tuple[float, float], beyond: str
) -> ov.Model:
    """The network of a file, with a picture and a region as inputs; see :class:`Graph`."""
    import openvino as ov

    try:
        network = core.read_model(file)
        (entry,) = network.get_parameters()
        _, size, _, _ = entry.shape
        by_shape = {tuple(result.shape)[1:]: result.get_node().input_value(0) for result in network.outputs}
        wanted = [by_shape[shape] for shape in outputs.values()]
    except (RuntimeError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{file}: expected a network with the outputs {dict(outputs)}, which this file is not: {error}"
        ) from error
    picture, sampling, crop = _crop(int(size), beyond)
    low, high = values
    entry.output(0).replace(_scaled(crop, (high - low) / 255, low))
    return ov.Model(wanted, [picture, sampling])


def _crop(size: int, beyond: str) -> tuple[Any, Any, Any]:
    """Part of a graph that samples a square: two parameters and the output, float32 (1, size, size, 3)."""
    from openvino import opset13 as op

    picture = op.parameter([1, -1, -1, 3], np.uint8, name="picture")
    sampling = op.parameter([3, 2], np.float32, name="sampling")
    steps = np.arange(size, dtype=np.float32) / size
    u, v = np.meshgrid(steps, steps)
    places = op.constant(np.stack([u.ravel(), v.ravel(), np.ones(size * size, np.float32)], axis=1))
    grid = op.reshape(op.matmul(places, sampling, False, False), op.constant([1, size, size, 2]), False)
    channels_first = op.transpose(op.convert(picture, "f32"), op.constant([0, 3, 1, 2]))
    attributes = {"align_corners": False, "mode": "bilinear", "padding_mode": beyond}
    sampled = op.grid_sample(channels_first, grid, attributes)
    return picture, sampling, op.transpose(sampled, op.constant([0, 2, 3, 1])).output(0)


def _scaled(output: Any, factor: float, offset: float) -> Any:
    from openvino import opset13 as op

    return op.add(op.multiply(output, op.constant(np.float32(factor))), op.constant(np.float32(offset))).output(0)


def sigmoid(logits: FloatArray) -> FloatArray:
    """Probabilities of logits of any size; minus infinity gives 0."""
    return np.exp(-np.logaddexp(np.float32(0), -logits))
