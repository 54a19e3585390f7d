"""Training clips and held-out clips."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.data.samples import Sample
from fitsense.errors import InvalidInputError
from fitsense.experiments.base import Setting
from fitsense.experiments.dataset import ExperimentData, chosen
from tests.experiments.test_predictions import sample

clips = st.lists(st.builds(sample, st.sampled_from(["squat", "push_up"]), st.sampled_from("abcdef")), max_size=12)


@given(clips, st.one_of(st.none(), st.integers(1, 12)))
def test_chosen_returns_at_most_limit_in_order(pool: list[Sample], most: int | None) -> None:
    kept = chosen(pool, most)
    assert len(kept) == (len(pool) if most is None else min(len(pool), most))
    positions = [next(i for i, other in enumerate(pool) if other is item) for item in kept]
    assert positions == sorted(set(positions))


def test_chosen_prefers_rare_exercises() -> None:
    pool = [sample("squat", "a") for _ in range(96)] + [sample("push_up", str(scene)) for scene in range(4)]
    assert Counter(item.group for item in chosen(pool, 10))["push_up"] == 4


def test_experiment_data_ignores_test_split(setting: Setting) -> None:
    data = ExperimentData.of(setting)
    assert {item.split for item in data.training} == {"train"}
    assert {item.split for item in data.held_out} == {"val"}
    assert data.holdout == "the split val"


def test_experiment_data_without_val_holds_out_fold(setting: Setting, tmp_path: Path) -> None:
    rows = [
        f"{setting.data / f'{exercise}{index}.mp4'},{exercise},train,{index},{exercise} {index}"
        for exercise in ("squat", "push_up")
        for index in range(3)
    ]
    (tmp_path / "manifest.csv").write_text("\n".join(["path,group,split,fold,scene", *rows]))
    data = ExperimentData.of(attrs.evolve(setting, data=tmp_path))
    assert {item.fold for item in data.held_out} == {0}
    assert {item.fold for item in data.training} == {1, 2}
    assert data.holdout == "one fold of scenes"


def test_experiment_data_scene_in_train_and_test_is_refused(setting: Setting, tmp_path: Path) -> None:
    file = setting.data / "squat0.mp4"
    rows = "\n".join(["path,group,split,scene", f"{file},squat,train,a", f"{file},squat,test,a"])
    (tmp_path / "manifest.csv").write_text(rows)
    with pytest.raises(InvalidInputError, match="scene 'a' is in a split to train on and in test"):
        ExperimentData.of(attrs.evolve(setting, data=tmp_path))
