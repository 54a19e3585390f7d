"""Leaving a label out of a bundle, for the measurement of teaching."""

from __future__ import annotations

import numpy as np

import fitsense
from fitsense.bundles.bundle import Bundle
from tests.benchmarks.taught_exercises import Clips, left_out, lesson_of, measure


def test_left_out_bundle_has_no_trace_of_the_label(trained: Bundle) -> None:
    plugins = fitsense.PluginManager.discover()
    whole = lesson_of(str(trained.folder), plugins)
    without = left_out(whole, "squat")

    labels = without.manifest.labels.exercise
    assert labels == ("no_exercise", "unknown")
    rehearsal = without.statistics.rehearsal
    assert rehearsal.labels == labels
    assert len(rehearsal.targets) == (whole.statistics.rehearsal.targets != 1).sum()
    features = rehearsal.features["x3d"]
    np.testing.assert_allclose(
        without.heads["x3d"].logits(features), np.delete(whole.heads["x3d"].logits(features), 1, axis=1), rtol=1e-5
    )


def test_measure_teaches_each_exercise_back(trained: Bundle) -> None:
    plugins = fitsense.PluginManager.discover()
    whole = lesson_of(str(trained.folder), plugins)
    rehearsal = whole.statistics.rehearsal
    features, logits = rehearsal.features["x3d"][:, None], rehearsal.logits["x3d"][:, None]
    groups = np.array([rehearsal.labels[at] for at in rehearsal.targets])
    clips = Clips(groups, np.arange(len(groups)).astype(str), {"x3d": features}, {"x3d": logits})
    outcomes = measure(whole, clips, plugins, counts=(2,), draws=1)

    assert [(one.exercise, one.clips) for one in outcomes] == [("squat", 2)]
    assert 0 <= outcomes[0].named <= outcomes[0].found <= 1
