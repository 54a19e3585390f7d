"""Time of predicting one window."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

import fitsense
from fitsense.bundles.bundle import DEFAULT, Bundle, shipped
from fitsense.bundles.manifest import BranchEntry
from fitsense.inference.config import RuntimeConfig, RuntimeName
from fitsense.inference.loading import load_branch
from tests.benchmarks.measuring import (
    PICTURES,
    Benchmark,
    Goal,
    Measured,
    SkippedError,
    compare,
    cores,
    cost,
    torch_on_all_cores,
)

_BRANCH = "x3d_s"


def x3d_s_over_eager(rounds: int) -> Measured:
    """Time of X3D-S as a session runs it by default, relative to eager torch."""
    return compare(_window(DEFAULT), _window(DEFAULT, "torch"), rounds, f"{cores()} cores")


def x3d_s_bf16_over_f32(rounds: int) -> Measured:
    """Time of X3D-S in bfloat16 relative to float32, on CPUs that compute in bfloat16."""
    from fitsense.inference.openvino import cpu_computes_bf16

    if not cpu_computes_bf16():
        raise SkippedError("this CPU does not compute in bfloat16")
    return compare(_window(DEFAULT, bf16=True), _window(DEFAULT, bf16=False), rounds)


def x3d_s_int8_over_f32(rounds: int) -> Measured:
    """With the bundle of int8."""
    name = next((name for name in shipped() if "int8" in name), None)
    if name is None:
        raise SkippedError(f"no bundle of int8 comes with fitsense, only {', '.join(shipped())}")
    return compare(_window(name), _window(DEFAULT, bf16=False), rounds, name)


def ensemble_over_eager(rounds: int) -> Measured:
    """Time of all branches of the bundle on pictures, relative to eager torch."""
    return compare(_ensemble(), _ensemble("torch"), rounds, f"{cores()} cores")


def ensemble_ms(rounds: int) -> Measured:
    """By the clock."""
    window = _ensemble()
    window()
    return Measured([1e3 * cost(window).wall_s for _ in range(rounds)], f"{cores()} cores")


def _window(path: str, runtime: RuntimeName = "openvino", bf16: bool | None = None) -> Callable[[], object]:
    """Asks a bundle's branch about a window."""
    bundle = Bundle.load(path)
    branch = next((one for one in bundle.manifest.branches if one.name == _BRANCH), None)
    if branch is None:
        raise SkippedError(f"the bundle {path} has no branch {_BRANCH}")
    if runtime == "torch":
        torch_on_all_cores()
    run = load_branch(bundle, branch, RuntimeConfig(runtime=runtime, bf16=bf16))
    return functools.partial(run, _noise(branch))


def _ensemble(runtime: RuntimeName = "openvino") -> Callable[[], object]:
    """Runs the bundle on pictures on a window; branches with equal input share it."""
    if runtime == "torch":
        torch_on_all_cores()
    model = fitsense.load_model(PICTURES, runtime=runtime)
    clips = {branch.name: _noise(branch) for branch in model.manifest.branches}
    return lambda: model.fuse(model.run(clips))


def _noise(branch: BranchEntry) -> fitsense.types.UInt8Array:
    return np.random.default_rng(0).integers(0, 256, (1, *branch.clip.shape), np.uint8)


BENCHMARKS = (
    Benchmark("window.x3d_s.over_eager", "speed of X3D-S over eager torch", x3d_s_over_eager, goal=Goal(least=1.0)),
    Benchmark("window.x3d_s.bf16_over_f32", "speed of X3D-S in bfloat16 over float32", x3d_s_bf16_over_f32),
    Benchmark("window.x3d_s.int8_over_f32", "speed of X3D-S in int8 over float32", x3d_s_int8_over_f32),
    Benchmark("window.ensemble.over_eager", "speed of the bundle gym-video over eager torch", ensemble_over_eager),
    Benchmark("window.ensemble_ms", "a window of the bundle gym-video", ensemble_ms, unit="ms"),
)
