"""Streaming branches: frame by frame, with explicit state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from fitsense.bundles.manifest import BranchEntry, StreamEntry
from fitsense.errors import InvalidInputError
from fitsense.types import FloatArray, UInt8Array
from fitsense.windowing.stream_state import StreamState


class StepRunner(Protocol):
    """Computes one step of a streaming branch."""

    def __call__(
        self, frame: UInt8Array, state: Mapping[str, FloatArray]
    ) -> tuple[Mapping[str, FloatArray], Mapping[str, FloatArray]]:
        """Process one frame of each stream.

        :param frame: uint8 of shape (streams, size, size, 3).
        :param state: float32 of shape (streams, ...), by name.
        :returns: ``features`` and each head's logits by its task, float32 (streams, width); and the new state.
        """
        ...


class StreamingBranch:
    """A streaming branch. Keeps nothing between calls: streams share it, and each has its own state."""

    def __init__(self, branch: BranchEntry, run: StepRunner) -> None:
        self._size = branch.clip.size
        self._name = branch.name
        self._stream = stream_of(branch)
        self._run = run

    def start(self) -> StreamState:
        """Initial state, before the first frame."""
        arrays = {name: np.zeros(shape, np.float32) for name, shape in self._stream.state.items()}
        return StreamState(0, arrays)

    def step(self, frame: UInt8Array, state: StreamState) -> tuple[Mapping[str, FloatArray] | None, StreamState]:
        """Process a frame.

        :param frame: uint8 of shape (size, size, 3).
        :param state: the state so far; not modified.
        :returns: ``features``, float32 (feature_dim,), and each head's logits, float32 (labels,), by its task; None
            if this frame yields no outputs. And the new state.
        """
        if frame.shape != (self._size, self._size, 3) or frame.dtype != np.uint8:
            raise InvalidInputError(
                f"frame of {self._name}: expected uint8 of shape ({self._size}, {self._size}, 3), "
                f"got {frame.dtype.name} of shape {frame.shape}"
            )
        arrays = {name: array[np.newaxis] for name, array in state.arrays.items()}
        outputs, remembered = self._run(frame[np.newaxis], arrays)
        after = StreamState(state.steps + 1, {name: array[0] for name, array in remembered.items()})
        if state.steps < self._stream.delay or (state.steps - self._stream.delay) % self._stream.stride:
            return None, after
        return {name: values[0] for name, values in outputs.items()}, after


def stream_of(branch: BranchEntry) -> StreamEntry:
    """The streaming entry of a branch.

    :raises InvalidInputError: the branch does not stream.
    """
    if branch.stream is None:
        raise InvalidInputError(f"branch {branch.name}: expected a streaming branch, got one for clips only")
    return branch.stream


def inputs_of_step(branch: BranchEntry) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape without the batch, and dtype, of each input of a branch's step graph, by name."""
    state = {f"state.{name}": (tuple(shape), "float32") for name, shape in stream_of(branch).state.items()}
    return {"frame": (branch.clip.shape[1:], "uint8"), **state}


def next_of(name: str) -> str:
    """Name of the step graph's output for a state of this name."""
    return f"next.{name}"
