"""Leaving a label out of a bundle, for the measurement of teaching."""

from __future__ import annotations

import numpy as np

import fitsense
from fitsense.bundles.bundle import Bundle
from tests.benchmarks.taught_exercises import left_out, lesson_of


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
