"""Evidence of a branch on BlazePose's landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from fitsense_pose import observe
from fitsense_pose.config import PoseConfig


@pytest.mark.parametrize(("seen", "expected"), [(0, 0.0), (2, 0.25), (3, 0.5625), (4, 1.0)])
def test_evidence_is_the_squared_share_of_frames_with_a_person(seen: int, expected: float) -> None:
    landmarks = np.zeros((1, 4, 33, 6), np.float32)
    landmarks[0, :seen, 0, 5] = 0.9
    evidence = observe.shown(PoseConfig(), landmarks)
    assert evidence.dtype == np.float32
    assert evidence.tolist() == [expected]
