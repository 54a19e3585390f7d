"""What runtimes share: the protocols of what is ready to run, and checks of its input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from numpy.typing import NDArray

from fitsense.bundles.manifest import BranchEntry
from fitsense.errors import InvalidInputError
from fitsense.types import FloatArray

if TYPE_CHECKING:
    pass


RuntimeName = Literal["openvino", "torch"]
RUNTIMES: tuple[RuntimeName, ...] = ("openvino", "torch")


class BranchRunner(Protocol):
    """A branch that is ready to run."""

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, FloatArray]:
        """Outputs of a batch of clips.

        :param clips: uint8 of shape (clips, frames, size, size, 3); for a branch that looks at observations, which
            come from :func:`fitsense.inference.observation.load_observer`, float32 of shape (clips, *observation).
        :returns: ``features``, float32 (clips, feature_dim), and each head's logits, float32 (clips, labels),
            by its task.
        """
        ...


class JointRunner(Protocol):
    """Branches that take the same clips, ready to run together."""

    def __call__(self, clips: NDArray[Any]) -> Mapping[str, Mapping[str, FloatArray]]:
        """Each branch's outputs of a batch of clips, by its name; as :class:`BranchRunner`."""
        ...


def input_of(branch: BranchEntry) -> tuple[str, tuple[int, ...], str]:
    """Name, shape without the batch, and dtype of what a branch's graph takes."""
    if branch.observation is None:
        return "clip", branch.clip.shape, "uint8"
    return "observation", branch.observation.shape, "float32"


def check_input(clips: NDArray[Any], branch: BranchEntry) -> None:
    """Raise :class:`InvalidInputError` unless `clips` is a batch that the branch's graph takes."""
    name, shape, dtype = input_of(branch)
    check_batch(clips, f"{name} of {branch.name}", shape, dtype)


def check_batch(batch: NDArray[Any], what: str, shape: tuple[int, ...], dtype: str) -> None:
    """Raise :class:`InvalidInputError` unless `batch` is of shape (clips, *shape) and of `dtype`."""
    if batch.ndim != len(shape) + 1 or batch.shape[1:] != shape or batch.dtype.name != dtype:
        raise InvalidInputError(
            f"{what}: expected {dtype} of shape (clips, {', '.join(map(str, shape))}), "
            f"got {batch.dtype.name} of shape {batch.shape}"
        )
