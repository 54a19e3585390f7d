"""Rendered people: deterministic, anatomical, and with a truth that their pictures show."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitsense.catalogue import IDLE
from fitsense.errors import InvalidInputError
from fitsense.synthetic.figures import EXERCISES, Bout, FigureVideo, Interval, random_video, sample
from fitsense.synthetic.rendering import Appearance, Camera, Renderer
from fitsense.synthetic.skeleton import Pose, Proportions, stand

BONES = {
    "thigh": ("hip", "knee"),
    "shin": ("knee", "ankle"),
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "hand"),
}


def length(pose: Pose, one: str, other: str) -> float:
    return float(np.linalg.norm(pose[one] - pose[other]))


@settings(max_examples=40)
@given(st.sampled_from([*EXERCISES, IDLE]), st.integers(0, 50), st.floats(0, 6))
def test_bones_keep_their_length_and_feet_stay_above_the_floor(exercise: str, seed: int, time_s: float) -> None:
    video = random_video(exercise, seed)
    pose = video.pose(time_s)
    for bone, (start, end) in BONES.items():
        if exercise == "push_up" and bone in ("thigh", "shin"):
            continue  # straight legs, whose knee is only where they are drawn
        for side in "lr":
            actual = length(pose, f"{start}_{side}", f"{end}_{side}")
            assert actual == pytest.approx(video.body.metres(bone), rel=0.02), bone
    assert all(joint[1] > 0 for joint in pose.values())


def test_figure_video_ground_truth_is_exact() -> None:
    video = FigureVideo(bouts=(Bout(IDLE, 0, 2.0), Bout("squat", 3, 1.5), Bout("push_up", 2, 2.0)))
    assert video.segments == [Interval("squat", 3.0, 7.5), Interval("push_up", 8.5, 12.5)]
    assert [(r.exercise, r.start_s, r.end_s) for r in video.repetitions] == [
        ("squat", 3.0, 4.5),
        ("squat", 4.5, 6.0),
        ("squat", 6.0, 7.5),
        ("push_up", 8.5, 10.5),
        ("push_up", 10.5, 12.5),
    ]
    # The pelvis is lowest in the middle of a squat, and highest at its ends.
    heights = {t: video.pose(t)["pelvis"][1] for t in (3.0, 3.75, 4.5)}
    assert heights[3.75] < heights[3.0] - 0.3
    assert heights[4.5] == pytest.approx(heights[3.0])


def test_pictures_repeat_and_follow_from_the_parameters() -> None:
    video = FigureVideo(bouts=(Bout("squat", 1, 1.0),), rate_hz=4.0)
    first, again = list(video), list(video)
    assert len(first) == len(video) == 4
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)
    for change in (
        {"seed": 1},
        {"camera": Camera(azimuth_deg=120)},
        {"appearance": Appearance(shirt=(1.0, 0.0, 0.0))},
        {"body": Proportions(height_m=1.5)},
    ):
        assert (next(iter(attrs.evolve(video, **change))).rgb != first[0].rgb).any(), change
    assert first[0].rgb.shape == (182, 320, 3)


def test_renderer_figure_is_at_camera_target() -> None:
    body = Proportions()
    red = Appearance(shirt=(1.0, 0.0, 0.0), trousers=(1.0, 0.0, 0.0), skin=(1.0, 0.0, 0.0), shoes=(1.0, 0.0, 0.0))
    for azimuth in (0, 77, 180, -60):
        renderer = Renderer(Camera(azimuth_deg=azimuth, target=(0, 0.9, 0)), red, (120, 120))
        picture = renderer.draw(stand(body)).astype(int)
        figure = (picture[..., 0] > 80) & (picture[..., 1] < 30)
        rows, columns = np.nonzero(figure)
        assert figure.mean() > 0.02
        assert abs(columns.mean() - 60) < 6
        assert rows.max() - rows.min() > 50


def test_renderer_camera_inside_figure_draws() -> None:
    renderer = Renderer(Camera(distance_m=0.01, target=(0.0, 1.2, 0.0)), Appearance(), (40, 40))
    assert renderer.draw(stand(Proportions())).shape == (40, 40, 3)


def test_sample_has_three_exercises() -> None:
    assert [segment.exercise for segment in sample().segments] == ["squat", "push_up", "jumping_jack"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("moonwalk", 3, 1.0), "expected one of squat"), (("squat", 3, 0.0), "tempo_s > 0"), (("squat", -1, 1.0), ">= 0")],
)
def test_bouts_that_cannot_be_are_refused(arguments: tuple[str, int, float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Bout(*arguments)
