"""A branch as one torch module: a backbone, and heads on its features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fitsense.bundle import BranchEntry, Labels
from fitsense.configs import config_from_json
from fitsense.errors import PluginError
from fitsense.hookspecs import HeadSpec
from fitsense.plugins import Plugins

if TYPE_CHECKING:
    from torch import nn


def join(backbone: nn.Module, heads: Mapping[str, nn.Module]) -> nn.Module:
    """A module from clips to a dict: ``features``, and each head's logits by its task."""
    from torch import Tensor, nn

    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone
            self.heads = nn.ModuleDict(heads)

        def forward(self, clip: Tensor) -> dict[str, Tensor]:
            features = self.backbone(clip)
            return {"features": features, **{task: head(features) for task, head in self.heads.items()}}

    return Branch().eval()


def build_branch(plugins: Plugins, branch: BranchEntry, labels: Labels) -> nn.Module:
    """The module of a bundle's branch, its weights still to be loaded."""
    spec = plugins.backbone(branch.backbone)
    backbone = spec.build(config_from_json(spec.config, branch.config, branch.backbone))
    heads: dict[str, nn.Module] = {}
    for entry in branch.heads:
        head = plugins.head(entry.head)
        if not isinstance(head, HeadSpec):
            raise PluginError(f"head {entry.head} reads no features, so that it cannot be a branch's")
        config = config_from_json(head.config, entry.config, entry.head)
        heads[entry.task] = head.build(config, branch.feature_dim, getattr(labels, entry.task))
    return join(backbone, heads)
