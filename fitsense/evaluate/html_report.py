"""The report of an evaluation as one HTML page that needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from fitsense.errors import FitsenseError
from fitsense.evaluate.task_metrics import MAIN
from fitsense.report.html import render
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource

# Pictures of a clip, their height in pixels, and their JPEG quality.
_STILLS, _HEIGHT, _QUALITY = 3, 96, 70


def write_page(report: Mapping[str, Any], folder: Path, path: Path) -> None:
    """Write :func:`page` to a file."""
    path.write_text(page(report, folder), "utf-8")


def page(report: Mapping[str, Any], folder: Path) -> str:
    """HTML of what :func:`fitsense.evaluate.run.evaluate` gives.

    :param folder: where the clips are; pictures of the worst ones are in the page.
    """
    values = {
        "tasks": {},
        **report,
        "main_metrics": MAIN,
        "called": _called(report["exercise"]["labels"], report["exercise"]["confusion"]),
        "stills": [stills(folder / clip["path"]) for clip in report["worst"]],
    }
    return render("fitsense.evaluate", values, {"figure": figure, "difference": difference, "range": range_of})


def figure(value: float | None) -> str:
    """Format a number with three decimals; a dash for None."""
    return "–" if value is None else f"{value:.3f}"


def difference(value: float | None) -> str:
    """Three decimals with a sign."""
    return "–" if value is None else f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def range_of(interval: Sequence[float] | None) -> str:
    """Both ends of an interval; nothing where there is none."""
    if interval is None:
        return ""
    low, high = (f"{end:.3f}".replace("-", "\N{MINUS SIGN}") for end in interval)
    return f"{low} to {high}"


def stills(path: Path) -> str | None:
    """A few pictures of a clip side by side, as a data URI of a JPEG; None where it cannot be read."""
    try:
        with VideoSource(path, DecodeConfig(short_side=_HEIGHT)) as frames:
            count = sum(1 for _ in frames)
        chosen = {round((2 * index + 1) / (2 * _STILLS) * (count - 1)) for index in range(_STILLS)}
        with VideoSource(path, DecodeConfig(short_side=_HEIGHT)) as frames:
            pictures = [Image.fromarray(frame.rgb) for index, frame in enumerate(frames) if index in chosen]
    except FitsenseError:
        return None
    # Upright pictures are scaled to this width; beside the others they should not be taller.
    for picture in pictures:
        picture.thumbnail((2 * _HEIGHT, _HEIGHT))
    strip = Image.new("RGB", (sum(picture.width for picture in pictures), max(p.height for p in pictures)))
    left = 0
    for picture in pictures:
        strip.paste(picture, (left, 0))
        left += picture.width
    encoded = io.BytesIO()
    strip.save(encoded, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"


def _called(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> dict[str, Any]:
    """The confusion matrix without what never occurs: rows are exercises with clips, columns also those that were
    answered."""
    rows = [index for index, row in enumerate(confusion) if any(row)]
    columns = [index for index in range(len(labels)) if index in rows or any(row[index] for row in confusion)]
    return {
        "columns": [labels[index] for index in columns],
        "rows": {labels[row]: [confusion[row][column] for column in columns] for row in rows},
    }
