"""Files of statistics for teaching."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fitsense import BundleError
from fitsense.bundles.teaching import Rehearsal, TaughtClips, TeachingStatistics


def statistics(windows: int = 4, taught: int = 3) -> TeachingStatistics:
    rng = np.random.default_rng(0)

    def values(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return rng.normal(size=shape).astype(np.float32)

    return TeachingStatistics(
        heads={"pose": {"products": values(2, 2)}},
        rehearsal=Rehearsal(
            targets=np.array([0, 1, 0, 1]),
            labels=("squat", "row"),
            features={"pose": values(windows, 5)},
            logits={"pose": values(4, 2)},
        ),
        taught={"wall_ball": TaughtClips(np.array([0, 0, 1]), {"pose": values(taught, 5)}, {"pose": values(3, 3)})},
    )


def test_read_written_statistics_returns_them(tmp_path: Path) -> None:
    written = statistics()
    written.write(tmp_path / "teaching.safetensors")

    read = TeachingStatistics.read(tmp_path / "teaching.safetensors")
    assert read.rehearsal.labels == ("squat", "row")
    np.testing.assert_array_equal(read.rehearsal.targets, written.rehearsal.targets)
    np.testing.assert_array_equal(read.rehearsal.logits["pose"], written.rehearsal.logits["pose"])
    spread = np.ptp(written.rehearsal.features["pose"], axis=0).max()
    np.testing.assert_allclose(read.rehearsal.features["pose"], written.rehearsal.features["pose"], atol=spread / 255)
    np.testing.assert_allclose(
        read.taught["wall_ball"].features["pose"], written.taught["wall_ball"].features["pose"], rtol=1e-3
    )


@pytest.mark.parametrize("damaged", [statistics(windows=3), statistics(taught=2)])
def test_read_arrays_of_unequal_lengths_raises_bundle_error(damaged: TeachingStatistics, tmp_path: Path) -> None:
    damaged.write(tmp_path / "teaching.safetensors")
    with pytest.raises(BundleError, match="branch pose: expected as many rows in each array"):
        TeachingStatistics.read(tmp_path / "teaching.safetensors")
