"""Torch helpers of network plugins."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fitsense.nn.clips import pytorchvideo_models
from fitsense.nn.compat import beside_torchvision

# As torchvision does where its compiled operators do not fit torch.
WANTING = """
import torch
torch.library.register_fake("torchvision::{operator}")(lambda boxes, scores, threshold: boxes)
"""


def package(folder: Path, name: str, source: str) -> str:
    """A package that uses part of itself, and another one that may fail."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(f"import {name}.part\nimport {name}_needs\n")
    (folder / name / "part.py").write_text("HERE = True\n")
    (folder / f"{name}_needs.py").write_text(source)
    return name


def test_operators_that_are_missing_are_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.syspath_prepend(tmp_path)
    name = package(tmp_path, "wanting", WANTING.format(operator="for_a_test") + WANTING.format(operator="for_another"))
    module = beside_torchvision(name)
    assert hasattr(torch.ops.torchvision, "for_a_test")
    assert module is sys.modules[name]
    assert module.part.HERE, "what it imported of itself at the first attempt is an attribute of it too"


def test_other_failures_are_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    name = package(tmp_path, "failing", "raise RuntimeError('no GPU')")
    with pytest.raises(RuntimeError, match="no GPU"):
        beside_torchvision(name)
    with pytest.raises(ModuleNotFoundError):
        beside_torchvision("there_is_no_such_module")


def test_lightning_and_pytorchvideo_can_be_had() -> None:
    lightning = beside_torchvision("pytorch_lightning")
    assert lightning.utilities.argparse
    assert pytorchvideo_models("x3d").create_x3d
