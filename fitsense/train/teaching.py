"""Statistics that a trained bundle ships, so that it can be taught further exercises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fitsense.bundles.teaching import Rehearsal, TeachingStatistics
from fitsense.data.samples import Sample
from fitsense.train.trained_branch import FittedBranch, Outputs
from fitsense.types import FloatArray

# Windows of the rehearsal, of as many clips: what they add to a bundle is a fifth of what its weights are.
_WINDOWS = 136


def teaching_statistics(
    branches: Sequence[FittedBranch], samples: Sequence[Sample], labels: tuple[str, ...]
) -> TeachingStatistics | None:
    """Statistics of trained branches; None if an exercise head cannot be taught, or no clip was held out.

    :param samples: those that partitions hold out.
    :param labels: of exercises.
    """
    judging = [branch for branch in branches if any(head.task == "exercise" for head in branch.entry.heads)]
    held = [item for item in samples if all(item.key in branch.out_of_fold for branch in judging)]
    if not held or not all(branch.statistics for branch in judging):
        return None
    held.sort(key=lambda item: (item.group, item.scene, item.key))
    chosen = [held[at] for at in sorted({round(at) for at in np.linspace(0, len(held) - 1, _WINDOWS)})]
    outputs = {branch.entry.name: branch.out_of_fold for branch in judging}
    return TeachingStatistics(
        heads={branch.entry.name: branch.statistics for branch in judging},
        rehearsal=Rehearsal(
            targets=np.array([labels.index(item.group) for item in chosen], np.int64),
            labels=labels,
            features={name: _middle(of_clips, chosen, "features") for name, of_clips in outputs.items()},
            logits={name: _middle(of_clips, chosen, "exercise") for name, of_clips in outputs.items()},
        ),
    )


def _middle(of_clips: Mapping[str, Outputs], samples: Sequence[Sample], output: str) -> FloatArray:
    """An output for the middle window of each clip, float32 (clips, width)."""
    windows = [of_clips[item.key][output] for item in samples]
    return np.stack([each[len(each) // 2] for each in windows]).astype(np.float32)
