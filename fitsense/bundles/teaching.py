"""Statistics for teaching a bundle further exercises: one safetensors file of the bundle, which no session reads.

It contains what the heads that can be taught need of the training clips; windows that no head had been trained on,
with the exercise logits that each branch gave them (the rehearsal: thresholds are fitted again on them); and features
of the clips that were taught so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.tensor_file import read_tensors, write_tensors
from fitsense.errors import BundleError
from fitsense.types import FloatArray

FILE = "teaching.safetensors"

_LEVELS = 255
# In the order of the fields of TaughtClips.
_OF_TAUGHT = ("features", "logits")


@attrs.frozen(eq=False)
class Rehearsal:
    """Held-out windows of the training clips.

    :param targets: the label of each window, int64 (windows,), by its index in `labels`.
    :param labels: the labels when the bundle was trained.
    :param features: by branch, float32 (windows, feature_dim).
    :param logits: by branch, exercise logits by heads that were not trained on the windows, float32 (windows, labels).
        Teaching changes those of ``unknown``, of which it takes a part.
    """

    targets: NDArray[np.int64]
    labels: tuple[str, ...]
    features: Mapping[str, FloatArray]
    logits: Mapping[str, FloatArray]


@attrs.frozen(eq=False)
class TaughtClips:
    """Windows of the clips of a taught exercise.

    :param clips: which clip a window is of, int64 (windows,), from 0.
    :param features: by branch, float32 (windows, feature_dim).
    :param logits: by branch, exercise logits by a head that was taught from the other clips alone, float32 (windows,
        labels); NaN if there is only one clip. The labels are those of the bundle after the exercise was taught.
    """

    clips: NDArray[np.int64]
    features: Mapping[str, FloatArray]
    logits: Mapping[str, FloatArray]

    @property
    def count(self) -> int:
        """Number of clips."""
        return len(np.unique(self.clips))


@attrs.frozen(eq=False)
class TeachingStatistics:
    """Content of the file.

    :param heads: arrays of each branch's exercise head, by branch and name.
    :param taught: clips of the taught exercises, by exercise.
    """

    heads: Mapping[str, Mapping[str, NDArray[Any]]]
    rehearsal: Rehearsal
    taught: Mapping[str, TaughtClips] = attrs.field(factory=dict)

    def write(self, path: Path) -> None:
        """Write the file; features of the rehearsal are rounded to 255 levels each, other ones to float16."""
        tensors: dict[str, NDArray[Any]] = {
            "rehearsal/targets": self.rehearsal.targets.astype(np.int32),
            "rehearsal/labels": _bytes(",".join(self.rehearsal.labels)),
        }
        for branch, arrays in self.heads.items():
            tensors |= {f"heads/{branch}/{name}": array for name, array in arrays.items()}
            levels, low, step = _rounded(self.rehearsal.features[branch])
            tensors |= {
                f"rehearsal/{branch}/levels": levels,
                f"rehearsal/{branch}/low": low,
                f"rehearsal/{branch}/step": step,
                f"rehearsal/{branch}/logits": self.rehearsal.logits[branch].astype(np.float32),
            }
        for exercise, one in self.taught.items():
            tensors[f"taught/{exercise}/clips"] = one.clips.astype(np.int32)
            tensors |= {f"taught/{exercise}/features/{branch}": _half(each) for branch, each in one.features.items()}
            tensors |= {f"taught/{exercise}/logits/{branch}": each for branch, each in one.logits.items()}
        write_tensors(path, tensors)

    @classmethod
    def read(cls, path: Path) -> TeachingStatistics:
        """Read the file.

        :raises BundleError: it has other content.
        """
        try:
            return cls._of(read_tensors(path))
        except (ValueError, KeyError, OSError) as error:
            raise BundleError(f"{path}: expected statistics for teaching: {error}") from error

    @classmethod
    def _of(cls, tensors: Mapping[str, NDArray[Any]]) -> TeachingStatistics:
        heads: dict[str, dict[str, NDArray[Any]]] = {}
        taught: dict[str, dict[str, NDArray[Any]]] = {}
        for name, array in tensors.items():
            part, first, *rest = name.split("/")
            if part == "heads":
                heads.setdefault(first, {})["/".join(rest)] = array
            elif part == "taught":
                taught.setdefault(first, {})["/".join(rest)] = array
        rehearsal = Rehearsal(
            targets=tensors["rehearsal/targets"].astype(np.int64),
            labels=tuple(tensors["rehearsal/labels"].tobytes().decode().split(",")),
            features={branch: _exact(tensors, f"rehearsal/{branch}") for branch in heads},
            logits={branch: tensors[f"rehearsal/{branch}/logits"].astype(np.float32) for branch in heads},
        )
        clips = {
            exercise: TaughtClips(
                arrays["clips"].astype(np.int64),
                *({branch: arrays[f"{kind}/{branch}"].astype(np.float32) for branch in heads} for kind in _OF_TAUGHT),
            )
            for exercise, arrays in taught.items()
        }
        for branch in heads:
            _check_rows(branch, rehearsal.targets, rehearsal.features[branch], rehearsal.logits[branch])
            for one in clips.values():
                _check_rows(branch, one.clips, one.features[branch], one.logits[branch])
        return cls(heads, rehearsal, clips)


def _check_rows(branch: str, *arrays: NDArray[Any]) -> None:
    counts = [len(array) for array in arrays]
    if len(set(counts)) > 1:
        raise ValueError(f"branch {branch}: expected as many rows in each array, one a window, got {counts}")


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8).copy()


def _half(values: FloatArray) -> NDArray[np.float16]:
    limit = np.finfo(np.float16).max
    return np.clip(values, -limit, limit).astype(np.float16)


def _rounded(values: FloatArray) -> tuple[NDArray[np.uint8], FloatArray, FloatArray]:
    """Features as levels of their range, (windows, feature_dim), with the lowest one and the step of each feature."""
    low, high = values.min(axis=0), values.max(axis=0)
    step = np.where(high > low, (high - low) / _LEVELS, 1.0).astype(np.float32)
    return np.rint((values - low) / step).astype(np.uint8), low.astype(np.float32), step


def _exact(tensors: Mapping[str, NDArray[Any]], prefix: str) -> FloatArray:
    levels, low, step = (tensors[f"{prefix}/{name}"] for name in ("levels", "low", "step"))
    return np.asarray(levels * step + low, np.float32)
