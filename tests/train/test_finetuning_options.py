"""Options of training whole branches: what each changes, and what it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest

from fitsense.data.frames import Recording
from fitsense.inference.torch import run_module
from fitsense.train.clip_augmentation import Augmentation
from fitsense.train.finetuning import TrainingData, predict, tune
from fitsense.types import FloatArray
from tests.helpers import tiny_models
from tests.helpers.tuning import CONFIG, LABELS, QUICK, State, branch, changed, log, state_of, trained

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def plain(lesson: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> State:
    return trained(lesson, tmp_path_factory.mktemp("plain"))


def test_tune_frozen_layers_keep_their_weights(lesson: TrainingData, tmp_path: Path) -> None:
    start = state_of(branch())
    last = changed(start, trained(lesson, tmp_path / "last", attrs.evolve(QUICK, trainable_layers=1, ema_decay=0.9)))
    assert last == {name for name in start if name.startswith(("backbone.layers.1.", "heads."))}
    heads = changed(start, trained(lesson, tmp_path / "none", attrs.evolve(QUICK, trainable_layers=0)))
    assert heads == {name for name in start if name.startswith("heads.")}
    assert changed(start, trained(lesson, tmp_path / "all")) == set(start)


def test_tune_frozen_epochs_keep_the_backbone(lesson: TrainingData, tmp_path: Path) -> None:
    start = state_of(branch())
    tuning = attrs.evolve(QUICK, frozen_epochs=QUICK.epochs)
    frozen = changed(start, trained(lesson, tmp_path / "frozen", tuning))
    assert frozen == {name for name in start if name.startswith("heads.")}
    thawed = changed(start, trained(lesson, tmp_path / "thawed", attrs.evolve(tuning, epochs=QUICK.epochs + 1)))
    assert thawed == set(start)


def test_tune_without_batch_norm_keeps_its_statistics(lesson: TrainingData, tmp_path: Path) -> None:
    start = state_of(branch())
    kept = changed(start, trained(lesson, tmp_path, attrs.evolve(QUICK, batch_norm=False)))
    statistics = {name for name in start if "running_" in name or "num_batches" in name}
    assert len(statistics) == 6
    assert kept == set(start) - statistics, "what it scales by is learned all the same"


def test_tune_learning_rates_decay_by_layer(
    lesson: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    rates: list[list[float]] = []
    step = torch.optim.AdamW.step

    def watched(self: torch.optim.AdamW, *arguments: Any, **named: Any) -> Any:
        rates.append([group["lr"] for group in self.param_groups])
        return step(self, *arguments, **named)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    tuning = attrs.evolve(QUICK, epochs=10, learning_rate=0.01, backbone_rate=0.5, layer_decay=0.1)
    trained(lesson, tmp_path, tuning)
    seen = np.array(rates)
    assert seen.shape == (30, 3)
    np.testing.assert_allclose(seen, seen[:, :1] * [1, 0.5, 0.05], rtol=1e-6)
    peak = int(seen[:, 0].argmax())
    assert seen[peak, 0] == pytest.approx(0.01)
    assert 1 <= peak <= 3, "it rises over the first tenth"
    assert (np.diff(seen[peak:, 0]) < 0).all()
    assert seen[-1, 0] < 1e-5


@pytest.mark.parametrize("steps", [1, 2, 3, 9, 10, 11])
def test_tune_any_number_of_epochs_trains_the_heads(lesson: TrainingData, tmp_path: Path, steps: int) -> None:
    few = attrs.evolve(lesson, recordings=lesson.recordings[:6])
    start = state_of(branch())
    end = trained(few, tmp_path, attrs.evolve(QUICK, epochs=steps))
    assert changed(start, end) >= {name for name in start if name.startswith("heads.")}
    assert all(value.isfinite().all() for value in end.values())


def teachers(recordings: Sequence[Recording]) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Teachers that recognise colours, and mislabel every second clip."""
    random = np.random.default_rng(0)
    return {
        one.sample.key: (random.normal(size=5).astype(np.float32), np.eye(3, dtype=np.float32)[at % 3])
        for at, one in enumerate(recordings)
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"mixup": 0.5},
        {"muscles_loss": "asymmetric"},
        {"label_distillation": 0.5},
        {"label_distillation": 1.0, "mixup": 0.5},
        {"feature_distillation": 1.0},
        {"ema_decay": 0.9},
        {"label_smoothing": 0.0},
        {"muscles_weight": 2.0},
        {"exercise_weight": 0.5},
        {"weight_decay": 0.5},
        {"class_power": 1.0, "batch_size": 4},
        {"precision": "bf16-mixed"},
        {"augmentation": Augmentation(mirror=False)},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_tune_each_option_changes_the_weights(
    lesson: TrainingData, plain: State, tmp_path: Path, changes: dict[str, Any]
) -> None:
    taught_by = attrs.evolve(lesson, teachers=teachers(lesson.recordings))
    other = trained(taught_by, tmp_path, attrs.evolve(QUICK, **changes))
    assert "backbone.layers.0.0.weight" in changed(plain, other)
    assert all(value.isfinite().all() for value in other.values())
    assert all(value.dtype == plain[name].dtype for name, value in other.items())


