"""Training of whole branches, on a network and samples small enough to train in a second."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import fitsense
from fitsense.bundles.manifest import Labels
from fitsense.data.frames import Recording, Values
from fitsense.inference.torch import run_module
from fitsense.nn.branch import join
from fitsense.train.clip_augmentation import Augmentation
from fitsense.train.finetuning import TrainingData, Tuning, predict, sampling_weights, tune
from fitsense.types import FloatArray
from tests.helpers import tiny_models

if TYPE_CHECKING:
    from torch import Tensor, nn

LABELS = Labels(tuple(sorted(tiny_models.COLOURS)), ("quads", "glutes", "biceps", "back"))
CONFIG = tiny_models.TinyConfig()
QUICK = Tuning(epochs=3, batch_size=8, learning_rate=0.02, ema_decay=0.0)
"""Nine steps over what :func:`taught` gives."""

State = Mapping[str, "Tensor"]


def taught(scenes: int = 8, first: int = 0) -> list[Recording]:
    return [
        tiny_models.recording(group, seed) for seed in range(first, first + scenes) for group in tiny_models.COLOURS
    ]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Limit torch to one thread, with which small networks are fastest."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def lesson() -> TrainingData:
    return TrainingData(taught(), CONFIG.clip(), LABELS)


@pytest.fixture(scope="module")
def held_out() -> list[Recording]:
    return taught(4, first=100)


@pytest.fixture(scope="module")
def plain(lesson: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> State:
    return trained(lesson, tmp_path_factory.mktemp("plain"))


def branch(dropout: float = 0.0, seed: int = 0) -> nn.Module:
    import torch

    torch.manual_seed(seed)
    head = fitsense.PluginManager.discover().head("heads/linear_exercise")
    assert isinstance(head, fitsense.plugins.HeadSpec)
    heads = {
        task: head.build(head.config(dropout=dropout), CONFIG.feature_dim(), getattr(LABELS, task))
        for task in ("exercise", "muscles")
    }
    return join(tiny_models.build(CONFIG), heads)


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def trained(
    lesson: TrainingData,
    folder: Path,
    tuning: Tuning = QUICK,
    held_out: Sequence[Recording] = (),
    **branch_options: Any,
) -> State:
    module = branch(**branch_options)
    tune(module, tiny_models.layers(module.backbone), lesson, held_out, tuning, folder)
    assert not module.training
    return state_of(module)


def same(one: State, other: State) -> bool:
    assert one.keys() == other.keys()
    return all(one[name].equal(other[name]) for name in one)


def changed(one: State, other: State) -> set[str]:
    return {name for name in one if not one[name].equal(other[name])}


def log(folder: Path) -> list[dict[str, str]]:
    lines = (folder / "log" / "metrics.csv").read_text().splitlines()
    return [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]


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
