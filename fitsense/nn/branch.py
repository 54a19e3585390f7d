"""A branch as one torch module: a backbone, and heads on its features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fitsense._internal.configs import config_from_json
from fitsense.bundles.manifest import BranchEntry, Labels, StreamEntry
from fitsense.errors import InvalidInputError, PluginError
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import BackboneSpec, HeadSpec, LandmarkSpec, StreamingSpec

if TYPE_CHECKING:
    from torch import nn


def build_backbone(spec: BackboneSpec, config: Any) -> nn.Module:
    """The input of the heads: the backbone's network, or for a backbone without one a module that passes its
    observation through."""
    return _identity(spec.feature_dim(config)) if spec.build is None else spec.build(config)


def _identity(feature_dim: int) -> nn.Module:
    """A module that returns its input, float32 (clips, feature_dim)."""
    from torch import Tensor, nn

    class Identity(nn.Module):
        def forward(self, observation: Tensor) -> Tensor:
            if observation.ndim != 2 or observation.shape[1] != feature_dim:
                raise InvalidInputError(
                    f"observation: expected shape (clips, {feature_dim}), got {tuple(observation.shape)}"
                )
            # A graph's input cannot be one of its outputs.
            return observation.clone()

    return Identity().eval()


def stream_entry(name: str, spec: BackboneSpec, config: Any) -> StreamEntry | None:
    """The bundle's entry of a branch that streams; None for a backbone that does not."""
    streaming = spec.streaming
    if streaming is None:
        return None
    return StreamEntry(
        graph=f"{name}.step.onnx",
        state={array: tuple(shape) for array, shape in streaming.state(config).items()},
        receptive_field=streaming.receptive_field(config),
        delay=streaming.delay(config),
        stride=streaming.stride(config),
    )


def join(
    backbone: nn.Module,
    heads: Mapping[str, nn.Module],
    streaming: StreamingSpec | None = None,
    landmarks: LandmarkSpec | None = None,
) -> nn.Module:
    """A module from clips to a dict: ``features``, and each head's logits by its task.

    With `streaming`, its method ``step`` takes a frame of each stream and a state, as :class:`StreamingSpec` describes
    them, and gives such a dict and the new state. With `landmarks`, its method ``forward_with_landmarks`` takes clips
    and gives such a dict that has ``landmarks`` too, as :class:`LandmarkSpec` describes them.
    """
    from torch import Tensor, nn

    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone
            self.heads = nn.ModuleDict(heads)

        def forward(self, clip: Tensor) -> dict[str, Tensor]:
            return self._outputs(self.backbone(clip))

        def step(self, frame: Tensor, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Mapping[str, Tensor]]:
            assert streaming is not None
            features, state = streaming.step(self.backbone, frame, state)
            return self._outputs(features), state

        def forward_with_landmarks(self, clip: Tensor) -> dict[str, Tensor]:
            assert landmarks is not None
            features, predicted = landmarks.forward(self.backbone, clip)
            return {**self._outputs(features), "landmarks": predicted}

        def _outputs(self, features: Tensor) -> dict[str, Tensor]:
            return {"features": features, **{task: head(features) for task, head in self.heads.items()}}

    return Branch().eval()


def build_branch(plugins: PluginManager, branch: BranchEntry, labels: Labels) -> nn.Module:
    """Build the module of a bundle's branch, without loading its weights."""
    spec = plugins.backbone(branch.backbone)
    backbone = build_backbone(spec, config_from_json(spec.config, branch.config, branch.backbone))
    heads: dict[str, nn.Module] = {}
    for entry in branch.heads:
        head = plugins.head(entry.head)
        if not isinstance(head, HeadSpec):
            raise PluginError(f"head {entry.head} reads no features, so that a branch cannot have it")
        config = config_from_json(head.config, entry.config, entry.head)
        heads[entry.task] = head.build(config, branch.feature_dim, labels.of(entry.task))
    return join(backbone, heads, spec.streaming)