def test_tune_exercise_weight_zero_trains_muscles_only(
    lesson: TrainingData, held_out: list[Recording], tmp_path: Path
) -> None:
    tuning = attrs.evolve(QUICK, epochs=6, exercise_weight=0.0, muscles_weight=1.0, patience=6)
    start = state_of(branch())
    end = trained(lesson, tmp_path, tuning, held_out)
    assert {name for name in start if name.startswith("heads.exercise")} == set(start) - changed(start, end)
    losses = [float(line["held_out_loss"]) for line in log(tmp_path) if line["held_out_loss"]]
    assert losses[-1] < 0.9 * losses[0], "what is watched is what is learned"
    assert "held_out_top1" not in log(tmp_path)[0]


def test_tune_held_out_recordings_need_no_teacher(
    lesson: TrainingData, held_out: list[Recording], tmp_path: Path
) -> None:
    taught_by = attrs.evolve(lesson, teachers=teachers(lesson.recordings))
    assert not {one.sample.key for one in held_out} & taught_by.teachers.keys()
    trained(taught_by, tmp_path, attrs.evolve(QUICK, label_distillation=0.5, feature_distillation=0.5), held_out)


def test_tune_label_distillation_imitates_the_teacher(lesson: TrainingData, tmp_path: Path) -> None:
    squat = LABELS.exercise.index("squat")
    answer = np.eye(3, dtype=np.float32)[squat]
    says_squat = {one.sample.key: (np.zeros(5, np.float32), answer) for one in lesson.recordings}
    module = branch()
    tuning = attrs.evolve(QUICK, epochs=6, label_distillation=1.0)
    tune(module, tiny_models.layers(module.backbone), attrs.evolve(lesson, teachers=says_squat), [], tuning, tmp_path)
    said = predict(run_module(module), lesson.recordings, CONFIG.clip(), 1)
    assert all(each["exercise"][0].argmax() == squat for each in said)


def test_tune_channels_last_weights_are_supported(lesson: TrainingData, tmp_path: Path) -> None:
    from torch import nn

    class Flat(nn.Module):
        """A network that has weights of every number of dimensions."""

        def __init__(self, backbone: Any) -> None:
            super().__init__()
            self.backbone = backbone
            self.flat = nn.Conv2d(CONFIG.feature_dim(), CONFIG.feature_dim(), 1)

        def forward(self, clips: Tensor) -> Tensor:
            features: Tensor = self.flat(self.backbone(clips)[:, :, None, None])
            return features.flatten(1)

    ends = []
    for channels_last in (False, True):
        module = branch()
        module.backbone = Flat(module.backbone)
        tuning = attrs.evolve(QUICK, epochs=2, channels_last=channels_last)
        tune(module, [module.backbone], lesson, [], tuning, tmp_path / str(channels_last))
        assert all(parameter.is_contiguous() for parameter in module.parameters())
        ends.append(state_of(module))
    for name, value in ends[0].items():
        np.testing.assert_allclose(value, ends[1][name], atol=2e-3, err_msg=name)
