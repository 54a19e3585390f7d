"""Frames of samples, stored on disk and read by memory mapping.

Training reads the same clips in every epoch; decoding them each time would take most of its time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.atomic import atomic_path
from fitsense._internal.progress import ProgressBar, silent
from fitsense.data.manifest import Skipped
from fitsense.data.samples import Sample
from fitsense.errors import FitsenseError
from fitsense.imaging.resize import branch_images, scale, scaled_size
from fitsense.types import ClipSpec, FloatArray, Frame, TimeArray, UInt8Array

# Stored pictures per second: enough for windows at any speed.
RATE_HZ = 15.0
# Frames in one call of an observer.
_CHUNK = 4096


class Values(Protocol):
    """An array, in memory or on disk, whose entries are read by index."""

    def __getitem__(self, index: Any, /) -> NDArray[Any]: ...


@attrs.frozen(eq=False)
class Recording:
    """The stored frames of one sample.

    :param sample: the sample.
    :param times: ascending, float64 (frames,), in seconds.
    :param values: one entry for each frame: pictures, uint8 (frames, height, width, 3), or observations, float32
        (frames, ...).
    """

    sample: Sample
    times: TimeArray
    values: Values


class Recorder:
    """Stores one array entry for each frame of samples, in a folder.

    :param what: name of the stored kind of data; part of the file names.
    :param short_side: short side of decoded frames, in pixels.
    :param rate_hz: largest number of frames per second.
    :param compute: computes one array entry for each frame of a sample.
    """

    def __init__(
        self,
        folder: Path,
        what: str,
        short_side: int,
        rate_hz: float,
        compute: Callable[[Sequence[Frame]], NDArray[Any]],
    ) -> None:
        self._folder = folder
        self._what = what
        self._short_side = short_side
        self._rate_hz = rate_hz
        self._compute = compute
        folder.mkdir(parents=True, exist_ok=True)

    def record(
        self, samples: Sequence[Sample], description: str, track: ProgressBar = silent
    ) -> tuple[list[Recording], list[Skipped]]:
        """Record samples; also return those that cannot be read. What is stored, also by an interrupted run, is not
        computed again."""
        found, skipped = [], []
        for item in track(samples, description):
            try:
                found.append(self._recording(item))
            except FitsenseError as error:
                skipped.append(Skipped(item.name, str(error)))
        return found, skipped

    def _recording(self, sample: Sample) -> Recording:
        key = json.dumps([self._what, self._short_side, self._rate_hz, sample.key])
        stem = self._folder / hashlib.sha256(key.encode()).hexdigest()
        times, values = stem.with_suffix(".times.npy"), stem.with_suffix(".npy")
        if not values.is_file():
            with sample.open(self._short_side) as frames:
                kept = list(at_rate(frames, self._rate_hz))
            with atomic_path(times) as temporary:
                np.save(temporary, np.array([frame.time_s for frame in kept]))
            # The values last: they mark a complete recording.
            with atomic_path(values) as temporary:
                np.save(temporary, self._compute(kept))
        return Recording(sample, np.load(times), MappedArray(values))


class MappedArray:
    """An array in a file, mapped for each reading: a mapping keeps its file open, and systems limit open files to fewer
    than there are clips."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __getitem__(self, index: Any, /) -> NDArray[Any]:
        return np.asarray(np.load(self._file, mmap_mode="r")[index])


def pictures(folder: Path, short_side: int) -> Recorder:
    """Create a recorder of pictures, uint8 (height, width, 3), with a short side of `short_side` pixels."""

    def compute(frames: Sequence[Frame]) -> UInt8Array:
        height, width = frames[0].rgb.shape[:2]
        width, height = scaled_size(width, height, short_side)
        return np.stack([scale(frame.rgb, width, height) for frame in frames])

    return Recorder(folder, "pictures", short_side, RATE_HZ, compute)


def observations(folder: Path, what: str, spec: ClipSpec, observe: Callable[[UInt8Array], FloatArray]) -> Recorder:
    """Create a recorder of the observations of frames that are fitted to `spec`.

    :param what: name of the observer and its files.
    :param observe: maps uint8 (1, frames, size, size, 3) to float32 (1, frames, ...).
    """

    def compute(frames: Sequence[Frame]) -> FloatArray:
        fitted = [branch_images(frame.rgb, {"": spec})[""] for frame in frames]
        parts = [observe(np.stack(fitted[at : at + _CHUNK])[None])[0] for at in range(0, len(fitted), _CHUNK)]
        return np.concatenate(parts)

    # Observations cost more than pictures; half the rate suffices for clips of at most that rate.
    rate_hz = RATE_HZ / 2 if spec.rate_hz <= RATE_HZ / 2 else RATE_HZ
    return Recorder(folder, f"{what} {spec.size} {spec.fit}", spec.short_side, rate_hz, compute)


def at_rate(frames: Iterable[Frame], rate_hz: float) -> Iterator[Frame]:
    """Give at most `rate_hz` frames per second.

    :raises FitsenseError: there is no frame.
    """
    slot = None
    for frame in frames:
        # Rounding keeps all frames of clips of exactly that rate, even with rounded timestamps.
        here = round(frame.time_s * rate_hz)
        if here != slot:
            yield frame
            slot = here
    if slot is None:
        raise FitsenseError("no frames")
