"""Additional tests of this plugin."""

from datetime import UTC, datetime

import numpy as np
import pytest
from fitsense import Event, InvalidInputError, RepetitionCompleted, Scores

from fitsense_template import backbone, form, fusion, milestones


def test_shift_features_depend_on_order():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = backbone.build(backbone.ShiftConfig(size=32, short_side=32))
    clip = torch.randint(0, 256, (1, 8, 32, 32, 3), dtype=torch.uint8)
    with torch.inference_mode():
        forwards, backwards = network(clip), network(clip.flip(1))
    # Without the shift they would be equal: features are a mean over pictures.
    assert (forwards - backwards).abs().max() > 0.01


def test_pool_fit_prefers_accurate_branch():
    labels = ("squat", "lunge", "no_exercise")
    targets = np.arange(60) % 3
    knows = Scores("exercise", labels, 3 * np.eye(3)[targets], "softmax")
    guesses = Scores("exercise", labels, np.random.default_rng(0).normal(0, 3, (60, 3)), "softmax")
    weights = fusion.fit(fusion.PoolConfig(), {"knows": knows, "guesses": guesses}, targets).weights
    assert weights["knows"] > 0.9
    assert sum(weights.values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("weights", [{"one": -1.0, "other": 2.0}, {"one": float("nan")}, {"one": 0.0, "other": 0.0}])
def test_pool_config_invalid_weights_are_refused(weights):
    with pytest.raises(InvalidInputError, match="weights: expected numbers >= 0"):
        fusion.PoolConfig(weights)


def test_milestone_comes_at_every_tenth_repetition():
    state, added = {}, []
    for at in range(24):
        data = RepetitionCompleted("squat" if at % 2 else "lunge", at + 1, at, at + 1, 1, 0.9)
        added += milestones.observe(Event("urn:here", at, datetime.now(UTC), data), state)
    assert [(one.data["exercise"], one.data["repetitions"]) for one in added] == [("lunge", 10), ("squat", 10)]


def test_the_worst_windows_decide_on_the_form():
    values = np.array([[0.9, 0.1, 0.0]] * 8 + [[0.1, 0.8, 0.1]] * 2, np.float32)
    over = form.TASK.over(values, np.ones(10))
    assert form.TASK.part(form.LABELS, over)["label"] == "shallow"
    assert form.TASK.part(form.LABELS, over)["ok"] is False
