"""Frames of labelled footage, kept on disk and read by memory mapping.

Training looks at the same clips again and again; decoding them each time would take most of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.data.footage import Footage
from fitsense.data.manifest import Skipped
from fitsense.errors import FitsenseError
from fitsense.pictures import scale, scaled_size, views
from fitsense.progress import Track, silent
from fitsense.types import ClipSpec, FloatArray, Frame, TimeArray, UInt8Array

# Pictures a second that are kept: no network samples finer than half of it can tell.
RATE_HZ = 15.0
# Frames that an observer is given at once.
_CHUNK = 4096


@attrs.frozen(eq=False)
class Recording:
    """What was kept of one footage.

    :param footage: of what.
    :param times: ascending, float64 (frames,), in seconds.
    :param values: one entry for each frame: pictures, uint8 (frames, height, width, 3), or observations, float32
        (frames, ...).
    """

    footage: Footage
    times: TimeArray
    values: NDArray[Any]


class Recorder:
    """Keeps something for each frame of footage in a folder.

    :param what: stands for what is kept; another one means other files.
    :param short_side: what pictures are scaled to, in pixels.
    :param compute: from a footage's frames, at most ``RATE_HZ`` a second, to one array entry for each.
    """

    def __init__(
        self, folder: Path, what: str, short_side: int, compute: Callable[[Sequence[Frame]], NDArray[Any]]
    ) -> None:
        self._folder = folder
        self._what = what
        self._short_side = short_side
        self._compute = compute
        folder.mkdir(parents=True, exist_ok=True)

    def record(
        self, footage: Sequence[Footage], description: str, track: Track = silent
    ) -> tuple[list[Recording], list[Skipped]]:
        """Everything of `footage` that can be read, and what cannot, with the reason. What was kept before, also by
        a run that was interrupted, is not computed again."""
        found, skipped = [], []
        for item in track(footage, description):
            try:
                found.append(self._recording(item))
            except FitsenseError as error:
                skipped.append(Skipped(item.name, str(error)))
        return found, skipped

    def _recording(self, footage: Footage) -> Recording:
        key = json.dumps([self._what, self._short_side, RATE_HZ, footage.key])
        stem = self._folder / hashlib.sha256(key.encode()).hexdigest()
        times, values = stem.with_suffix(".times.npy"), stem.with_suffix(".npy")
        if not values.is_file():
            with footage.open(self._short_side) as frames:
                kept = _thinned(frames)
            _write(times, np.array([frame.time_s for frame in kept]))
            # The values last: where they are, all is.
            _write(values, self._compute(kept))
        return Recording(footage, np.load(times), np.load(values, mmap_mode="r"))


def pictures(folder: Path, short_side: int) -> Recorder:
    """A recorder of pictures, uint8 (height, width, 3), whose short side is `short_side` pixels."""

    def compute(frames: Sequence[Frame]) -> UInt8Array:
        height, width = frames[0].rgb.shape[:2]
        width, height = scaled_size(width, height, short_side)
        return np.stack([scale(frame.rgb, width, height) for frame in frames])

    return Recorder(folder, "pictures", short_side, compute)


def observations(folder: Path, what: str, spec: ClipSpec, observe: Callable[[UInt8Array], FloatArray]) -> Recorder:
    """A recorder of what `observe` makes of frames as `spec` fits them.

    :param what: stands for the observer and its files.
    :param observe: from uint8 (1, frames, size, size, 3) to float32 (1, frames, ...).
    """

    def compute(frames: Sequence[Frame]) -> FloatArray:
        fitted = [views(frame.rgb, {"": spec})[""] for frame in frames]
        parts = [observe(np.stack(fitted[at : at + _CHUNK])[None])[0] for at in range(0, len(fitted), _CHUNK)]
        return np.concatenate(parts)

    return Recorder(folder, f"{what} {json.dumps(attrs.asdict(spec))}", spec.short_side, compute)


def _thinned(frames: Iterable[Frame]) -> list[Frame]:
    """At most ``RATE_HZ`` frames a second, and at least one."""
    kept: list[Frame] = []
    slot = None
    for frame in frames:
        # Clips of exactly that rate keep all their frames, whatever their timestamps were rounded to.
        here = round(frame.time_s * RATE_HZ)
        if here != slot:
            kept.append(frame)
            slot = here
    if not kept:
        raise FitsenseError("no frames")
    return kept


def _write(path: Path, values: NDArray[Any]) -> None:
    """Whole or not at all, whenever it is interrupted."""
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as stream:
        np.save(stream, values)
    temporary.replace(path)
