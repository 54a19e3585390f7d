"""Figures of scores that the test makes up, so that it knows what they should be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.catalogue import IDLE, load_catalogue
from fitsense.data.manifest import ClipItem
from fitsense.evaluate.scores import ClipScores
from fitsense.evaluate.summary import NO_GROUP, summarise
from fitsense.types import FloatArray, to_logits

FOLDER = Path("data")
VIEWS = 2


@attrs.frozen
class Maker:
    """Makes the scores of clips for a model.

    :param model: whose labels they are of.
    """

    model: fitsense.Model

    def probabilities(self, answer: str, sure: float) -> FloatArray:
        """`sure` for an answer; the rest is spread evenly over the others."""
        labels = self.model.labels.exercise
        spread = np.full(len(labels), (1 - sure) / (len(labels) - 1), dtype=np.float32)
        spread[labels.index(answer)] = sure
        return spread

    def clip(
        self,
        group: str,
        answer: str,
        sure: float = 0.8,
        *,
        scene: str | None = None,
        name: str = "clip",
        members: Mapping[str, str] | None = None,
        source: str = "",
        works: tuple[str, ...] | None = None,
    ) -> ClipScores:
        """A clip of a group that gets an answer, from the ensemble and from each of its members."""
        probabilities = self.probabilities(answer, sure)
        worked = load_catalogue().exercises[answer].muscles if answer != IDLE else ()
        muscles = np.array([0.9 if group_ in worked else 0.1 for group_ in self.model.labels.muscles], np.float32)
        # So that the bundle's temperature gives these probabilities back.
        logits = to_logits(probabilities, "softmax") * np.float32(self.model.manifest.calibration.temperature)
        return ClipScores(
            item=ClipItem(FOLDER / f"{name}.mp4", group, "test", scene or name, 0, source, works),
            exercise=probabilities,
            muscles=muscles,
            logits=np.tile(logits, (2 * VIEWS, 1)),
            members={
                "exercise": {
                    member: self.probabilities(said, sure) for member, said in (members or {"only": answer}).items()
                },
                "muscles": {"only": muscles},
            },
        )

    def report(self, clips: list[ClipScores]) -> dict[str, Any]:
        report = summarise(self.model, clips, FOLDER, VIEWS)
        assert json.loads(json.dumps(report, allow_nan=False)) == report, "what is not there is null, never NaN"
        return report


@pytest.fixture(scope="module")
def make(model: fitsense.Model) -> Maker:
    return Maker(model)


def test_summarise_exercises_have_exact_metrics(make: Maker) -> None:
    clips = [
        make.clip("squat", "squat", 0.9, scene="a", name="1"),
        make.clip("squat", "squat", 0.9, scene="a", name="2"),
        make.clip("squat", "lunge", 0.6, scene="b", name="3"),
        make.clip("push_up", "push_up", 0.7, name="4"),
        make.clip("plank", "push_up", 0.5, name="5"),
    ]
    exercise = make.report(clips)["exercise"]
    assert (exercise["clips"], exercise["groups"], exercise["top1"]) == (5, 3, 0.6)
    assert exercise["macro_recall"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    squat = exercise["by_group"]["squat"]
    assert (squat["clips"], squat["scenes"], squat["precision"]) == (3, 2, 1.0)
    assert squat["f1"] == pytest.approx(0.8)
    assert exercise["by_group"]["push_up"]["precision"] == 0.5
    assert exercise["by_group"]["plank"]["precision"] is None
    assert exercise["ece"] == pytest.approx((2 * 0.1 + 0.6 + 0.3 + 0.5) / 5, abs=1e-3)
    assert exercise["ece_windows"] == pytest.approx(exercise["ece"], abs=1e-3), "each window says what the clip does"
    assert exercise["ece_uncalibrated"] != pytest.approx(exercise["ece"], abs=1e-2)
    assert exercise["nll"] == pytest.approx(
        -np.mean(np.log([0.9, 0.9, 0.4 / 26, 0.7, 0.5 / 26])), rel=1e-3
    )  # fmt: skip


def test_summarise_muscles_of_correct_exercises_are_perfect(make: Maker) -> None:
    report = make.report([make.clip(group, group, name=group) for group in ("squat", "push_up", "bicep_curl")])
    muscles = report["muscles"]
    assert (muscles["map"], muscles["map_lookup"], muscles["map_over_lookup"]) == (1.0, 1.0, 0.0)
    assert report["intervals"]["muscles.map_over_lookup"] == [0.0, 0.0]
    for group, entry in muscles["by_group"].items():
        works = sum(group in load_catalogue().exercises[name].muscles for name in ("squat", "push_up", "bicep_curl"))
        assert entry["positives"] == works
        assert entry["f1"] == entry["average_precision"] == (1.0 if works else None)


def test_summarise_muscles_of_the_manifest_override_the_catalogue(make: Maker) -> None:
    clips = [make.clip("squat", "squat", name="1", works=("calves", "abs")), make.clip("plank", "plank", name="2")]
    by_group = make.report(clips)["muscles"]["by_group"]
    assert by_group["calves"]["positives"] == 1
    assert by_group["abs"]["positives"] == 2
    assert by_group["quads"]["positives"] == 0


def test_summarise_several_sources_are_reported_separately(make: Maker) -> None:
    clips = [make.clip("squat", "squat", name=str(index), source="gym & co") for index in range(3)]
    assert make.report(clips)["by_source"] == {}, "one source says nothing more"
    by_source = make.report([*clips, make.clip("squat", "lunge", name="4")])["by_source"]
    assert by_source == {"": {"clips": 1, "top1": 0.0}, "gym & co": {"clips": 3, "top1": 1.0}}


def test_summarise_intervals_contain_their_metrics(make: Maker) -> None:
    random = np.random.default_rng(2)
    labels = [label for label in make.model.labels.exercise if label != IDLE][:8]
    clips = []
    for index in range(60):
        truth = labels[index % 8]
        answer = truth if random.random() < 0.7 else labels[random.integers(8)]
        clips.append(make.clip(truth, answer, random.uniform(0.4, 0.95), name=str(index)))
    clips += [make.clip(IDLE, IDLE, name=f"idle{index}") for index in range(4)]
    clips += [make.clip("burpee", "squat", random.uniform(0.3, 0.6), name=f"burpee{index}") for index in range(4)]
    report = make.report(clips)
    for name, interval in report["intervals"].items():
        part, figure = name.split(".")
        assert interval is not None, name
        assert interval[0] <= report[part][figure] <= interval[1], name
    again = make.report([clips[index] for index in random.permutation(len(clips))])
    assert again["worst"] == report["worst"]
    assert again["unknown"] == report["unknown"]
    assert again["intervals"]["exercise.top1"] == pytest.approx(report["intervals"]["exercise.top1"])


def test_summarise_one_scene_has_metrics_without_intervals(make: Maker) -> None:
    report = make.report([make.clip("squat", "squat", scene="a"), make.clip("squat", "lunge", scene="a")])
    assert report["exercise"]["top1"] == 0.5
    assert set(report["intervals"].values()) == {None}


def test_summarise_ensemble_is_better_than_its_weaker_branch_only(make: Maker) -> None:
    names = ["squat", "push_up", "lunge", "plank", "row"] * 8
    clips = [
        make.clip(
            truth,
            truth,
            name=str(index),
            members={"poor": truth if index % 3 else "bench_press", "good": truth if index != 7 else "bench_press"},
        )
        for index, truth in enumerate(names)
    ]
    report = make.report(clips)
    assert report["branches"]["poor"]["exercise"]["top1"] == pytest.approx(26 / 40)
    assert report["branches"]["only"]["muscles"]["map"] == 1.0
    over = report["ensemble"]["over_branch"]
    assert set(over) == {"poor", "good"}, "the muscles' only member has nothing to be compared with"
    poor, good = (over[name]["exercise.top1"] for name in ("poor", "good"))
    assert poor["difference"] == pytest.approx(14 / 40)
    assert poor["better"]
    assert poor["interval"][0] > 0
    assert good["difference"] == pytest.approx(1 / 40)
    assert not good["better"], "one clip might be chance"


def test_summarise_confidence_separates_unknown_clips(make: Maker) -> None:
    known = [make.clip("squat", "squat", 0.9, name="1"), make.clip("lunge", "lunge", 0.5, name="2")]
    idle = make.clip(IDLE, IDLE, 0.9, name="3")
    foreign = make.clip("burpee", "squat", 0.7, name="4")
    nameless = make.clip("", "squat", 0.65, name="5")
    unknown = make.report([*known, idle, foreign, nameless])["unknown"]
    assert unknown["groups"] == {NO_GROUP: 1, "burpee": 1}
    assert unknown["auroc_idle"] == 1.0
    assert unknown["auroc_untrained"] == 0.5, "the surer one is above both, the less sure one below"
    assert unknown["auroc"] == pytest.approx(4 / 6)
    assert (unknown["named"], unknown["idle_named"], unknown["known_named"]) == (1.0, 0.0, 0.5)
    nothing = make.report(known)["unknown"]
    assert nothing["auroc"] is nothing["auroc_idle"] is nothing["auroc_untrained"] is None


def test_summarise_worst_clips_are_the_most_confident_errors(make: Maker) -> None:
    clips = [make.clip("squat", "lunge", 0.3 + index / 100, name=f"{index:02}") for index in range(30)]
    clips += [
        make.clip("squat", "squat", 0.99, name="right"),
        make.clip("burpee", IDLE, 0.99, name="idle"),
        make.clip("burpee", "squat", 0.95, name="foreign"),
        make.clip(IDLE, "squat", 0.9, name="not idle"),
    ]
    worst = make.report(clips)["worst"]
    assert len(worst) == 24
    assert [clip["path"] for clip in worst[:4]] == ["foreign.mp4", "not idle.mp4", "29.mp4", "28.mp4"]
    assert worst[0]["truth_probability"] is None
    assert (worst[2]["truth"], worst[2]["answer"]) == ("squat", "lunge")
    assert worst[2]["probability"] == pytest.approx(0.59)


def test_summarise_split_of_unknown_exercises_has_no_exercise_metrics(make: Maker) -> None:
    report = make.report([make.clip("burpee", "squat", name="1"), make.clip(IDLE, IDLE, name="2")])
    for part, figure in (("exercise", "top1"), ("exercise", "ece"), ("muscles", "map"), ("unknown", "auroc")):
        assert report[part][figure] is None
    assert report["branches"] == report["exercise"]["by_group"] == report["by_source"] == {}
    assert set(report["intervals"].values()) == {None}


def test_summarise_without_known_exercises_reports_muscles_of_unseen_ones(make: Maker) -> None:
    clips = [
        make.clip("zumba", "squat", name="1", works=load_catalogue().exercises["squat"].muscles),
        make.clip("", "push_up", name="2", works=("quads",)),
        make.clip("moonwalk", "push_up", name="3"),
    ]
    report = make.report(clips)
    assert (report["muscles"]["clips"], report["muscles"]["map"], report["exercise"]["top1"]) == (0, None, None)
    unseen = report["muscles"]["unseen"]
    assert unseen["clips"] == 2, "the muscles of the third are unknown"
    assert unseen["map"] == pytest.approx(1.0)
    assert unseen["map_lookup"] == pytest.approx(unseen["map"])


def test_summarise_keeps_unseen_exercises_out_of_the_known_figures(make: Maker) -> None:
    known = [make.clip("squat", "squat", name="1"), make.clip("push_up", "push_up", name="2")]
    unseen = [make.clip("zumba", "squat", name="3", works=("chest",))]
    alone, both = make.report(known)["muscles"], make.report(known + unseen)["muscles"]
    assert alone["unseen"] == {"clips": 0, "map": None, "map_lookup": None, "map_over_lookup": None}
    assert both["unseen"]["clips"] == 1
    assert {**both, "unseen": None} == {**alone, "unseen": None}
