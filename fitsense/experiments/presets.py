"""Scales of experiments: networks, training and number of clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from fitsense.train.clip_augmentation import Augmentation
from fitsense.train.finetuning import Tuning


@attrs.frozen
class Network:
    """A backbone with its training.

    :param config: differences from the backbone's default configuration.
    """

    backbone: str
    config: Mapping[str, Any]
    tuning: Tuning


@attrs.frozen
class Scale:
    """The scale of experiments.

    :param x3d: X3D, trained as a whole.
    :param slowfast: SlowFast, trained as a whole.
    :param frozen: backbone with its default configuration, for experiments that fit heads alone.
    :param ratios: SlowFast's channel reduction ratios.
    :param views: windows of each clip for predictions.
    :param clips: largest number of clips to train whole networks on; None for all.
    :param min_scenes: smallest number of scenes of an exercise; others are left out.
    :param needs: requirements, in words; empty for none.
    """

    name: str
    x3d: Network
    slowfast: Network
    frozen: str
    ratios: tuple[int, ...]
    views: int = 4
    clips: int | None = None
    min_scenes: int = 5
    needs: str = ""

    def describe(self, network: Network) -> str:
        """Describe the training of a network, in words."""
        size = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in network.config.items())
        tuning = network.tuning
        clips = "all training clips" if self.clips is None else f"at most {self.clips} clips"
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
    frozen="x3d/s",
    ratios=(4, 8, 10, 16),
    clips=320,
)
"""Small clips, few of them, for few epochs: minutes on two CPU cores, to check that an experiment works."""

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
    frozen="x3d/m",
    ratios=(4, 6, 8, 10, 12, 16),
    views=10,
    min_scenes=1,
    needs="the scale of arXiv 2406.06703 needs a GPU, and Kaggle's Workout/Exercises Video data set, which fitsense "
    "dataset imports",
)
"""The set-up of arXiv 2406.06703: 32 frames at stride 2, 256 pixels, R50, 30 epochs of batches of 8, no augmentation.
It differs in the errors of that code, and in the schedule of the learning rate."""

SCALES = (SMALL, PAPER)
