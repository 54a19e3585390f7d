"""The torch runtime: where it computes, and that compiled networks give what they give as they are."""

from __future__ import annotations

import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import numpy as np
import pytest
from click.testing import CliRunner

import fitsense
from fitsense.bundles.bundle import Bundle
from fitsense.cli import main
from fitsense.inference.config import RuntimeConfig
from fitsense.inference.loading import load_branch, load_stream
from fitsense.types import UInt8Array
from tests.session.test_streaming import CONFIG, clip, make, plugins

F32_TOLERANCE = 1e-5
# A GPU may convolve in TensorFloat-32, with 10 bits of mantissa; bfloat16 has 7.
TF32_TOLERANCE = 5e-3
BF16_TOLERANCE = 0.03


def clips(batch: int, seed: int = 0) -> UInt8Array:
    return np.random.default_rng(seed).integers(0, 256, (batch, *CONFIG.clip().shape), dtype=np.uint8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make(tmp_path_factory.mktemp("torch"), "stream", "pictures")


@pytest.fixture(scope="module")
def pictures(bundle: Bundle) -> Bundle:
    """The bundle, but with the branch alone that does not stream."""
    return attrs.evolve(bundle, manifest=attrs.evolve(bundle.manifest, branches=bundle.manifest.branches[1:]))


@pytest.fixture(scope="module")
def plain(pictures: Bundle) -> fitsense.Model:
    return fitsense.Model(pictures, plugins=plugins(), runtime="torch", device="cpu", threads=1)


@pytest.fixture(scope="module")
def compiler() -> None:
    """Compiler that torch uses on a CPU."""
    name = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(name) is None:
        pytest.skip(f"there is no C++ compiler: {name}")


@pytest.fixture(scope="module")
def compiled(compiler: None, pictures: Bundle) -> fitsense.Model:
    return fitsense.Model(pictures, plugins=plugins(), runtime="torch", device="cpu", threads=1, compile=True)


def assert_same(ours: fitsense.Model, theirs: fitsense.Model, batch: UInt8Array, tolerance: float) -> None:
    given, expected = (model.run({"pictures": batch})["pictures"] for model in (ours, theirs))
    assert given.keys() == expected.keys() == {"features", "exercise", "muscles"}
    for name, values in given.items():
        assert values.dtype == np.float32
        assert values.shape == expected[name].shape
        np.testing.assert_allclose(values, expected[name], atol=tolerance, err_msg=name)


# Compiling for any number of clips takes long; a single step is compiled every day.
@pytest.mark.slow
def test_batches_of_every_size_give_the_same_compiled(compiled: fitsense.Model, plain: fitsense.Model) -> None:
    assert plain.run({"pictures": clips(1)})["pictures"]["features"].std() > 100 * F32_TOLERANCE
    for at, size in enumerate((1, 3, 0, 1, 3)):
        assert_same(compiled, plain, clips(size, at), F32_TOLERANCE)


@pytest.mark.slow
def test_results_are_the_callers_own(compiled: fitsense.Model) -> None:
    first = compiled.run({"pictures": clips(1)})["pictures"]["features"]
    kept = first.copy()
    compiled.run({"pictures": 255 - clips(1)})
    np.testing.assert_array_equal(first, kept)


@pytest.mark.slow
def test_threads_may_ask_at_once(compiled: fitsense.Model, plain: fitsense.Model) -> None:
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda seed: compiled.run({"pictures": clips(1, seed)})["pictures"], range(16)))
    for seed, outputs in enumerate(said):
        expected = plain.run({"pictures": clips(1, seed)})["pictures"]
        np.testing.assert_allclose(outputs["features"], expected["features"], atol=F32_TOLERANCE)


@pytest.mark.slow
def test_step_compiled_equals_uncompiled(compiler: None, bundle: Bundle) -> None:
    assert_streams_agree(bundle, F32_TOLERANCE, device="cpu", compile=True)


