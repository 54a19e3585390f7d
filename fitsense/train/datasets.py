"""Windows of recordings as torch data. Importing this needs torch: import it lazily."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np
from torch.utils.data import DataLoader, Dataset, Sampler

from fitsense.data.frames import Recording
from fitsense.data.samples import Sample
from fitsense.data.task_targets import has_target, task_targets
from fitsense.train.clip_augmentation import augment, evenly_spaced, random_window, window_values
from fitsense.train.finetuning import TrainingData, TrainingTask, Tuning, drawing_weights
from fitsense.train.lightning_module import task_given, task_target

_VALIDATION_VIEWS = 2
"""Windows of each held-out clip."""


@attrs.frozen
class Process:
    """One of several training processes, each of which takes its share of every batch."""

    rank: int
    count: int


class TrainingWindows(Dataset[dict[str, Any]]):
    """An augmented window for each (recording, seed); a key always gives the same window."""

    def __init__(self, data: TrainingData, tuning: Tuning) -> None:
        self._data = data
        self._augmentation = tuning.augmentation

    def __len__(self) -> int:
        return len(self._data.recordings)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        position, seed = key
        data, recording = self._data, self._data.recordings[position]
        sample = recording.sample
        rng = np.random.default_rng(seed)
        if data.stored:
            window = recording.values[int(rng.integers(len(recording.times)))]
            return {"input": window.astype(np.float32), **_targets(data, sample)}
        chosen = random_window(recording, data.spec, self._augmentation, rng)
        values, crop = recording.values[chosen], None
        if values.dtype == np.uint8:
            values, crop = augment(values, data.spec, self._augmentation, rng)
        item = {"input": np.ascontiguousarray(values), **_targets(data, sample)}
        if data.landmarks is not None and crop is not None:
            item["landmarks"] = data.landmarks.landmarks(sample.key, recording.times[chosen], crop)
        if data.teachers:
            item["teacher_features"], item["teacher_probabilities"] = data.teachers[sample.key]
        return item


class ValidationWindows(Dataset[dict[str, Any]]):
    """A window for each (recording, view), as a session would crop it."""

    def __init__(self, data: TrainingData) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data.recordings)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        position, view = key
        data, recording = self._data, self._data.recordings[position]
        if data.stored:
            values = recording.values[view * data.stored // _VALIDATION_VIEWS].astype(np.float32)
        else:
            values = window_values(recording, evenly_spaced(recording, data.spec, _VALIDATION_VIEWS)[view], data.spec)
        return {"input": np.ascontiguousarray(values), **_targets(data, recording.sample)}


class TrainingSampler(Sampler[tuple[int, int]]):
    """Random keys of one process and epoch; an epoch always has the same keys, also after an interruption."""

    def __init__(self, data: TrainingData, tuning: Tuning, process: Process) -> None:
        self._process = process
        self._seed = tuning.seed
        self._weights = drawing_weights(data, tuning.class_power)
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this."""
        self._epoch = epoch

    def __len__(self) -> int:
        # All processes take the same number of steps.
        return len(self._weights) // self._process.count

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng([self._seed, self._epoch])
        count = len(self._weights)
        drawn = rng.choice(count, count, p=self._weights)
        keys = list(zip(drawn.tolist(), rng.integers(0, 2**31, count).tolist(), strict=True))
        return iter(keys[self._process.rank :: self._process.count][: len(self)])


class ValidationSampler(Sampler[tuple[int, int]]):
    """One process's share of all views of all recordings."""

    def __init__(self, recordings: Sequence[Recording], process: Process) -> None:
        keys = [(position, view) for position in range(len(recordings)) for view in range(_VALIDATION_VIEWS)]
        self._keys = keys[process.rank :: process.count]

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._keys)


def training_loader(data: TrainingData, tuning: Tuning, process: Process) -> DataLoader[dict[str, Any]]:
    """Batches of augmented windows."""
    return DataLoader(
        TrainingWindows(data, tuning),
        batch_size=tuning.batch_size // process.count,
        sampler=TrainingSampler(data, tuning, process),
        # Batch normalisation has no statistics in a last batch of one window.
        drop_last=len(data.recordings) > tuning.batch_size,
    )


def validation_loader(data: TrainingData, tuning: Tuning, process: Process) -> DataLoader[dict[str, Any]]:
    """Batches of evenly spaced windows."""
    return DataLoader(
        ValidationWindows(data),
        batch_size=tuning.batch_size // process.count,
        sampler=ValidationSampler(data.recordings, process),
    )


def _targets(data: TrainingData, sample: Sample) -> dict[str, Any]:
    return {
        "exercise": data.labels.exercise.index(sample.group),
        "muscles": np.array([sample.activation(group) for group in data.labels.muscles], dtype=np.float32),
        **{key: value for name, task in data.tasks.items() for key, value in _task(data, sample, name, task).items()},
    }


def _task(data: TrainingData, sample: Sample, name: str, task: TrainingTask) -> dict[str, Any]:
    """Target of a task that a plugin declares, and whether the sample has one."""
    labels, given = data.labels.of(name), has_target(sample, task.spec)
    if given:
        target = task_targets([sample], task.spec, labels)[0]
    else:
        target = np.int64(0) if task.spec.kind == "one_of_many" else np.zeros(len(labels), np.float32)
    return {task_target(name): target, task_given(name): np.float32(given)}
