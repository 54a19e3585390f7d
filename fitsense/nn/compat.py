"""Imports beside a torchvision whose compiled operators do not fit torch."""

from __future__ import annotations

import re
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


_MISSING_OPERATOR = re.compile(r"operator (torchvision::\w+) does not exist")


def beside_torchvision(name: str) -> ModuleType:
    """Import a module that imports torchvision, even if torchvision's compiled operators do not fit torch.

    A torchvision for CUDA cannot be imported beside a torch for the CPU, since its operators are missing. Declaring
    them suffices, since fitsense does not call them: pytorchvideo needs them for detection heads, Lightning through
    torchmetrics.
    """
    import importlib
    import sys

    import torch

    while True:
        before = set(sys.modules)
        try:
            return importlib.import_module(name)
        except RuntimeError as error:
            missing = _MISSING_OPERATOR.search(str(error))
            if missing is None:
                raise
            torch.library.define(missing[1], "(Tensor boxes, Tensor scores, float threshold) -> Tensor")
            for module in sorted(set(sys.modules) - before):
                # What a package imported of itself before it failed would not become an attribute of it again.
                if module.rpartition(".")[0] not in {"", *sys.modules}:
                    del sys.modules[module]
