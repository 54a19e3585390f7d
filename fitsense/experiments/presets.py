"""How large experiments are run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from fitsense.train.clip_augmentation import Augmentation
from fitsense.train.finetuning import Tuning


@attrs.frozen
class Network:
    """A backbone, and how it is trained.

    :param config: what differs from the backbone's default configuration.
    """

    backbone: str
    config: Mapping[str, Any]
    tuning: Tuning


@attrs.frozen
class Scale:
    """How large experiments are run.

    :param x3d: where it is trained as a whole.
    :param slowfast: likewise.
    :param still: the backbone, as it is by default, whose features heads alone are fitted on.
    :param ratios: SlowFast's channel reduction ratios.
    :param views: windows of each clip that figures are of.
    :param clips: so many clips at most are trained on, where a network is trained as a whole; None for all.
    :param min_scenes: an exercise that fewer scenes show is left out.
    :param needs: what it takes to run it; empty for nothing in particular.
    """

    name: str
    x3d: Network
    slowfast: Network
    still: str
    ratios: tuple[int, ...]
    views: int = 4
    clips: int | None = None
    min_scenes: int = 5
    needs: str = ""

    def describe(self, network: Network) -> str:
        """How a network is trained, in words."""
        size = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in network.config.items())
        tuning = network.tuning
        clips = "all clips to learn from" if self.clips is None else f"at most {self.clips} clips"
        return (
            f"{network.backbone} ({size}), {tuning.epochs} epochs of {clips}, "
            f"batches of {tuning.batch_size}, learning rate {tuning.learning_rate:g}"
        )


_SMALL = Tuning(batch_size=16, learning_rate=2e-3, ema_decay=0.0)

SMALL = Scale(
    name="small",
    x3d=Network("x3d/xs", {"frames": 4, "size": 96, "short_side": 109}, attrs.evolve(_SMALL, epochs=4)),
    slowfast=Network(
        "slowfast/small",
        {"frames": 8, "rate_hz": 4.0, "size": 96, "short_side": 109},
        attrs.evolve(_SMALL, epochs=12),
    ),
    still="x3d/s",
    ratios=(4, 8, 10, 16),
    clips=320,
)
"""Small clips, few of them, for few epochs: minutes on two CPU cores. It shows that an experiment works."""

_PAPER = Tuning(
    epochs=30,
    batch_size=8,
    learning_rate=1e-4,
    weight_decay=0.0,
    label_smoothing=0.0,
    muscles_weight=1.0,
    ema_decay=0.0,
    class_power=1.0,
    augmentation=Augmentation(speed=0.0, zoom=1.0, shift=0.0, light=0.0, colour=0.0, mirror=False),
)
_CLIP = {"frames": 32, "rate_hz": 15.0, "size": 256, "short_side": 256}

PAPER = Scale(
    name="paper",
    x3d=Network("x3d/m", _CLIP, _PAPER),
    slowfast=Network("slowfast/r50", _CLIP, _PAPER),
    still="x3d/m",
    ratios=(4, 6, 8, 10, 12, 16),
    views=10,
    min_scenes=1,
    needs="the scale of arXiv 2406.06703 needs a GPU, and Kaggle's Workout/Exercises Video data set, which fitsense "
    "dataset imports",
)
"""The set-up of arXiv 2406.06703: 32 frames at stride 2, 256 pixels, R50, 30 epochs of batches of 8, no augmentation.
What differs is what that code did wrong, and the learning rate, which rises and falls."""

SCALES = (SMALL, PAPER)
