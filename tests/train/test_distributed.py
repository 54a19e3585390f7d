"""Training on several machines: real processes, which talk by gloo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

import fitsense
from fitsense.errors import InvalidInputError
from fitsense.synthetic.figures import random_video
from fitsense.train.finetuning import DistributedConfig, TrainingData, tune
from tests.conftest import encode
from tests.helpers import tiny_models
from tests.helpers.tuning import CONFIG, LABELS, QUICK, branch, log, taught

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300.0


def started(module: str, *arguments: str | Path, **variables: str) -> None:
    """Run a module as two processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", module]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr


def load(file: Path) -> Mapping[str, Tensor]:
    import torch

    state: Mapping[str, Tensor] = torch.load(file, weights_only=True)
    return state


@pytest.mark.slow
def test_train_two_processes_give_the_weights_of_one(tmp_path: Path) -> None:
    import torch

    from tests.train.two_processes import train

    (tmp_path / "two").mkdir()
    started("tests.train.two_processes", tmp_path / "two")
    threads = torch.get_num_threads()
    try:
        one = train(tmp_path / "one", None).state_dict()
    finally:
        torch.set_num_threads(threads)
    first, second = (load(tmp_path / f"two/of{rank}.pt") for rank in range(2))
    for name, value in one.items():
        assert first[name].equal(second[name])
        torch.testing.assert_close(first[name], value, rtol=1e-3, atol=1e-5)
    told = [
        [line["held_out_loss"] for line in log(tmp_path / kind) if line["held_out_loss"]] for kind in ("one", "two")
    ]
    assert len(told[0]) == 4
    assert [float(loss) for loss in told[1]] == pytest.approx([float(loss) for loss in told[0]], rel=1e-3)
    assert not list(tmp_path.rglob("last.ckpt"))
    assert (tmp_path / "two/finished.safetensors").exists()


@pytest.mark.slow
def test_train_command_with_torchrun_writes_one_bundle(tmp_path: Path) -> None:
    """Start the command twice with torchrun, as the documentation does."""
    rows = ["path,group,split,scene"]
    for number, split in enumerate(("train", "train", "val")):
        for group in ("squat", "no_exercise"):
            encode(tmp_path / f"{group}{number}.mp4", random_video(group, number, duration_s=1.5), rate=15)
            rows.append(f"{group}{number}.mp4,{group},{split},{group}{number}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    branches = [{"backbone": "tiny/colours", "finetuning": {"epochs": 2, "batch_size": 4}}]
    recipe = {"views": 1, "synthetic_clips": 0, "min_scenes": 2, "validation": "val", "branches": branches}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    plugin = tmp_path / "site/tiny-1.0.dist-info"
    plugin.mkdir(parents=True)
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (plugin / "entry_points.txt").write_text("[fitsense]\ntiny = tests.helpers.tiny_models\n")
    started(
        "fitsense", "train", "--data", tmp_path, "--recipe", tmp_path / "recipe.json", "--out", tmp_path / "bundle",
        "--cache", tmp_path / "cache", "--devices", "2", PYTHONPATH=f"{tmp_path / 'site'}:{ROOT}",
    )  # fmt: skip
    bundle = fitsense.Bundle.load(tmp_path / "bundle")
    assert bundle.manifest.labels.exercise == ("no_exercise", "squat")
    assert len(list((tmp_path / "cache").rglob("finished.safetensors"))) == 2, "without the split, and with it"
    assert not list(tmp_path.glob(".training-*"))


def test_tune_batch_size_not_divisible_by_processes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, lesson = branch(), TrainingData(taught(), CONFIG.clip(), LABELS)
    with pytest.raises(InvalidInputError, match=r"batch_size: expected a multiple of the 6 processes .*, got 8"):
        tune(module, tiny_models.layers(module.backbone), lesson, [], QUICK, tmp_path, DistributedConfig(3, 2))
    for name in ("WORLD_SIZE", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidInputError, match="expected 2 x 1 processes, started by torchrun or SLURM, got 1"):
        tune(
            module, tiny_models.layers(module.backbone), lesson, [], attrs.evolve(QUICK), tmp_path, DistributedConfig(2)
        )
