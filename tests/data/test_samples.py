"""Samples: their keys, and opening them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import attrs
import numpy as np
import pytest

from fitsense.catalogue import IDLE, load_catalogue
from fitsense.data.manifest import ClipItem
from fitsense.data.samples import NO_FOLD, clips, synthetic_samples, worked_by
from fitsense.errors import SourceError
from fitsense.synthetic.figures import EXERCISES


@pytest.fixture
def item(squats_file: Path, tmp_path: Path) -> ClipItem:
    path = tmp_path / "squats.mp4"
    path.write_bytes(squats_file.read_bytes())
    return ClipItem(path, "squat", "train", "gym", 3, source="somebody")


def test_clips_match_manifest(item: ClipItem) -> None:
    (clip,) = clips([item])
    assert (clip.group, clip.scene, clip.fold, clip.split, clip.source) == ("squat", "gym", 3, "train", "somebody")
    assert clip.muscles == set(load_catalogue().exercises["squat"].muscles)
    (unsigned,) = clips([attrs.evolve(item, source="")])
    assert unsigned.source == "gym", "an unknown publisher is replaced by the scene"
    (labelled,) = clips([attrs.evolve(item, muscles=("abs",))])
    assert labelled.muscles == {"abs"}


def test_clips_open_at_requested_size(item: ClipItem) -> None:
    (clip,) = clips([item])
    with clip.open(48) as frames:
        first = next(iter(frames))
    assert min(first.rgb.shape[:2]) == 48
    item.path.unlink()
    with pytest.raises(SourceError, match="no such file"), clip.open(48):
        pass


def test_clips_key_depends_on_file(item: ClipItem, tmp_path: Path) -> None:
    key = clips([item])[0].key
    assert clips([attrs.evolve(item, group="row", fold=0)])[0].key == key, "pictures do not depend on labels"
    same = tmp_path / "again.mp4"
    same.symlink_to(item.path)
    assert clips([attrs.evolve(item, path=same)])[0].key == key, "a link is the file that it leads to"
    os.utime(item.path, ns=(1, 1))
    elsewhere = tmp_path / "elsewhere" / item.path.name
    elsewhere.parent.mkdir()
    shutil.copy(item.path, elsewhere)
    copied, touched = clips([attrs.evolve(item, path=elsewhere), item])
    assert copied.key == touched.key == key, "a copy has the same pictures, and so has what was only touched"
    changed = bytearray(item.path.read_bytes())
    changed[-1] ^= 1
    item.path.write_bytes(changed)
    assert clips([item])[0].key != key


def test_synthetic_samples_are_deterministic() -> None:
    made = synthetic_samples(2)
    assert made == synthetic_samples(2)
    assert {figure.group for figure in made} == {*EXERCISES, IDLE}
    assert len({figure.key for figure in made}) == len({figure.scene for figure in made}) == len(made) == 8
    assert all(figure.fold == NO_FOLD and not figure.split for figure in made)
    with made[0].open(32) as one, synthetic_samples(1)[0].open(32) as other:
        np.testing.assert_array_equal(next(iter(one)).rgb, next(iter(other)).rgb)


def test_worked_by_unknown_name_is_empty() -> None:
    assert worked_by("push_up") >= {"chest", "triceps"}
    assert worked_by(IDLE) == worked_by("moonwalk") == frozenset()
