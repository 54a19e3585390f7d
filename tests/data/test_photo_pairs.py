"""Pairs of photographs as samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fitsense.data.photo_pairs import read_photo_pairs
from fitsense.data.samples import NO_FOLD
from fitsense.errors import InvalidInputError


def folder(path: Path, *rows: str) -> Path:
    for number, shade in enumerate((40, 200)):
        Image.fromarray(np.full((30, 40, 3), shade, np.uint8)).save(path / f"squat_{number}.png")
    header = "first,second,exercise,group,muscles_primary,muscles_secondary"
    (path / "photo_pairs.csv").write_text("\n".join([header, *rows]))
    return path


def test_read_photo_pairs_gives_two_frames_of_one_size(tmp_path: Path) -> None:
    (pair,), skipped = read_photo_pairs(folder(tmp_path, "squat_0.png,squat_1.png,sissy_squat,squat,quads,glutes"))
    assert not skipped
    assert (pair.group, pair.exercise, pair.kind, pair.fold) == ("squat", "sissy_squat", "photos", NO_FOLD)
    assert (pair.activation("quads"), pair.activation("glutes"), pair.activation("abs")) == (1.0, 0.5, 0.0)
    with pair.open(24) as opened:
        first, second = opened
    assert first.rgb.shape == second.rgb.shape == (24, 32, 3)
    assert second.rgb.mean() > first.rgb.mean() + 100
    assert second.time_s > first.time_s


def test_read_photo_pairs_without_muscles_takes_those_of_the_catalogue(tmp_path: Path) -> None:
    (pair,), _ = read_photo_pairs(folder(tmp_path, "squat_0.png,squat_1.png,squat"))
    assert "quads" in pair.muscles


def test_read_photo_pairs_missing_file_is_skipped(tmp_path: Path) -> None:
    pairs, (skip,) = read_photo_pairs(folder(tmp_path, "squat_0.png,lost.png,squat"))
    assert not pairs
    assert (Path(skip.path).name, skip.reason) == ("lost.png", "no such file")


def test_read_photo_pairs_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"expected a photo_pairs\.csv"):
        read_photo_pairs(tmp_path)
