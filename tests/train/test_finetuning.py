"""Training of whole branches, on a network and samples small enough to train in a second."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import fitsense
from fitsense.data.frames import Recording, Values
from fitsense.inference.torch import run_module
from fitsense.train.finetuning import TrainingData, predict, sampling_weights, tune
from tests.helpers import tiny_models
from tests.helpers.tuning import CONFIG, LABELS, QUICK, State, branch, log, same, taught, trained

if TYPE_CHECKING:
    from torch import nn


pytestmark = pytest.mark.usefixtures("one_thread")


class Interrupting:
    """Values whose reader is interrupted when the count of readings left is used up."""

    def __init__(self, values: Values, left: Iterator[int]) -> None:
        self._values = values
        self._left = left

    def __getitem__(self, index: Any, /) -> NDArray[Any]:
        if next(self._left, None) is None:
            raise KeyboardInterrupt
        return self._values[index]


def interrupted(lesson: TrainingData, windows: int) -> TrainingData:
    """The same, but only so many windows can be read."""
    left = iter(range(windows))
    recordings = [attrs.evolve(one, values=Interrupting(one.values, left)) for one in lesson.recordings]
    return attrs.evolve(lesson, recordings=recordings)


def accuracy(module: nn.Module, recordings: Sequence[Recording]) -> float:
    said = predict(run_module(module), recordings, CONFIG.clip(), 2)
    answers = [LABELS.exercise[int(each["exercise"].mean(axis=0).argmax())] for each in said]
    return float(np.mean([one == two.sample.group for one, two in zip(answers, recordings, strict=True)]))


def test_tune_classifies_held_out_recordings(lesson: TrainingData, held_out: list[Recording], tmp_path: Path) -> None:
    module = branch()
    assert accuracy(module, held_out) <= 0.5
    tune(module, tiny_models.layers(module.backbone), lesson, held_out, attrs.evolve(QUICK, epochs=10), tmp_path)
    assert accuracy(module, held_out) >= 0.9, "by chance, a third"
    for recording, said in zip(held_out, predict(run_module(module), held_out, CONFIG.clip(), 2), strict=True):
        assert {name: values.shape for name, values in said.items()} == {
            "features": (2, CONFIG.feature_dim()),
            "exercise": (2, 3),
            "muscles": (2, 4),
        }
        if recording.sample.group == "row":
            assert said["muscles"][:, LABELS.muscles.index("biceps")].mean() > 0
        if recording.sample.group == "no_exercise":
            assert said["muscles"].mean() < 0
    told = [line["held_out_top1"] for line in log(tmp_path) if line["held_out_top1"]]
    assert len(told) == 10
    assert float(told[-1]) >= 0.9


def test_tune_same_seed_gives_the_same_weights(lesson: TrainingData, tmp_path: Path) -> None:
    first = trained(lesson, tmp_path / "one", dropout=0.3)
    assert same(first, trained(lesson, tmp_path / "other", dropout=0.3))
    other = trained(lesson, tmp_path / "third", attrs.evolve(QUICK, seed=1), dropout=0.3)
    assert not same(first, other)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_tune_interrupted_and_resumed_gives_the_same_weights(
    lesson: TrainingData, held_out: list[Recording], tmp_path: Path, average: float
) -> None:
    # All that draws lots: windows, mixing, dropping out.
    tuning = attrs.evolve(QUICK, epochs=6, mixup=0.4, ema_decay=average, frozen_epochs=2, patience=6)
    whole = trained(lesson, tmp_path / "whole", tuning, held_out, dropout=0.3)
    handler = signal.getsignal(signal.SIGINT)
    epoch = len(lesson.recordings)
    # In the middle of the third epoch, before the fourth, and in the middle of it.
    folder = tmp_path / "parts"
    for windows in (2 * epoch + 12, epoch, epoch // 2):
        module = branch(dropout=0.3)
        with pytest.raises(KeyboardInterrupt):
            tune(
                module,
                tiny_models.layers(module.backbone),
                interrupted(lesson, windows),
                held_out,
                tuning,
                tmp_path / "parts",
            )
        assert signal.getsignal(signal.SIGINT) is handler, "a second Ctrl-C is to be heeded too"
        assert (folder / "last.ckpt").exists()
    # Two of its six epochs are left.
    last = interrupted(lesson, 3 * epoch)
    assert same(whole, trained(last, folder, tuning, held_out, dropout=0.3))
    assert not (folder / "last.ckpt").exists()


def test_tune_interrupted_while_saving_resumes_to_the_same_weights(
    lesson: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch

    tuning = attrs.evolve(QUICK, ema_decay=0.9)
    whole = trained(lesson, tmp_path / "whole", tuning)

    def half(tensors: State, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(safetensors.torch, "save_file", half)
        with pytest.raises(KeyboardInterrupt):
            trained(lesson, tmp_path / "parts", tuning)
    assert same(whole, trained(lesson, tmp_path / "parts", tuning))


def test_tune_diverging_raises_and_writes_no_weights(lesson: TrainingData, tmp_path: Path) -> None:
    wild = attrs.evolve(QUICK, learning_rate=1e30, epochs=4)
    with pytest.raises(fitsense.FitsenseError, match=r"diverged in epoch \d of 4: .* got (nan|inf); lower learning_r"):
        trained(lesson, tmp_path, wild)
    assert not list(tmp_path.glob("*.safetensors"))


def test_tune_finished_run_is_reused(lesson: TrainingData, tmp_path: Path) -> None:
    first = trained(lesson, tmp_path)
    assert same(first, trained(interrupted(lesson, 0), tmp_path, seed=5))


def test_tune_without_improvement_stops_early(lesson: TrainingData, tmp_path: Path) -> None:
    wrong = [
        attrs.evolve(one, sample=attrs.evolve(one.sample, group=group))
        for one, group in zip(taught(3, first=50), ["row", "no_exercise", "squat"] * 3, strict=True)
    ]
    tuning = attrs.evolve(QUICK, epochs=40, patience=3)
    trained(lesson, tmp_path / "early", tuning, wrong)
    losses = [float(line["held_out_loss"]) for line in log(tmp_path / "early") if line["held_out_loss"]]
    assert len(losses) < 20
    assert len(losses) - 1 - int(np.argmin(losses)) == 3
    with pytest.raises(fitsense.InvalidInputError, match="patience: expected 0 where no clips are held out"):
        trained(lesson, tmp_path / "never", tuning)


clips = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), min_size=1, max_size=40)


@given(clips, st.floats(0, 1))
def test_sampling_weights_scenes_of_a_class_weigh_alike(chosen: list[tuple[str, int]], class_power: float) -> None:
    samples = [tiny_models.make_sample(group, f"{group}{scene}") for group, scene in chosen]
    weights = sampling_weights(samples, class_power)
    assert weights.sum() == pytest.approx(1)
    by_scene: dict[tuple[str, str], float] = {}
    for item, weight in zip(samples, weights, strict=True):
        by_scene[item.group, item.scene] = by_scene.get((item.group, item.scene), 0.0) + weight
    classes = {group: [weight for (of, _), weight in by_scene.items() if of == group] for group, _ in chosen}
    for scenes in classes.values():
        assert scenes == pytest.approx([scenes[0]] * len(scenes))
    # A class counts by its number of scenes, to that power.
    shares = {group: sum(scenes) / len(scenes) ** class_power for group, scenes in classes.items()}
    assert list(shares.values()) == pytest.approx([next(iter(shares.values()))] * len(shares))
