"""``python -m tests.benchmarks.streaming``: cost of a prediction of streaming X3D-S.

Each figure is a ratio to the same X3D-S on whole clips, within one run. Weights do not matter to cost, and are random;
with ``--weights`` and ``--data``, features of both are compared on a folder's clips.
"""

from __future__ import annotations

import functools
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from fitsense._internal.configs import config_to_json
from fitsense.bundles.bundle import Bundle, save
from fitsense.bundles.manifest import BranchEntry, Calibration, Labels, Manifest
from fitsense.data.manifest import read_manifest
from fitsense.imaging.resize import branch_images
from fitsense.inference.config import RuntimeConfig
from fitsense.inference.loading import load_branch, load_stream
from fitsense.inference.streaming import StreamingBranch
from fitsense.plugins._manager import PluginManager
from fitsense.types import FloatArray, UInt8Array
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource
from fitsense.windowing.sampler import nearest_to
from tests.benchmarks.measuring import Measured, compare, half_quartile_range

CLIP, STREAM = "x3d/s", "x3d/streaming"
_SECOND = 5
"""Frames of a second, at X3D-S's rate."""


def module_of(plugins: PluginManager, name: str, weights: str) -> Any:
    """A backbone, from a file of weights, or random."""
    from fitsense.bundles.weights import load_backbone

    spec = plugins.backbone(name)
    assert spec.build is not None
    module = spec.build(spec.config())
    if weights:
        load_backbone(spec, module, weights, plugins)
    return module


def bundle_of(plugins: PluginManager, name: str, module: Any, folder: Path) -> Bundle:
    """A bundle of a backbone alone."""
    from fitsense.export.onnx import export_branch
    from fitsense.nn.branch import join, stream_entry

    spec = plugins.backbone(name)
    config = spec.config()
    entry = BranchEntry(
        name="branch",
        backbone=name,
        config=config_to_json(config),
        clip=spec.clip(config),
        feature_dim=spec.feature_dim(config),
        graph="branch.onnx",
        weights="branch.safetensors",
        heads=(),
        stream=stream_entry("branch", spec, config),
    )
    folder.mkdir()
    export_branch(join(module, {}, spec.streaming), entry, folder)
    labels, calibration = Labels(("squat",), ("quads",)), Calibration(1.0, 0.5, 0.5)
    return save(folder, Manifest("bench", "1", "", labels, (entry,), {}, calibration))


def operations(plugins: PluginManager, module: Any, streaming: Any) -> tuple[float, float]:
    """Billions of multiplications with an addition: of a clip by `module`, and of a step by `streaming`."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    spec = plugins.backbone(STREAM)
    assert spec.streaming is not None
    clip = torch.zeros((1, *plugins.backbone(CLIP).config().clip().shape), dtype=torch.uint8)
    state = {name: torch.zeros((1, *shape)) for name, shape in spec.streaming.state(spec.config()).items()}
    counted = []
    with torch.inference_mode():
        for call in (lambda: module(clip), lambda: streaming.step(clip[:, 0], state)):
            with FlopCounterMode(display=False) as counter:
                call()  # type: ignore[no-untyped-call]
            counted.append(counter.get_total_flops() / 2e9)
    return counted[0], counted[1]


def over(
    stream: StreamingBranch, pictures: UInt8Array, state: Any = None
) -> tuple[Mapping[str, FloatArray] | None, Any]:
    """Outputs and state after pictures."""
    state, outputs = state or stream.start(), None
    for picture in pictures:
        outputs, state = stream.step(picture, state)
    return outputs, state


def agreement(
    run: Any, stream: StreamingBranch, streaming: Any, data: Path, clips: int
) -> list[tuple[float, float, float]]:
    """Cosines of a clip's features to those of a stream that begins with the clip, or with the video, and of the latter
    two to each other; at the end of videos of 10 s or more."""
    spec, found = PluginManager.discover().backbone(CLIP).config().clip(), []
    for item in read_manifest(data, ["test", "val"]).items:
        with VideoSource(item.path, DecodeConfig(short_side=spec.short_side)) as source:
            frames = [(frame.time_s, branch_images(frame.rgb, {"": spec})[""]) for frame in source]
        times = np.array([time_s for time_s, _ in frames])
        count = int((times[-1] - times[0]) * spec.rate_hz)
        if count < 2 * _SECOND * _SECOND:
            continue
        slots = nearest_to(times, times[0] + (np.arange(count) + 0.5) / spec.rate_hz)
        pictures = np.stack([frames[at][1] for at in slots])
        clip = run(pictures[None, -spec.frames :])["features"][0]
        short = streaming(pictures[None, -spec.frames :])["features"][0]
        outputs, _ = over(stream, pictures)
        assert outputs is not None
        found.append((_cosine(clip, short), _cosine(clip, outputs["features"]), _cosine(short, outputs["features"])))
        if len(found) == clips:
            break
    return found


def _cosine(one: FloatArray, other: FloatArray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@click.command()
@click.option("--rounds", default=9, show_default=True, type=click.IntRange(3))
@click.option("--threads", default=1, show_default=True, help="CPU threads.")
@click.option("--weights", default="", help="A file of X3D's weights.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Clips, to compare on.")
@click.option("--clips", default=20, show_default=True, help="How many of them.")
def main(rounds: int, threads: int, weights: str, data: Path | None, clips: int) -> None:
    """Measure what a prediction by the streaming X3D-S costs against X3D-S on clips."""
    plugins = PluginManager.discover()
    module, streaming = (module_of(plugins, name, weights) for name in (CLIP, STREAM))
    whole, step = operations(plugins, module, streaming)
    click.echo(f"{whole:.3f} billion operations a clip, {step:.3f} a step")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = bundle_of(plugins, CLIP, module, folder / "clip")
        going_on = bundle_of(plugins, STREAM, streaming, folder / "stream")
        run = load_branch(plain, plain.manifest.branches[0], RuntimeConfig(threads=threads, bf16=False))
        clip_run = load_branch(going_on, going_on.manifest.branches[0], RuntimeConfig(threads=threads, bf16=False))
        stream = load_stream(going_on, going_on.manifest.branches[0], RuntimeConfig(threads=threads, bf16=False))
        clip = np.random.default_rng(0).integers(0, 256, (1, *plain.manifest.branches[0].clip.shape), dtype=np.uint8)
        _, state = over(stream, clip[0])
        for rate, frames in (("5 predictions a second", 1), ("1 prediction a second", _SECOND)):
            # The clip is as many times as fast as the steps take of its time.
            measured = compare(lambda: run(clip), functools.partial(over, stream, clip[0, :frames], state), rounds)
            click.echo(f"{rate}: {frames * step / whole:.3f} of the operations, {_formatted(measured)} of the time")
        if data is not None:
            cosines = np.array(agreement(run, stream, clip_run, data, clips))
            compared = ("clip and stream of it", "clip and long stream", "both streams")
            for what, values in zip(compared, cosines.T, strict=True):
                click.echo(f"cosine of {what}: {statistics.mean(values):.3f}, at least {values.min():.3f}")


def _formatted(measured: Measured) -> str:
    return f"{statistics.median(measured.values):.3f} +- {half_quartile_range(measured.values):.3f}"


if __name__ == "__main__":
    main()
