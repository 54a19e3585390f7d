"""Fixtures of many tests: the default model, rendered videos as files, and Hypothesis' settings."""

from __future__ import annotations

import functools
import gc
import os
import random
import sys
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import fitsense
from fitsense.bundles.bundle import DEFAULT, Bundle
from fitsense.bundles.first_use import assets_of
from fitsense.bundles.weights import is_fetched
from fitsense.export import onnx
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.types import Frame
from tests.helpers.kept_answers import KeptAnswers
from tests.helpers.own_cache import own_cache
from tests.helpers.rendering_cache import RenderingCache

# There is a test for each core: what pytest-xdist starts, and what tests start, need no threads for numpy and torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ON_NETWORKS = tuple(
    f"tests/{folder}/"
    for folder in ("_internal", "bundles", "contracts", "experiments", "export", "inference", "plugins", "train")
)
"""Folders with tests of networks, of what runs them, and of the API."""

settings.register_profile(
    "fitsense", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("fitsense")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Use one worker more than there are cores, since some tests wait for events in real time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Schedule files so that all workers end at about the same time."""
    if config.getvalue("dist") != "loadfile":
        return None
    from tests.helpers.scheduling import LongestFirst

    return LongestFirst(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest files if there are several workers."""
    if os.environ.get("PYTEST_XDIST_WORKER") and config.getvalue("dist") == "loadfile":
        from tests.helpers.scheduling import longest_first

        longest_first(items)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without collecting garbage: all that is imported and collected stays until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep off the user's cache and the network, in this process and in all that it starts."""
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        config.add_cleanup(own_cache())
    # Workers, and some two hundred processes that tests start, would all compile the same modules.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Give each test the same random numbers, whichever tests ran before it in this process."""
    random.seed(0)
    np.random.seed(0)
    if torch := sys.modules.get("torch"):
        # The seed that torch itself starts with: the test may be the first to import it.
        torch.manual_seed(67280421310721)


@pytest.fixture(scope="session", autouse=True)
def rendered_once() -> Iterator[None]:
    """Videos of figures are rendered once in each process."""
    cache = RenderingCache()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FigureVideo, "__iter__", lambda video: cache.frames(video))
        yield


@pytest.fixture(scope="session")
def kept_answers() -> KeptAnswers:
    """Answers of networks that are kept while this process runs."""
    return KeptAnswers()


@pytest.fixture(scope="module", autouse=True)
def networks_run_once(request: pytest.FixtureRequest, kept_answers: KeptAnswers) -> Iterator[None]:
    """Networks run once for each input in each process, except where they are what is tested."""
    with pytest.MonkeyPatch.context() as patched:
        if not request.node.nodeid.startswith(ON_NETWORKS):
            kept_answers.install(patched)
        yield


@pytest.fixture(scope="session", autouse=True)
def operators_registered_once() -> Iterator[None]:
    """Registration of the exporter's operators once a process: torch does it for each export, in half of the time."""
    export = onnx._to_onnx
    with pytest.MonkeyPatch.context() as patched:

        def export_quickly(*arguments: Any) -> Any:
            # Not before a test exports: the import takes long.
            from torch.onnx._internal.exporter._registration import ONNXRegistry

            patched.setattr(onnx, "_to_onnx", export)
            registry = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
            patched.setattr(ONNXRegistry, "from_torchlib", registry)
            return export(*arguments)

        patched.setattr(onnx, "_to_onnx", export_quickly)
        yield


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Permission to download."""
    monkeypatch.delenv("FITSENSE_OFFLINE")


@pytest.fixture
def blazepose() -> None:
    """The files of BlazePose, without which the test is skipped."""
    plugins = fitsense.PluginManager.discover()
    if not all(is_fetched(ref) for ref in assets_of(Bundle.load("gym").manifest, plugins)):
        pytest.skip("needs BlazePose's networks: fitsense models pull blazepose")


@pytest.fixture(scope="session")
def model() -> fitsense.Model:
    """The bundle that comes with fitsense, in float32 so that results do not depend on the CPU."""
    return fitsense.Model(Bundle.load(DEFAULT), bf16=False)


@pytest.fixture(scope="session")
def squats() -> FigureVideo:
    """Six seconds of a rendered figure that squats."""
    return FigureVideo(bouts=(Bout("squat", 3, 2.0),), rate_hz=10.0, seed=7)


@pytest.fixture(scope="session")
def squats_file(squats: FigureVideo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as an .mp4."""
    return encode(tmp_path_factory.mktemp("videos") / "squats.mp4", squats)


def encode(
    path: Path,
    frames: Iterable[Frame],
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: int = 30,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
) -> Path:
    """Write frames to a real video file at their own times; `options` are the container's."""
    clock = Fraction(1, 12800)
    with av.open(str(path), "w", options=options or {}) as container:
        stream: av.VideoStream | None = None
        for frame in frames:
            if stream is None:
                added = container.add_stream(codec, rate=rate)
                assert isinstance(added, av.VideoStream)
                stream = added
                stream.width, stream.height = frame.rgb.shape[1] // 2 * 2, frame.rgb.shape[0] // 2 * 2
                stream.pix_fmt = pix_fmt
                stream.codec_context.time_base = clock
                stream.options = {**(codec_options or {})}
            picture = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(frame.rgb[: stream.height, : stream.width]), format="rgb24"
            )
            picture.pts, picture.time_base = round(frame.time_s / clock), clock
            container.mux(stream.encode(picture))
        assert stream is not None
        container.mux(stream.encode(None))
    return path
