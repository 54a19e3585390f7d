"""Trains a tiny branch as one of two processes: ``python -m torch.distributed.run … -m tests.train.two_processes``."""

from __future__ import annotations

import sys
from pathlib import Path

import attrs
import torch

from fitsense.train.finetuning import DistributedConfig, TrainingData, rank, tune
from tests.helpers import tiny_models
from tests.helpers.tuning import CONFIG, LABELS, QUICK, branch, taught

TUNING = attrs.evolve(QUICK, epochs=4, batch_norm=False, patience=4, frozen_epochs=1, ema_decay=0.9, muscles_weight=0.0)
"""Nothing in it depends on who sees which half of a batch."""


def train(folder: Path, machines: DistributedConfig | None) -> torch.nn.Module:
    """The branch, trained on as many processes."""
    torch.set_num_threads(1)
    module = branch()
    lesson = TrainingData(taught(), CONFIG.clip(), LABELS)
    tune(module, tiny_models.layers(module.backbone), lesson, taught(3, first=100), TUNING, folder, machines)
    return module


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    module = train(folder, DistributedConfig(devices=2))
    assert torch.distributed.get_backend() == "gloo"
    torch.save(module.state_dict(), folder / f"of{rank()}.pt")
