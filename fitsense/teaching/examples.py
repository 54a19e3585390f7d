"""Windows of the clips of a new exercise, as the branches of a bundle see them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.progress import ProgressBar
from fitsense.data.clip_views import clip_views
from fitsense.data.manifest import Skipped
from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.inference.clip_person import track_clip
from fitsense.inference.model import Model
from fitsense.types import FloatArray
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource

# Windows of each clip, in the middles of equal parts of it.
_VIEWS = 4
# A clip shows one exercise; of a longer one, the rest would take minutes and gigabytes.
_LONGEST_S = 60.0


@attrs.frozen(eq=False)
class Examples:
    """Windows of clips.

    :param clips: which clip a window is of, int64 (windows,).
    :param outputs: by branch, its features and each head's logits by its task, float32 (windows, width).
    :param inputs: by branch, the windows of the first clip.
    :param skipped: clips that cannot be used, with the reason.
    """

    clips: NDArray[np.int64]
    outputs: Mapping[str, Mapping[str, FloatArray]]
    inputs: Mapping[str, NDArray[np.generic]]
    skipped: Sequence[Skipped]


def read_examples(model: Model, clips: Sequence[Path], track: ProgressBar) -> Examples:
    """Run the branches of a model on clips.

    :raises InvalidInputError: none of the clips can be used.
    """
    parts, numbers, skipped = [], [], []
    first: Mapping[str, NDArray[np.generic]] = {}
    for number, path in enumerate(track(clips, "Clips")):
        try:
            windows = _windows(model, path)
        except FitsenseError as error:
            skipped.append(Skipped(str(path), str(error).removeprefix(f"{path}: ")))
            continue
        first = first or windows
        parts.append(model.run(windows))
        numbers += [number] * _VIEWS
    if not parts:
        reasons = "; ".join(f"{one.path}: {one.reason}" for one in skipped)
        raise InvalidInputError(f"clips: expected at least one that can be used, got none ({reasons or 'no clips'})")
    outputs = {
        branch: {name: np.concatenate([part[branch][name] for part in parts]) for name in values}
        for branch, values in parts[0].items()
    }
    return Examples(np.array(numbers, np.int64), outputs, first, skipped)


def _windows(model: Model, path: Path) -> dict[str, NDArray[np.generic]]:
    with VideoSource(path, DecodeConfig(short_side=model.short_side)) as frames:
        shown = itertools.takewhile(lambda frame: frame.time_s <= _LONGEST_S, frames)
        windows = clip_views(shown, model.clips, _VIEWS, False, track_clip(model), inset=True)
    for name in model.pose_branches:
        if np.isnan(windows[name]).all():
            raise InvalidInputError(f"{path}: nobody was found in it")
    return dict(windows)
