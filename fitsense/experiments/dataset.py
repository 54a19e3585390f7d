"""The clips of an experiment."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from fitsense.data.manifest import splits_of
from fitsense.data.samples import Sample
from fitsense.experiments.base import Setting
from fitsense.train.finetuning import sampling_weights
from fitsense.train.recipe import Recipe, Sources
from fitsense.train.training_set import Pool, partitions, read_pool


@attrs.frozen(eq=False)
class ExperimentData:
    """Clips for training and held-out clips, which share no scene.

    :param holdout: name of the held-out part, in words.
    """

    pool: Pool
    training: Sequence[Sample]
    held_out: Sequence[Sample]
    holdout: str

    @classmethod
    def of(cls, setting: Setting) -> ExperimentData:
        """Hold out the split ``val`` if there is one, else a fold."""
        pool = pool_of(setting)
        by_val = any(item.split == "val" for item in pool.labelled)
        held = partitions(Recipe(validation="val" if by_val else "folds"), pool)[0]
        training = [item for item in pool.labelled if not held.held(item)]
        return cls(
            pool,
            chosen(training, setting.scale.clips),
            [item for item in pool.labelled if held.held(item)],
            "the split val" if by_val else "one fold of scenes",
        )


def pool_of(setting: Setting) -> Pool:
    """Read the clips of the splits ``train`` and ``val``, without exercises of too few scenes."""
    there = splits_of(setting.data)
    sources = Sources(
        setting.data,
        splits=("train", *(["val"] if "val" in there else [])),
        unknown_split=None,
        test_split="test" if "test" in there else None,
    )
    return read_pool(Recipe(synthetic_clips=0, min_scenes=setting.scale.min_scenes), sources)


def chosen(samples: Sequence[Sample], limit: int | None) -> list[Sample]:
    """At most `limit` samples, drawn as in training: preferably of rare exercises and of scenes with few clips."""
    if limit is None or len(samples) <= limit:
        return list(samples)
    weights = sampling_weights(samples, class_power=0.5)
    drawn = np.random.default_rng(0).choice(len(samples), limit, replace=False, p=weights)
    return [samples[index] for index in sorted(drawn.tolist())]
