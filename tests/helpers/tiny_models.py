"""A plugin whose networks train in a second, and samples that differ in colour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

import fitsense
from fitsense.bundles.bundle import Bundle, save
from fitsense.bundles.manifest import (
    BranchEntry,
    Calibration,
    FusionEntry,
    HeadEntry,
    Labels,
    Manifest,
    ObservationEntry,
)
from fitsense.data.frames import Recording
from fitsense.data.samples import Sample, worked_by

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fitsense.types import FloatArray, UInt8Array

HEADS = (
    HeadEntry("exercise", "heads/linear_exercise", {}, "softmax"),
    HeadEntry("muscles", "heads/linear_muscles", {}, "sigmoid"),
)
COLOURS = {"squat": (190, 60, 60), "row": (60, 190, 60), "no_exercise": (60, 60, 190)}
"""Colour of the samples of each group."""


@attrs.frozen
class TinyConfig:
    """A second of four pictures."""

    frames: int = 4
    rate_hz: float = 4.0
    size: int = 16
    width: int = 8

    def clip(self) -> fitsense.ClipSpec:
        return fitsense.ClipSpec(self.frames, self.rate_hz, self.size, self.size)

    def feature_dim(self) -> int:
        return 2 * self.width

    def observation(self) -> tuple[int, int]:
        return (self.frames, 3)


def build(config: TinyConfig) -> nn.Module:
    """A network on pictures, of two layers."""
    import torch
    from torch import nn

    def layer(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv3d(inputs, outputs, 3, (1, 2, 2), 1, bias=False), nn.BatchNorm3d(outputs), nn.ReLU()
        )

    class Tiny(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.normalise = fitsense.nn.clip_normaliser(config.clip(), (0.45,) * 3, (0.225,) * 3)
            self.layers = nn.Sequential(layer(3, config.width), layer(config.width, config.feature_dim()))

        def forward(self, clips: Tensor) -> Tensor:
            return torch.mean(self.layers(self.normalise(clips)), dim=(2, 3, 4))

    return Tiny().eval()


def layers(module: Any) -> Sequence[nn.Module]:
    return list(module.layers)


STREAM_FIELD = 3
"""Frames that the features of a stream depend on."""


def build_streaming(config: TinyConfig) -> nn.Module:
    """A network with a causal convolution over time."""
    import torch
    from torch import nn

    class Streaming(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            colours = (0.45,) * 3, (0.225,) * 3
            self.normalise = fitsense.nn.clip_normaliser(config.clip(), *colours)
            self.normalise_frame = fitsense.nn.clip_normaliser(attrs.evolve(config.clip(), frames=1), *colours)
            self.look = nn.Sequential(nn.Conv3d(3, config.width, (1, 3, 3), (1, 2, 2)), nn.ReLU())
            self.over_time = nn.Sequential(nn.Conv1d(config.width, config.feature_dim(), STREAM_FIELD), nn.ReLU())

        def forward(self, clips: Tensor) -> Tensor:
            seen = self.look(self.normalise(clips)).mean(dim=(3, 4))
            return self.after(seen.new_zeros(seen.shape[0], config.width, STREAM_FIELD - 1), seen)[0]

        def step(self, frame: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
            seen = self.look(self.normalise_frame(frame.unsqueeze(1))).mean(dim=(3, 4))
            features, past = self.after(state["past"], seen)
            return features, {"past": past}

        def after(self, past: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
            joined = torch.cat([past, seen], dim=2)
            features: Tensor = self.over_time(joined)[:, :, -1]
            return features, joined[:, :, 1 - STREAM_FIELD :]

    return Streaming().eval()


def streaming() -> fitsense.plugins.BackboneSpec:
    """A streaming backbone."""
    return fitsense.plugins.BackboneSpec(
        name="stream",
        config=TinyConfig,
        clip=TinyConfig.clip,
        feature_dim=TinyConfig.feature_dim,
        build=build_streaming,
        streaming=fitsense.plugins.StreamingSpec(
            state=lambda config: {"past": (config.width, STREAM_FIELD - 1)},
            step=lambda module, frame, state: module.step(frame, state),
            receptive_field=lambda config: STREAM_FIELD,
        ),
    )


def build_observing(config: TinyConfig) -> nn.Module:
    """A network on the mean colour of each picture."""
    from torch import nn

    inputs = config.frames * 3
    return nn.Sequential(
        nn.Flatten(), nn.BatchNorm1d(inputs), nn.Linear(inputs, config.feature_dim()), nn.ReLU()
    ).eval()


def load_observer(
    config: TinyConfig, files: Mapping[str, Path], threads: int | None
) -> Callable[[UInt8Array], FloatArray]:
    """Mean colours, (clips, frames, 3); as many times as bright as the file ``gain`` says, if there is one."""
    gain = float(files["gain"].read_text()) if "gain" in files else 1.0
    return lambda clips: np.asarray(clips.mean(axis=(2, 3)) / 255 * gain, dtype=np.float32)


def load_means(
    config: TinyConfig, files: Mapping[str, Path], threads: int | None
) -> Callable[[UInt8Array], FloatArray]:
    """The same, (clips, frames * 3), as features."""
    observe = load_observer(config, files, threads)
    return lambda clips: observe(clips).reshape(len(clips), -1)


def observing(assets: Mapping[str, fitsense.plugins.WeightsRef] | None = None) -> fitsense.plugins.BackboneSpec:
    """The backbone on mean colours."""
    return fitsense.plugins.BackboneSpec(
        name="colours",
        config=TinyConfig,
        clip=TinyConfig.clip,
        feature_dim=TinyConfig.feature_dim,
        build=build_observing,
        observation=fitsense.plugins.ObservationSpec(shape=TinyConfig.observation, load=load_observer),
        assets=assets or {},
        assets_name="tiny",
    )


def bundle_of(folder: Path, network: nn.Module, branch: BranchEntry, labels: Labels) -> Bundle:
    """A bundle of one branch, with a random linear head for each task.

    :param branch: without its heads.
    """
    import torch

    from fitsense.export.onnx import export_branch
    from fitsense.nn.branch import join

    branch = attrs.evolve(branch, heads=HEADS)
    torch.manual_seed(0)
    linear = {str(head.task): torch.nn.Linear(branch.feature_dim, len(labels.of(head.task))) for head in HEADS}
    export_branch(join(network, linear).eval(), branch, folder)
    return _saved(folder, branch.name, labels, [branch])


def bundle_of_branches(
    folder: Path,
    host: fitsense.PluginManager,
    backbones: Mapping[str, str],
    labels: Labels,
    twins: tuple[str, ...] = (),
) -> Bundle:
    """A bundle of untrained branches, whose heads are about as sure of themselves as trained ones.

    :param host: where this plugin is registered.
    :param backbones: of this plugin, by branch.
    :param twins: branches on the same trunk.
    """
    import torch

    from fitsense.export.onnx import export_branch
    from fitsense.nn.branch import build_branch, stream_entry

    config = TinyConfig()
    torch.manual_seed(0)
    entries: list[BranchEntry] = []
    modules: dict[str, Any] = {}
    for name, backbone in backbones.items():
        spec = host.backbone(f"tiny/{backbone}")
        entry = BranchEntry(
            name=name,
            backbone=f"tiny/{backbone}",
            config={},
            clip=config.clip(),
            feature_dim=config.feature_dim(),
            graph=f"{name}.onnx",
            weights=f"{name}.safetensors",
            heads=HEADS,
            observation=ObservationEntry(config.observation(), {}) if spec.observation else None,
            stream=stream_entry(name, spec, config),
        )
        module: Any = build_branch(host, entry, labels)
        modules[name] = module
        if name in twins:
            module.backbone.load_state_dict(modules[twins[0]].backbone.state_dict())
        with torch.no_grad():
            for parameter in module.heads.parameters():
                # Untrained heads say nothing.
                parameter.normal_(std=3)
        export_branch(module, entry, folder)
        entries.append(entry)
    return _saved(folder, "tiny", labels, entries)


def _saved(folder: Path, name: str, labels: Labels, branches: Sequence[BranchEntry]) -> Bundle:
    """The bundle of what was exported into a folder."""
    fusion = FusionEntry("ensemble/weighted", {})
    manifest = Manifest(
        name=name,
        version="1",
        licence="Apache-2.0",
        labels=labels,
        branches=tuple(branches),
        fusion={str(head.task): fusion for head in HEADS},
        calibration=Calibration(1.0, 0.5, 0.4),
    )
    return save(folder, manifest)


@fitsense.hookimpl
def fitsense_plugin() -> fitsense.plugins.PluginInfo:
    return fitsense.plugins.PluginInfo(name="tiny", version="1.0")


@fitsense.hookimpl
def fitsense_backbones() -> Iterable[fitsense.plugins.BackboneSpec]:
    yield fitsense.plugins.BackboneSpec(
        name="pictures",
        config=TinyConfig,
        clip=TinyConfig.clip,
        feature_dim=TinyConfig.feature_dim,
        build=build,
        layers=layers,
    )
    yield observing()
    yield streaming()
    yield fitsense.plugins.BackboneSpec(
        name="means",
        config=TinyConfig,
        clip=TinyConfig.clip,
        feature_dim=lambda config: 3 * config.frames,
        observation=fitsense.plugins.ObservationSpec(shape=lambda config: (3 * config.frames,), load=load_means),
    )


def make_sample(group: str, scene: str, **changes: Any) -> Sample:
    """A sample without a file."""
    values: dict[str, Any] = {
        "key": f"{group} {scene}",
        "name": f"{group} {scene}",
        "group": group,
        "scene": scene,
        "fold": 0,
        "split": "train",
        "source": scene,
        "muscles": worked_by(group),
        "open": _nowhere,
    }
    return Sample(**{**values, **changes})


def recording(group: str, seed: int, *, frames: int = 20, size: tuple[int, int] = (16, 22)) -> Recording:
    """Two seconds of a group's colour, more or less bright, with noise."""
    random = np.random.default_rng([seed, *group.encode()])
    colour = np.array(COLOURS[group]) * random.uniform(0.7, 1.2)
    pictures = np.clip(colour + random.normal(0, 40, (frames, *size, 3)), 0, 255).astype(np.uint8)
    return Recording(make_sample(group, f"{group}{seed}"), np.arange(frames) / 10, pictures)


def _nowhere(short_side: int) -> Any:
    raise AssertionError("it was opened")
