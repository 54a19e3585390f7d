"""Probe of a clip: its problem, if it is unusable, its digest, and the colours of its pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import attrs
import av
import numpy as np
from PIL import Image

from fitsense._internal.atomic import atomic_path
from fitsense._internal.hashing import sha256
from fitsense.errors import SourceError
from fitsense.types import FloatArray, UInt8Array
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource

COLOURS = 8**3
"""Number of bins of the colour histogram."""

# Seconds of a clip that are decoded, and pixels of the short side.
_SPAN_S, _SHORT_SIDE = 20.0, 64
# Largest chroma that the histogram distinguishes; few colours in a room are stronger.
_CHROMA = 32
# Part of the cache key; change it when the result of a probe changes.
_VERSION = "1"


@attrs.frozen(eq=False)
class Probe:
    """Result of :func:`probe`.

    :param problem: why the clip is unusable; empty if it is usable.
    :param digest: hexadecimal sha256 of the file.
    :param colours: square roots of each colour's share in the pictures, float32 (COLOURS,); zeros with a problem.
    """

    problem: str
    digest: str
    colours: FloatArray


def probe(path: Path, cache: Path) -> Probe:
    """Probe a clip, or read the result of an earlier probe of the same file.

    :param cache: an existing folder for results.
    """
    try:
        stat = path.stat()
        key = f"{_VERSION} {av.__version__} {path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
        file = cache / f"{hashlib.sha256(key.encode()).hexdigest()}.npz"
        if file.is_file():
            with np.load(file, allow_pickle=False) as kept:
                return Probe(str(kept["problem"]), str(kept["digest"]), kept["colours"])
        digest = sha256(path)
    except OSError as error:
        # Not cached: it may be readable next time.
        return Probe(f"cannot be read: {error.strerror}", "", np.zeros(COLOURS, np.float32))
    problem, pictures = _watch(path)
    seen = Probe(problem, digest, np.zeros(COLOURS, np.float32) if problem else colours(pictures))
    with atomic_path(file) as temporary:
        np.savez(temporary, problem=np.array(seen.problem), digest=np.array(seen.digest), colours=seen.colours)
    return seen


def colours(pictures: Sequence[UInt8Array]) -> FloatArray:
    """Square roots of each colour's share in pictures, uint8 (height, width, 3) in RGB; their squares add up to 1.

    They do not depend on positions in the picture, and so neither on movement nor on mirroring.

    :returns: float32 (COLOURS,).
    """
    shares = np.zeros(COLOURS)
    for picture in pictures:
        luma, blue, red = np.moveaxis(np.asarray(Image.fromarray(picture).convert("YCbCr"), np.int64), 2, 0)
        blue, red = (np.clip((chroma - 128 + _CHROMA) * 8 // (2 * _CHROMA), 0, 7) for chroma in (blue, red))
        shares += np.bincount(((luma // 32 * 8 + blue) * 8 + red).ravel(), minlength=COLOURS) / luma.size
    return np.sqrt(shares / len(pictures)).astype(np.float32)


def _watch(path: Path) -> tuple[str, list[UInt8Array]]:
    """The problem of a clip, empty if there is none, and one picture per second."""
    frames, due_s, pictures = 0, -np.inf, []
    try:
        with VideoSource(path, DecodeConfig(short_side=_SHORT_SIDE)) as source:
            for frame in source:
                frames += 1
                if frame.time_s >= due_s:
                    pictures.append(frame.rgb)
                    due_s = frame.time_s + 1.0
                if frame.time_s > _SPAN_S:
                    break
            warning = source.warning
    except SourceError as error:
        return f"no video: {str(error).removeprefix(f'{path}: ')}", []
    # A clip that only ends early is usable.
    if warning is not None and warning.code == "source_damaged":
        return f"damaged: {warning.message}", []
    if frames < 2:
        return "a single picture: no exercise can be seen in it", []
    return "", pictures
