"""Features that are remembered."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

from fitsense.bundles.manifest import BranchEntry
from fitsense.data.samples import Sample
from fitsense.errors import SourceError
from fitsense.geometry import Region
from fitsense.train.features import Extractor, ViewPolicy
from fitsense.types import ClipSpec, FloatArray, Frame
from tests.helpers.tiny_models import make_sample

BRANCH = BranchEntry("tiny", "tiny/pictures", {}, ClipSpec(4, 4.0, 8, 8), 2, "g", "w", ())


def shown(key: str = "shown") -> Sample:
    """Two seconds that grow brighter, brightest on their left."""

    @contextmanager
    def open_frames(short_side: int) -> Iterator[Iterable[Frame]]:
        picture = np.arange(8, 0, -1, dtype=np.uint8)[None, :, None].repeat(8, axis=0).repeat(3, axis=2)
        yield [Frame(picture + at, at / 10) for at in range(20)]

    return make_sample("squat", key, key=key, open=open_frames)


def unreadable() -> Sample:
    @contextmanager
    def open_frames(short_side: int) -> Iterator[Iterable[Frame]]:
        raise SourceError("no video")
        yield []

    return make_sample("squat", "broken", key="broken", open=open_frames)


class Runner:
    """Sees how bright a clip is, and its left edge; counts how often it is asked."""

    def __init__(self) -> None:
        self.clips = 0

    def __call__(self, clips: NDArray[Any]) -> dict[str, FloatArray]:
        self.clips += len(clips)
        return {"features": np.stack([clips.mean(axis=(1, 2, 3, 4)), clips[:, 0, 0, 0, 0]], axis=1).astype(np.float32)}


def extractor(run: Runner, cache: Path, policy: ViewPolicy | None = None, fingerprint: str = "f") -> Extractor:
    return Extractor(run, BRANCH, policy or ViewPolicy(views=3), fingerprint, cache)


def test_extract_mirror_images_follow_their_windows(tmp_path: Path) -> None:
    found, skipped = extractor(Runner(), tmp_path).extract([shown(), unreadable()], "Features")
    assert [(skip.path, skip.reason) for skip in skipped] == [("squat broken", "no video")]
    seen = found["shown"]
    assert (seen.shape, seen.dtype.name) == ((6, 2), "float32")
    assert (np.diff(seen[:3, 0]) > 0).all(), "later windows are brighter"
    np.testing.assert_allclose(seen[3:, 0], seen[:3, 0])
    assert (seen[3:, 1] < seen[:3, 1]).all()


def test_extract_same_clips_again_reads_the_cache(tmp_path: Path) -> None:
    first, _ = extractor(Runner(), tmp_path).extract([shown()], "Features")
    again = Runner()
    kept, _ = extractor(again, tmp_path).extract([shown()], "Features")
    np.testing.assert_array_equal(first["shown"], kept["shown"])
    assert again.clips == 0
    for other in (
        extractor(again, tmp_path, ViewPolicy(views=2)),
        extractor(again, tmp_path, fingerprint="other weights"),
        Extractor(again, attrs.evolve(BRANCH, clip=ClipSpec(5, 4.0, 8, 8)), ViewPolicy(views=3), "f", tmp_path),
    ):
        before = again.clips
        other.extract([shown()], "Features")
        assert again.clips > before
    before = again.clips
    extractor(again, tmp_path).extract([shown("another")], "Features")
    assert again.clips > before


def test_extract_interrupted_leaves_no_partial_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = np.save

    def half(file: Path, values: NDArray[Any]) -> None:
        save(file, values)
        os.truncate(file, file.stat().st_size - 4)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(np, "save", half)
        with pytest.raises(KeyboardInterrupt):
            extractor(Runner(), tmp_path).extract([shown()], "Features")
    found, _ = extractor(Runner(), tmp_path).extract([shown()], "Features")
    assert found["shown"].shape == (6, 2)


class Corner:
    """A person in the left upper quarter of the picture."""

    def locate(self, frame: Frame) -> Region | None:
        return Region(0.0, 0.0, 0.3, 0.3)


def test_extract_person_branch_sees_the_square_around_the_person(tmp_path: Path) -> None:
    branch = attrs.evolve(BRANCH, clip=attrs.evolve(BRANCH.clip, fit="person"))

    def seen(people: Any, cache: Path) -> FloatArray:
        made = Extractor(Runner(), branch, ViewPolicy(views=2, mirror=False), "f", cache, lambda sample: people)
        return made.extract([shown()], "Features")[0]["shown"]

    centre, corner = seen(None, tmp_path / "centre"), seen(Corner(), tmp_path / "corner")
    # The picture is brightest on its left.
    assert (corner[:, 0] > centre[:, 0]).all()