def assert_streams_agree(bundle: Bundle, tolerance: float, **how: Any) -> None:
    entry, host = bundle.manifest.branches[0], plugins()
    streams = [
        load_stream(bundle, entry, RuntimeConfig(runtime="torch", **each), plugins=host)
        for each in ({"device": "cpu"}, how)
    ]
    states = [stream.start() for stream in streams]
    for picture in clip():
        (expected, states[0]), (given, states[1]) = (
            stream.step(picture, state) for stream, state in zip(streams, states, strict=True)
        )
        assert expected is not None
        assert given is not None
        for name, values in given.items():
            np.testing.assert_allclose(values, expected[name], atol=tolerance, err_msg=name)
        for name, array in states[1].arrays.items():
            np.testing.assert_allclose(array, states[0].arrays[name], atol=tolerance, err_msg=name)


# torch gives it once a process, so that the order of tests decides whether it comes here.
@pytest.mark.filterwarnings("ignore:dynamo_pgo force disabled")
def test_compile_without_a_compiler_says_what_to_install(bundle: Bundle) -> None:
    import torch._inductor.config as settings

    entry = bundle.manifest.branches[1]
    match = "pictures cannot be compiled for cpu: .*no-such-compiler.*Install"
    nothing = {"cpp.cxx": (None, "no-such-compiler"), "force_disable_caches": True}
    with settings.patch(nothing), pytest.raises(fitsense.FitsenseError, match=match):
        load_branch(bundle, entry, RuntimeConfig(runtime="torch", device="cpu", compile=True), plugins=plugins())


def test_bfloat16_is_close_and_not_the_same(pictures: Bundle, plain: fitsense.Model) -> None:
    half = fitsense.Model(pictures, plugins=plugins(), runtime="torch", device="cpu", threads=1, bf16=True)
    assert_same(half, plain, clips(3), BF16_TOLERANCE)
    ours, theirs = (model.run({"pictures": clips(3)})["pictures"]["features"] for model in (half, plain))
    assert not np.array_equal(ours, theirs)


def test_load_model_unavailable_device_is_refused_with_the_available_ones(pictures: Bundle) -> None:
    with pytest.raises(fitsense.InvalidInputError, match=r"device: expected one that torch finds here, cpu.*'cuda:99'"):
        fitsense.Model(pictures, plugins=plugins(), runtime="torch", device="cuda:99")


@pytest.mark.parametrize(("how", "said"), [({"compile": True}, "compile"), ({"device": "cpu"}, "device 'cpu'")])
def test_load_model_torch_options_on_openvino_are_refused(how: dict[str, Any], said: str, bundle: Bundle) -> None:
    match = rf"^{said}: expected the runtime 'torch', got 'openvino'.*: leave out \w+, or choose 'torch'$"
    with pytest.raises(fitsense.InvalidInputError, match=match):
        fitsense.load_model(**how)
    for load, entry in ((load_stream, bundle.manifest.branches[0]), (load_branch, bundle.manifest.branches[1])):
        with pytest.raises(fitsense.InvalidInputError, match=match):
            load(bundle, entry, RuntimeConfig(**how))


def test_commands_pass_on_the_runtime_options() -> None:
    done = CliRunner().invoke(main, ["analyze", "--sample", "--runtime", "torch", "--device", "cuda:99"])
    assert "device: expected one that torch finds here, cpu" in done.output
    done = CliRunner().invoke(main, ["evaluate-sessions", "--rendered", "1", "--compile"])
    assert "compile: expected the runtime 'torch', got 'openvino'" in done.output


@pytest.fixture
def gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("torch finds no GPU here: torch.cuda.is_available() is false")
    return "cuda"


# torch has advice for those who compile on a GPU.
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("compile_it", [False, True])
def test_predict_on_a_gpu_equals_the_cpu(
    compile_it: bool, gpu: str, bundle: Bundle, pictures: Bundle, plain: fitsense.Model
) -> None:
    model = fitsense.Model(pictures, plugins=plugins(), runtime="torch", device=gpu, compile=compile_it)
    # More often than it takes until graphs are played, and from other threads than the one that loaded it.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda at: assert_same(model, plain, clips((1, 3)[at % 2], at), TF32_TOLERANCE), range(12)))
    assert_same(model, plain, clips(0), TF32_TOLERANCE)
    assert_streams_agree(bundle, TF32_TOLERANCE, device=gpu, compile=compile_it)
