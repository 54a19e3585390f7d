"""Fixtures and helpers of the contracts of contributions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
import pytest

from fitsense.bundles.weights import resolve
from fitsense.errors import WeightsError
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import BackboneSpec, DetectorSpec, PoseEstimatorSpec
from fitsense.types import FloatArray, UInt8Array

Kind = Literal["backbone", "head", "fusion", "detector", "pose_estimator"]

THREADS = 4
LABELS = ("first", "second", "third", "fourth", "fifth")
"""Labels of generated scores."""


def missing(contract: object, fixture: str, what: str, example: str) -> NoReturn:
    """Fail with the fixture that a subclass of the contract has to define, and an example."""
    pytest.fail(
        f"{type(contract).__name__} needs the fixture {fixture!r}: {what}. Define it, for example:\n\n"
        f"    @pytest.fixture\n    def {fixture}(self):\n        return {example}\n",
        pytrace=False,
    )


class PluginFixtures:
    """Fixtures of a plugin and of a host with it alone. `plugin` is required."""

    @pytest.fixture
    def plugin(self) -> Any:
        """The plugin: a module or an object with hook implementations."""
        missing(self, "plugin", "the module with the hook implementations", "my_plugin")

    @pytest.fixture
    def plugins(self, plugin: Any) -> PluginManager:
        """A host with this plugin alone."""
        host = PluginManager()
        report = host.register(plugin)
        assert report.status == "loaded", f"the plugin is {report.status}: {report.reason}"
        return host


class OfferContract(PluginFixtures):
    """Fixtures of contributions with a spec. `plugin` and `name` are required."""

    kind: Kind

    @pytest.fixture
    def name(self) -> str:
        """The spec's name, without the plugin's."""
        missing(
            self, "name", f"the name of the {self.kind.replace('_', ' ')} to check, without the plugin's", "'small'"
        )

    @pytest.fixture
    def spec(self, plugins: PluginManager, name: str) -> Any:
        """The checked spec."""
        return getattr(plugins, self.kind)(name)

    @pytest.fixture
    def config(self, spec: Any) -> Any:
        """Its configuration; by default the default one. Laws run faster on a small network."""
        return spec.config()

    @pytest.fixture
    def tolerance(self) -> float:
        """Largest difference between results that differ only in the order of sums."""
        return 2e-3


class PictureContract(OfferContract):
    """Fixtures of detectors and pose estimators."""

    @pytest.fixture
    def files(self, spec: DetectorSpec | PoseEstimatorSpec, plugins: PluginManager) -> Mapping[str, Path]:
        """Its assets; by default the fetched ones. Without them, no law applies."""
        return fetched(spec, plugins)

    @pytest.fixture
    def pictures(self) -> Sequence[UInt8Array]:
        """Pictures, uint8 (height, width, 3); by default a rendered figure at three moments."""
        from fitsense.synthetic.figures import Bout, FigureVideo

        frames = list(FigureVideo(bouts=(Bout("squat", 1, 2.0),), rate_hz=2.0, seed=3))
        return [frames[at].rgb for at in (0, len(frames) // 2, -1)]


def fetched(spec: BackboneSpec | DetectorSpec | PoseEstimatorSpec, plugins: PluginManager) -> Mapping[str, Path]:
    """The assets of a spec; skips the test, with the command that fetches them, if one is missing."""
    try:
        return {
            name: resolve(ref, plugins, fetch=False, assets_name=spec.assets_name) for name, ref in spec.assets.items()
        }
    except WeightsError as error:
        pytest.skip(str(error))


def in_threads(call: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Any]:
    """Results of `call` for each argument, from several threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(call, arguments))


def assert_close(actual: Any, expected: Any, tolerance: float, what: str) -> None:
    """Fail unless two arrays have the same shape and differ by at most `tolerance`."""
    one, other = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert one.shape == other.shape, f"{what}: expected shape {other.shape}, got {one.shape}"
    apart = float(np.abs(one - other).max(initial=0.0))
    assert apart <= tolerance, f"{what}: expected a difference of at most {tolerance:g}, got {apart:g}"


def numbers(seed: int, *shape: int) -> FloatArray:
    """Normally distributed float32 of `shape`."""
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)
