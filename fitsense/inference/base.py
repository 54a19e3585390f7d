"""Protocols of loaded branches, and checks of their input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from fitsense.bundles.manifest import BranchEntry
from fitsense.errors import InvalidInputError
from fitsense.types import FloatArray

EVIDENCE = "evidence"
"""Name of the output of a branch that says how much of each clip shows what it looks for, see
:attr:`fitsense.Scores.evidence`."""


class BranchRunner(Protocol):
    """A loaded branch."""

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, FloatArray]:
        """Run a batch of clips.

        :param clips: uint8 of shape (clips, frames, size, size, 3); for a branch that takes observations, from
            :func:`fitsense.inference.observation.load_observer`, float32 of shape (clips, *observation).
        :returns: ``features``, float32 (clips, feature_dim), and each head's logits, float32 (clips, labels),
            by its task; of some branches on observations also :data:`EVIDENCE`, float32 (clips,).
        """
        ...


class JointRunner(Protocol):
    """Loaded branches that take the same clips."""

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, Mapping[str, FloatArray]]:
        """Run a batch of clips; outputs as for :class:`BranchRunner`, by branch name."""
        ...


def input_of(branch: BranchEntry) -> tuple[str, tuple[int, ...], str]:
    """Name, shape without the batch, and dtype of the input of a branch's graph."""
    if branch.observation is None:
        return "clip", branch.clip.shape, "uint8"
    return "observation", branch.observation.shape, "float32"


def check_input(clips: NDArray[Any], branch: BranchEntry) -> None:
    """Raise :class:`InvalidInputError` unless `clips` is a valid input batch of the branch's graph."""
    name, shape, dtype = input_of(branch)
    check_batch(clips, f"{name} of {branch.name}", shape, dtype)


def check_batch(batch: NDArray[Any], what: str, shape: tuple[int, ...], dtype: str) -> None:
    """Raise :class:`InvalidInputError` unless `batch` is of shape (clips, *shape) and of `dtype`."""
    if batch.ndim != len(shape) + 1 or batch.shape[1:] != shape or batch.dtype.name != dtype:
        raise InvalidInputError(
            f"{what}: expected {dtype} of shape (clips, {', '.join(map(str, shape))}), "
            f"got {batch.dtype.name} of shape {batch.shape}"
        )
