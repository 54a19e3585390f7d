"""Figures of answers, against laws and against scikit-learn."""

from __future__ import annotations

from contextlib import nullcontext

import attrs
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, label_ranking_average_precision_score

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


def footage(group: str, scene: str) -> Sample:
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
    clips = [footage(group, scene) for group, scene in zip(groups, scenes, strict=True)]
    return Predictions.of(clips, LABELS, to_probabilities(exercise, "softmax"), to_probabilities(muscles, "sigmoid"))


def perfect(said: Predictions) -> Predictions:
    exercise = np.eye(len(said.labels.exercise), dtype=np.float32)[said.truth]
    return attrs.evolve(said, exercise=exercise, muscles=said.worked.astype(np.float32))


@given(answers())
def test_clips_of_no_exercise_are_not_measured(said: Predictions) -> None:
    assert all(item.group != "no_exercise" for item in said.footage)
    assert len(said.exercise) == len(said.muscles) == len(said.footage) == len(said.truth)


@given(answers())
def test_who_knows_everything_gets_full_marks(said: Predictions) -> None:
    for figure in figures(perfect(said), EXERCISE | MUSCLES | {"ranking": ranking_precision}, said.draws()).values():
        assert figure.value == 1
        assert figure.interval in (None, (1, 1))
    assert figures(perfect(said), {"": log_loss}, said.draws())[""].value is not None


@given(answers())
def test_nobody_is_ahead_of_himself_and_none_is_ahead_of_the_perfect(said: Predictions) -> None:
    measures = EXERCISE | MUSCLES | {"ranking": ranking_precision}
    draws = said.draws()
    for figure in differences(said, said, measures, draws).values():
        assert figure.value == 0
        assert figure.interval in (None, (0, 0))
    for figure in differences(said, perfect(said), measures, draws).values():
        assert figure.value is not None
        assert figure.value <= 0
        assert figure.interval is None or figure.interval[1] <= 1e-12


@given(answers())
def test_an_interval_needs_two_scenes(said: Predictions) -> None:
    many = len({item.scene for item in said.footage}) > 1
    assert (figures(said, EXERCISE, said.draws())["top-1"].interval is not None) == many


@given(answers())
def test_f1_and_ranking_agree_with_scikit_learn(said: Predictions) -> None:
    whole = np.ones((1, len(said.footage)))
    expected = f1_score(said.worked, said.muscles >= 0.5, average="micro", zero_division=0)
    assert micro_f1(whole, said)[0] == np.float64(expected) or abs(micro_f1(whole, said)[0] - expected) < 1e-12
    ranking = label_ranking_average_precision_score(said.worked, said.muscles)
    assert abs(ranking_precision(whole, said)[0] - ranking) < 1e-12


@given(answers())
def test_a_clip_that_counts_twice_is_as_good_as_two(said: Predictions) -> None:
    twice = attrs.evolve(
        said,
        footage=[*said.footage, said.footage[0]],
        exercise=np.concatenate([said.exercise, said.exercise[:1]]),
        muscles=np.concatenate([said.muscles, said.muscles[:1]]),
    )
    weights = np.ones((1, len(said.footage)))
    weights[0, 0] = 2
    for measure in [*EXERCISE.values(), *MUSCLES.values(), log_loss, ranking_precision]:
        assert np.allclose(measure(weights, said), measure(np.ones((1, len(twice.footage))), twice))


@given(arrays(np.float64, (4, 5), elements=st.floats(0, 1)), arrays(np.bool_, (4, 5)))
def test_a_ranking_without_anything_true_cannot_go_wrong(
    scores: np.ndarray[tuple[int, int], np.dtype[np.float64]], truth: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
) -> None:
    precision = precision_of_ranking(scores, truth)
    assert ((precision > 0) & (precision <= 1)).all()
    assert (precision[~truth.any(axis=1)] == 1).all()
