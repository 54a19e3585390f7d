"""Speed of file analysis, relative to decoding alone and to a plain implementation without fitsense."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from numpy.typing import NDArray

import fitsense
from fitsense.imaging.resize import fitted_size
from fitsense.types import ClipSpec, FloatArray, UInt8Array
from fitsense.windowing.sampler import nearest
from tests.benchmarks.measuring import (
    PICTURES,
    Benchmark,
    Cost,
    Goal,
    Measured,
    SkippedError,
    compare,
    cores,
    costs,
    torch_on_all_cores,
)
from tests.benchmarks.videos import FULL_HD, FULL_HD_PART, RATE, about

if TYPE_CHECKING:
    from torch import Tensor

Networks = Callable[[Mapping[str, UInt8Array]], Mapping[str, Mapping[str, FloatArray]]]
"""From each branch's clips, uint8 (1, frames, size, size, 3), to its outputs, as ``Model.run``."""

_HOP_S = 1.0


def analyze(path: Path, model: fitsense.Model) -> int:
    """Run ``fitsense analyze FILE --events -`` without loading the model; return the number of bytes of events."""
    return sum(len(event.to_json()) for event in fitsense.analyze(path, model=model, hop_s=_HOP_S))


def decode(path: Path) -> int:
    """Decode a file on all cores without analysis; return the number of frames."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return sum(1 for _ in container.decode(stream))


@functools.cache
def _against_decoding(rounds: int) -> list[tuple[Cost, Cost]]:
    path, model = FULL_HD.path, fitsense.load_model(PICTURES)
    return costs(lambda: analyze(path, model), lambda: decode(path), rounds)


def of_ceiling(rounds: int) -> Measured:
    """By the clock."""
    return Measured([alone.wall_s / all_of_it.wall_s for all_of_it, alone in _against_decoding(rounds)], _about())


def of_ceiling_cpu(rounds: int) -> Measured:
    """By the CPU's time."""
    return Measured([alone.cpu_s / all_of_it.cpu_s for all_of_it, alone in _against_decoding(rounds)], _about())


def over_eager_pipeline(rounds: int) -> Measured:
    """Against what pytorchvideo's tutorials show."""
    torch_on_all_cores()
    return _over(by_tutorial, fitsense.load_model(PICTURES, runtime="torch").run, rounds)


def over_lean_pipeline(rounds: int) -> Measured:
    """Against PyTorch where nothing is decoded twice."""
    torch_on_all_cores()
    return _over(by_hand, fitsense.load_model(PICTURES, runtime="torch").run, rounds)


def over_onnxruntime(rounds: int) -> Measured:
    """Against ONNX Runtime where nothing is decoded twice."""
    try:
        import onnxruntime
    except ImportError:
        raise SkippedError("onnxruntime is not installed: pip install onnxruntime") from None
    torch_on_all_cores()
    bundle = fitsense.Bundle.load(PICTURES)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    sessions = {
        branch.name: onnxruntime.InferenceSession(
            bundle.path(branch.graph), options, providers=["CPUExecutionProvider"]
        )
        for branch in bundle.manifest.branches
    }

    def run(clips: Mapping[str, UInt8Array]) -> dict[str, dict[str, FloatArray]]:
        outputs = {}
        for name, session in sessions.items():
            names = [output.name for output in session.get_outputs()]
            outputs[name] = dict(zip(names, session.run(names, {"clip": clips[name]}), strict=True))
        return outputs

    return _over(by_hand, run, rounds)


Pipeline = Callable[[Path, fitsense.Model, Networks], list[NDArray[np.float32]]]
"""Exercises of a file's windows by libraries alone: probabilities, float32 (1, exercises), of each."""


def _over(pipeline: Pipeline, networks: Networks, rounds: int) -> Measured:
    path, model = FULL_HD_PART.path, fitsense.load_model(PICTURES)
    return compare(lambda: analyze(path, model), lambda: pipeline(path, model, networks), rounds, _about(path))


