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
    """Clips to learn from, and others to measure on, of which no scene is among the former.

    :param held: what was held out, in words.
    """

    pool: Pool
    learned: Sequence[Sample]
    asked: Sequence[Sample]
    held: str

    @classmethod
    def of(cls, setting: Setting) -> ExperimentData:
        """The split ``val`` is held out where there is one, else a fold."""
        pool = pool_of(setting)
        by_val = any(item.split == "val" for item in pool.labelled)
        held = partitions(Recipe(validation="val" if by_val else "folds"), pool)[0]
        learned = [item for item in pool.labelled if not held.held(item)]
        return cls(
            pool,
            chosen(learned, setting.scale.clips),
            [item for item in pool.labelled if held.held(item)],
            "the split val" if by_val else "one fold of scenes",
        )


def pool_of(setting: Setting) -> Pool:
    """Real clips of the splits ``train`` and ``val``, of exercises that enough scenes show."""
    there = splits_of(setting.data)
    sources = Sources(
        setting.data,
        splits=("train", *(["val"] if "val" in there else [])),
        unknown_split=None,
        test_split="test" if "test" in there else None,
    )
    return read_pool(Recipe(synthetic_clips=0, min_scenes=setting.scale.min_scenes), sources)


def chosen(footage: Sequence[Sample], most: int | None) -> list[Sample]:
    """At most so many of them, drawn as training draws them: rare exercises and scenes of few clips come first."""
    if most is None or len(footage) <= most:
        return list(footage)
    weights = sampling_weights(footage, class_power=0.5)
    drawn = np.random.default_rng(0).choice(len(footage), most, replace=False, p=weights)
    return [footage[index] for index in sorted(drawn.tolist())]
