"""Temperature and threshold do what they are for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.train.calibration import calibration, log_loss, naming_threshold, temperature
from fitsense.types import to_probabilities

LABELS = ("no_exercise", "row", "squat")


def test_temperature_of_overconfident_logits_restores_calibration() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (3000, 1, 3)).astype(np.float32)
    truth = np.array(
        [
            random.choice(
                3,
                p=to_probabilities(clip[0], "softmax").astype(float)
                / to_probabilities(clip[0], "softmax").sum(dtype=float),
            )
            for clip in logits
        ]
    )
    assert abs(temperature(list(logits), truth) - 1.0) < 0.12
    assert abs(temperature(list(3 * logits), truth) - 3.0) < 0.3


def test_temperature_with_a_few_windows_wrong_by_far_suits_the_others() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 1.5, (2000, 1, 3)).astype(np.float32)
    chances = to_probabilities(logits[:, 0], "softmax").astype(float)
    truth = np.array([random.choice(3, p=one / one.sum()) for one in chances])
    # One in fifty is sure of something else.
    logits[:40] = 0.0
    logits[np.arange(40), 0, (truth[:40] + 1) % 3] = 40.0
    assert abs(temperature(list(logits), truth) - 1.0) < 0.15
    plain = min(np.geomspace(0.5, 20.0, 60), key=lambda value: log_loss(list(logits), truth, value))
    assert plain > 1.5, "the log loss alone follows the fiftieth"


def test_naming_threshold_is_the_confidence_above_which_labels_are_correct() -> None:
    known = [np.array([0.0, p, 1 - p]) for p in np.linspace(0.5, 1.0, 200)]
    # Right above .7, wrong below.
    truth = ["row" if p >= 0.7 else "squat" for p in np.linspace(0.5, 1.0, 200)]
    enter, named, right = naming_threshold(known, truth, [], LABELS, error_cost=1.0)
    assert 0.69 <= enter <= 0.71
    assert 0.55 < named < 0.65
    assert right > 0.97


def test_naming_threshold_with_unknown_clips_is_higher() -> None:
    known = [np.array([0.0, p, 1 - p]) for p in np.linspace(0.5, 1.0, 100)]
    foreign = [np.array([0.0, p, 1 - p]) for p in np.linspace(0.5, 0.8, 300)]
    low, _, _ = naming_threshold(known, ["row"] * 100, [], LABELS, error_cost=1.0)
    high, _, _ = naming_threshold(known, ["row"] * 100, foreign, LABELS, error_cost=1.0)
    assert high > low + 0.2


def test_naming_threshold_with_share_weighs_a_sample_of_known_clips() -> None:
    random = np.random.default_rng(0)
    known = [np.array([0.0, p, 1 - p]) for p in random.uniform(0.5, 1.0, 800)]
    foreign = [np.array([0.0, p, 1 - p]) for p in np.linspace(0.5, 0.8, 300)]
    everything = naming_threshold(known, ["row"] * 800, foreign, LABELS, error_cost=1.0)
    tenth = naming_threshold(known[:80], ["row"] * 80, foreign, LABELS, error_cost=1.0, share=0.1)
    unweighted = naming_threshold(known[:80], ["row"] * 80, foreign, LABELS, error_cost=1.0)
    assert abs(everything[0] - tenth[0]) <= 0.02
    assert unweighted[0] > everything[0] + 0.2


def test_naming_threshold_of_idle_clips_names_none() -> None:
    idle = [np.array([0.9, 0.1, 0.0])] * 10
    _, named, _ = naming_threshold(idle, ["no_exercise"] * 10, [], LABELS, error_cost=1.0)
    assert named == 0.0


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2)), min_size=1, max_size=8), st.floats(0.1, 5))
def test_log_loss_clips_with_any_number_of_windows_count_alike(clips: list[tuple[int, int]], divisor: float) -> None:
    random = np.random.default_rng(len(clips))
    logits = [random.normal(0, 2, (views, 3)).astype(np.float32) for views, _ in clips]
    truth = np.array([target for _, target in clips])
    each = [log_loss([clip], truth[at : at + 1], divisor) for at, clip in enumerate(logits)]
    assert log_loss(logits, truth, divisor) == pytest.approx(np.mean(each), rel=1e-4, abs=1e-6)
    for clip, target, loss in zip(logits, truth, each, strict=True):
        expected = -np.mean(np.log(to_probabilities(clip / np.float32(divisor), "softmax")[:, target] + 1e-9))
        assert loss == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_calibration_exit_threshold_is_well_below_enter() -> None:
    fitted = calibration(1.5, 0.6)
    assert (fitted.temperature, fitted.enter) == (1.5, 0.6)
    assert 0.3 < fitted.exit < 0.5
