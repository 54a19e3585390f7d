"""Frames that are kept: computed once, whole or not at all, thinned by time, and read without filling the memory."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fitsense.data.frames import RATE_HZ, Recorder, observations, pictures
from fitsense.data.manifest import ClipItem
from fitsense.data.samples import Sample, clips
from fitsense.imaging.resize import branch_images
from fitsense.synthetic.figures import FigureVideo
from fitsense.types import ClipSpec, FloatArray, Frame, UInt8Array
from tests.conftest import encode
from tests.helpers.tiny_models import make_sample


def shown(times: Iterable[float], key: str = "shown", size: tuple[int, int] = (6, 8)) -> Sample:
    """A sample of grey pictures at these times, each as bright as its index."""
    frames = [Frame(np.full((*size, 3), at % 256, np.uint8), time) for at, time in enumerate(times)]

    @contextmanager
    def open_frames(short_side: int) -> Iterator[Iterable[Frame]]:
        yield frames

    return make_sample("squat", key, key=key, open=open_frames)


def brightness(frames: Sequence[Frame]) -> NDArray[Any]:
    return np.array([frame.rgb[0, 0, 0] for frame in frames])


def refuse(frames: Sequence[Frame]) -> NDArray[Any]:
    raise AssertionError("it was computed again")


@pytest.fixture
def recorder(tmp_path: Path) -> Callable[..., Recorder]:
    def make(compute: Callable[[Sequence[Frame]], NDArray[Any]] = brightness, what: str = "brightness") -> Recorder:
        return Recorder(tmp_path / "kept", what, 6, RATE_HZ, compute)

    return make


def test_recorder_pictures_are_stored_at_size(squats_file: Path, tmp_path: Path) -> None:
    (clip,) = clips([ClipItem(squats_file, "squat", "train", "s", 0)])
    (recording,), skipped = pictures(tmp_path, 48).record([clip], "Frames")
    assert not skipped
    assert recording.sample is clip
    assert recording.times.tolist() == pytest.approx([i / 10 for i in range(len(recording.times))], abs=1e-3)
    assert len(recording.times) == 60
    one = recording.values[7]
    assert (one.shape, one.dtype.name) == ((48, 84, 3), "uint8")
    with clip.open(48) as frames:
        for at, frame in enumerate(frames):
            np.testing.assert_array_equal(recording.values[at], frame.rgb)
    assert recording.values[[3, 3, 59]].shape == (3, 48, 84, 3)


def test_recorder_larger_frames_are_scaled(squats: FigureVideo, tmp_path: Path) -> None:
    (recording,), _ = pictures(tmp_path, 32).record([shown([0, 1], size=(64, 96))], "Frames")
    assert recording.values[0].shape == (32, 48, 3)


def test_recorder_stored_sample_is_not_computed_again(recorder: Callable[..., Recorder]) -> None:
    items = [shown([0, 1, 2], "a"), shown([0, 1], "b")]
    first, _ = recorder().record(items, "Frames")
    again, _ = recorder(refuse).record(items, "Frames")
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.times, other.times)
        np.testing.assert_array_equal(one.values[:], other.values[:])
    with pytest.raises(AssertionError, match="again"):
        recorder(refuse, what="something else").record(items, "Frames")
    with pytest.raises(AssertionError, match="again"):
        recorder(refuse).record([attrs.evolve(items[0], key="a, changed")], "Frames")


def test_recorder_interrupted_keeps_complete_samples(recorder: Callable[..., Recorder]) -> None:
    items = [shown([0, 1], "a"), shown([0, 1, 2], "b")]

    def interrupted(frames: Sequence[Frame]) -> NDArray[Any]:
        if len(frames) == 3:
            raise KeyboardInterrupt
        return brightness(frames)

    with pytest.raises(KeyboardInterrupt):
        recorder(interrupted).record(items, "Frames")
    recorder(refuse).record(items[:1], "Frames")
    recordings, _ = recorder().record(items, "Frames")
    assert recordings[1].values[:].tolist() == [0, 1, 2]


def test_recorder_interrupted_write_leaves_no_file(
    recorder: Callable[..., Recorder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, save, written = shown([0, 1, 2]), np.save, []

    def half(file: Path, values: NDArray[Any]) -> None:
        save(file, values)
        written.append(len(values))
        if len(written) == 2:
            os.truncate(file, file.stat().st_size - 4)
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(np, "save", half)
        with pytest.raises(KeyboardInterrupt):
            recorder().record([item], "Frames")
    assert len(written) == 2, "times, and then values"
    recordings, skipped = recorder().record([item], "Frames")
    assert not skipped
    assert recordings[0].values[:].tolist() == [0, 1, 2]
    assert {file.suffix for file in (tmp_path / "kept").iterdir()} == {".npy"}


def test_recorder_unreadable_sample_is_skipped(
    squats: FigureVideo, tmp_path: Path, recorder: Callable[..., Recorder]
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    good = encode(tmp_path / "good.mp4", list(squats)[:3])
    items = clips([ClipItem(path, "squat", "train", "s", 0) for path in (broken, good)])
    found, skipped = pictures(tmp_path / "kept", 32).record([*items, shown([])], "Frames")
    assert [recording.sample.name for recording in found] == [str(good)]
    assert [(skip.path, skip.reason.removeprefix(f"{skip.path}: ")[:9]) for skip in skipped] == [
        (str(broken), "cannot be"),
        ("squat shown", "no frames"),
    ]


def test_recordings_keep_no_files_open(recorder: Callable[..., Recorder]) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[0]), before[1]))
    try:
        recordings, _ = recorder().record([shown([0, 1], f"{at}") for at in range(300)], "Frames")
        assert [recording.values[1] for recording in recordings] == [1] * 300
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


rates = st.floats(1, 120)


@given(rates, st.integers(2, 60), st.floats(0, 100))
def test_recorder_thins_by_time(
    tmp_path_factory: pytest.TempPathFactory, rate: float, count: int, start: float
) -> None:
    times = start + np.arange(count) / rate
    make = Recorder(tmp_path_factory.mktemp("kept"), "all", 6, RATE_HZ, brightness)
    (recording,), _ = make.record([shown(times)], "Frames")
    kept = recording.times
    assert kept[0] == times[0]
    assert set(kept) <= set(times)
    np.testing.assert_array_equal(recording.values[:], np.searchsorted(times, kept))
    if rate <= RATE_HZ:
        assert len(kept) == count, "what is slow enough is kept as it is"
    # No more than the rate, but for one at each end; and no hole that was not there.
    assert len(kept) <= (kept[-1] - kept[0]) * RATE_HZ + 2
    assert np.diff(kept).max(initial=0) <= 1 / RATE_HZ + 1 / rate + 1e-9


@given(st.integers(1, 200), st.integers(0, 500))
def test_recorder_rounded_timestamps_keep_all_frames(count: int, late_ms: int) -> None:
    from fitsense.data.frames import at_rate

    # As in a container that counts milliseconds.
    times = [round(1000 * at / RATE_HZ) / 1000 + round(late_ms / 1000 * RATE_HZ) / RATE_HZ for at in range(count)]
    frames = [Frame(np.zeros((1, 1, 3), np.uint8), time) for time in times]
    assert len(list(at_rate(frames, RATE_HZ))) == count


@pytest.mark.parametrize("spec", [ClipSpec(4, 4.0, 8, 8), ClipSpec(4, 10.0, 16, 6, fit="pad")])
def test_observations_use_fitted_frames(spec: ClipSpec, tmp_path: Path) -> None:
    item, asked = shown(np.arange(20) / 10, size=(12, 20)), []

    def observe(clip: UInt8Array) -> FloatArray:
        asked.append(clip.shape)
        return np.asarray(clip.mean(axis=(2, 3)), dtype=np.float32)

    (recording,), _ = observations(tmp_path, "mean", spec, observe).record([item], "Landmarks")
    kept = len(recording.times)
    assert asked == [(1, kept, spec.size, spec.size, 3)]
    # Half the rate for clips of at most that rate.
    assert kept == (20 if spec.rate_hz > RATE_HZ / 2 else 15)
    with item.open(0) as opened:
        frames = {frame.time_s: frame for frame in opened}
    for time, value in zip(recording.times, recording.values[:], strict=True):
        np.testing.assert_allclose(value, branch_images(frames[time].rgb, {"": spec})[""].mean(axis=(0, 1)), rtol=1e-6)

    def never(clip: UInt8Array) -> FloatArray:
        raise AssertionError("it was observed again")

    slower = attrs.evolve(spec, frames=9)
    (again,), _ = observations(tmp_path, "mean", slower, never).record([item], "Landmarks")
    np.testing.assert_array_equal(again.values[:], recording.values[:])
    with pytest.raises(AssertionError, match="again"):
        observations(tmp_path, "another", spec, never).record([item], "Landmarks")
    larger = attrs.evolve(spec, size=spec.size + 4, short_side=spec.size + 4)
    with pytest.raises(AssertionError, match="again"):
        observations(tmp_path, "mean", larger, never).record([item], "Landmarks")
