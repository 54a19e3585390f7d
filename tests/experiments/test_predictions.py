"""Figures of answers, against laws and against scikit-learn."""

from __future__ import annotations

from contextlib import nullcontext

import attrs
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fitsense.bundles.manifest import Labels
from fitsense.data.samples import Sample
from fitsense.experiments.predictions import (
    EXERCISE,
    MUSCLES,
    Predictions,
    differences,
    figures,
    log_loss,
    micro_f1,
    precision_of_ranking,
    ranking_precision,
)
from fitsense.types import to_probabilities

LABELS = Labels(("no_exercise", "squat", "push_up", "plank"), ("abs", "quads", "chest"))
WORKED = {"squat": {"quads"}, "push_up": {"chest", "abs"}, "plank": {"abs"}, "no_exercise": set()}


def sample(group: str, scene: str) -> Sample:
    return Sample(
        key=f"{group} {scene}",
        name=group,
        group=group,
        scene=scene,
        fold=0,
        split="train",
        source=scene,
        muscles=frozenset(WORKED[group]),
        open=lambda short_side: nullcontext([]),
    )


@st.composite
def answers(draw: st.DrawFn) -> Predictions:
    """Of up to eight clips, at least one of which shows an exercise."""
    groups = ["squat", *draw(st.lists(st.sampled_from(LABELS.exercise), max_size=7))]
    scenes = draw(st.lists(st.sampled_from("abc"), min_size=len(groups), max_size=len(groups)))
    floats = st.floats(-4, 4, width=32)
    exercise = draw(arrays(np.float32, (len(groups), 4), elements=floats))
    muscles = draw(arrays(np.float32, (len(groups), 3), elements=floats))
    clips = [sample(group, scene) for group, scene in zip(groups, scenes, strict=True)]
    return Predictions.of(clips, LABELS, to_probabilities(exercise, "softmax"), to_probabilities(muscles, "sigmoid"))


def perfect(predicted: Predictions) -> Predictions:
    exercise = np.eye(len(predicted.labels.exercise), dtype=np.float32)[predicted.truth]
    return attrs.evolve(predicted, exercise=exercise, muscles=predicted.worked.astype(np.float32))


@given(answers())
def test_predictions_leave_out_idle_clips(predicted: Predictions) -> None:
    assert all(item.group != "no_exercise" for item in predicted.samples)
    assert len(predicted.exercise) == len(predicted.muscles) == len(predicted.samples) == len(predicted.truth)


@given(answers())
def test_figures_perfect_predictions_are_one(predicted: Predictions) -> None:
    for figure in figures(
        perfect(predicted), EXERCISE | MUSCLES | {"ranking": ranking_precision}, predicted.draws()
    ).values():
        assert figure.value == 1
        assert figure.interval in (None, (1, 1))
    assert figures(perfect(predicted), {"": log_loss}, predicted.draws())[""].value is not None


@given(answers())
def test_differences_to_perfect_predictions_are_not_positive(predicted: Predictions) -> None:
    measures = EXERCISE | MUSCLES | {"ranking": ranking_precision}
    draws = predicted.draws()
    for figure in differences(predicted, predicted, measures, draws).values():
        assert figure.value == 0
        assert figure.interval in (None, (0, 0))
    for figure in differences(predicted, perfect(predicted), measures, draws).values():
        assert figure.value is not None
        assert figure.value <= 0
        assert figure.interval is None or figure.interval[1] <= 1e-12


@given(answers())
def test_figures_single_scene_has_no_interval(predicted: Predictions) -> None:
    many = len({item.scene for item in predicted.samples}) > 1
    assert (figures(predicted, EXERCISE, predicted.draws())["top-1"].interval is not None) == many


@given(answers())
def test_f1_and_ranking_agree_with_scikit_learn(predicted: Predictions) -> None:
    # Its import takes each worker most of a second.
    from sklearn.metrics import f1_score, label_ranking_average_precision_score

    whole = np.ones((1, len(predicted.samples)))
    expected = f1_score(predicted.worked, predicted.muscles >= 0.5, average="micro", zero_division=0)
    assert (
        micro_f1(whole, predicted)[0] == np.float64(expected) or abs(micro_f1(whole, predicted)[0] - expected) < 1e-12
    )
    ranking = label_ranking_average_precision_score(predicted.worked, predicted.muscles)
    assert abs(ranking_precision(whole, predicted)[0] - ranking) < 1e-12


@given(answers())
def test_measures_weight_two_equals_repeated_clip(predicted: Predictions) -> None:
    twice = attrs.evolve(
        predicted,
        samples=[*predicted.samples, predicted.samples[0]],
        exercise=np.concatenate([predicted.exercise, predicted.exercise[:1]]),
        muscles=np.concatenate([predicted.muscles, predicted.muscles[:1]]),
    )
    weights = np.ones((1, len(predicted.samples)))
    weights[0, 0] = 2
    for measure in [*EXERCISE.values(), *MUSCLES.values(), log_loss, ranking_precision]:
        assert np.allclose(measure(weights, predicted), measure(np.ones((1, len(twice.samples))), twice))


@given(arrays(np.float64, (4, 5), elements=st.floats(0, 1)), arrays(np.bool_, (4, 5)))
def test_precision_of_ranking_without_true_label_is_one(
    scores: np.ndarray[tuple[int, int], np.dtype[np.float64]], truth: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
) -> None:
    precision = precision_of_ranking(scores, truth)
    assert ((precision > 0) & (precision <= 1)).all()
    assert (precision[~truth.any(axis=1)] == 1).all()
