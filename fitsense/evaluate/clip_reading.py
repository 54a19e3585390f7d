"""Reading of labelled clips for an evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from numpy.typing import NDArray

from fitsense.data.clip_views import clip_views
from fitsense.data.manifest import ClipItem, Skipped
from fitsense.errors import FitsenseError
from fitsense.inference.clip_person import track_clip
from fitsense.inference.model import Model
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource


def read_clips(
    model: Model, items: Iterable[ClipItem], skipped: list[Skipped], *, views: int, mirror: bool
) -> Iterator[tuple[ClipItem, dict[str, NDArray[Any]]]]:
    """Yield the windows of each clip, as :func:`clip_views` gives them for the branches of a model.

    :param skipped: takes the clips that cannot be read, with the reason.
    """
    for item in items:
        try:
            with VideoSource(item.path, DecodeConfig(short_side=model.short_side)) as frames:
                clips = clip_views(frames, model.clips, views, mirror, track_clip(model))
        except FitsenseError as error:
            skipped.append(Skipped(str(item.path), str(error).removeprefix(f"{item.path}: ")))
            continue
        yield item, clips