def by_tutorial(path: Path, model: fitsense.Model, networks: Networks) -> list[NDArray[np.float32]]:
    """Exercises of a file's windows as pytorchvideo's tutorials show it: its ``EncodedVideo`` gives each window's
    frames, of which each network's are taken, then scaled and cropped by torch.

    Kinder than the tutorials in one thing: pictures are normalised after they are scaled, in the networks.
    """
    from fitsense.nn.compat import beside_torchvision

    encoded = beside_torchvision("pytorchvideo.data.encoded_video").EncodedVideo.from_path(
        str(path), decode_audio=False
    )
    span_s = max(spec.span_s for spec in model.clips.values())
    found = []
    for end_s in np.arange(span_s, float(encoded.duration) + 1 / RATE, _HOP_S):
        # float32 (3, frames, height, width) of the whole window, in full size.
        shown = encoded.get_clip(end_s - span_s, end_s)["video"]
        times = end_s - span_s + np.arange(shown.shape[1]) / RATE
        clips = {
            name: transformed(shown[:, nearest(times, spec, end_s)].transpose(0, 1), spec)
            for name, spec in model.clips.items()
        }
        found.append(model.calibrated(model.fuse(networks(clips))["exercise"]))
    encoded.close()
    return found


def by_hand(path: Path, model: fitsense.Model, networks: Networks) -> list[NDArray[np.float32]]:
    """Exercises of a file's windows as one would find them with libraries alone, and with care.

    Every frame is decoded to RGB of its full size, and none twice although windows overlap; those that a window shows
    are scaled and cropped by torch; the networks, which normalise, look at one window at a time.
    """
    times = _times(path)
    span_s = max(spec.span_s for spec in model.clips.values())
    ends_s = np.arange(times[0] + span_s, times[-1] + 1 / RATE, _HOP_S)
    shown = [{name: nearest(times, spec, end_s) for name, spec in model.clips.items()} for end_s in ends_s]
    wanted = {int(at) for window in shown for picked in window.values() for at in picked}
    waiting, kept, found = deque(shown), {}, []
    for at, rgb in enumerate(_full_size(path)):
        if at in wanted:
            kept[at] = rgb
        while waiting and at >= max(int(picked[-1]) for picked in waiting[0].values()):
            window = waiting.popleft()
            clips = {
                name: transformed(_stacked([kept[int(index)] for index in window[name]]), spec)
                for name, spec in model.clips.items()
            }
            found.append(model.calibrated(model.fuse(networks(clips))["exercise"]))
            oldest = min(int(picked[0]) for picked in waiting[0].values()) if waiting else at
            kept = {index: picture for index, picture in kept.items() if index >= oldest}
    return found


def transformed(pictures: Tensor, spec: ClipSpec) -> UInt8Array:
    """A clip, uint8 (1, frames, size, size, 3), of full-size pictures, scaled and cropped by torch.

    :param pictures: float32 (frames, 3, height, width), 0 to 255.
    """
    import torch

    width, height = fitted_size(pictures.shape[3], pictures.shape[2], spec)
    scaled = torch.nn.functional.interpolate(pictures, (height, width), mode="bilinear", align_corners=False)
    top, left = (height - spec.size) // 2, (width - spec.size) // 2
    cropped = scaled[:, :, top : top + spec.size, left : left + spec.size].round().to(torch.uint8)
    return np.asarray(cropped.permute(0, 2, 3, 1).contiguous().numpy()[None])


def _stacked(pictures: list[UInt8Array]) -> Tensor:
    import torch

    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()


def _full_size(path: Path) -> Iterator[UInt8Array]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def _times(path: Path) -> NDArray[np.float64]:
    """When frames are to be seen, by what the container says."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        stamps = [packet.pts for packet in container.demux(stream) if packet.pts is not None]
        return np.sort(np.array(stamps)) * float(stream.time_base)


def _about(path: Path | None = None) -> str:
    return f"{about(path or FULL_HD.path)}, {cores()} cores"


BENCHMARKS = (
    Benchmark(
        "file.of_ceiling",
        "speed of analysing a file, as a share of decoding alone",
        of_ceiling,
        goal=Goal(least=0.8),
        rounds=5,
    ),
    Benchmark(
        "file.of_ceiling.cpu",
        "CPU time of decoding alone, as a share of that of analysing",
        of_ceiling_cpu,
        rounds=5,
    ),
    Benchmark(
        "file.over_eager_pipeline",
        "speed over pytorchvideo's EncodedVideo, torch transforms and eager networks",
        over_eager_pipeline,
        goal=Goal(least=8.0),
        rounds=3,
    ),
    Benchmark(
        "file.over_lean_pipeline",
        "speed over full-size RGB decoded once, torch transforms and eager networks",
        over_lean_pipeline,
        rounds=3,
    ),
    Benchmark(
        "file.over_onnxruntime",
        "speed over the lean pipeline with float32 ONNX Runtime",
        over_onnxruntime,
        rounds=3,
    ),
)
