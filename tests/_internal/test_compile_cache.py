"""Compiled models are kept, and whatever happens to what is kept, models are the same."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fitsense
from fitsense._internal import compile_cache as module
from fitsense._internal.compile_cache import compiled
from fitsense._internal.openvino_core import openvino_core
from fitsense.types import FloatArray

PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
CORE = openvino_core()


class Layer:
    """A graph that multiplies by a matrix, and how many times it was made."""

    def __init__(self, seed: int) -> None:
        self.weights = np.random.default_rng(seed).normal(size=(8, 8)).astype(np.float32)
        self.made = 0

    def __call__(self) -> ov.Model:
        self.made += 1
        taken = ops.parameter([2, 8], np.float32)
        return ov.Model([ops.result(ops.matmul(taken, ops.constant(self.weights), False, False))], [taken], "layer")

    def check(self, key: object = "layer") -> None:
        """Compile it, and see that what comes is it."""
        given_ = np.arange(16, dtype=np.float32).reshape(2, 8)
        found: FloatArray = compiled(CORE, key, PROPERTIES, self)(given_)[0]
        np.testing.assert_allclose(found, given_ @ self.weights, rtol=1e-5, atol=1e-4)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path))
        yield tmp_path / "fitsense" / "compiled"


def kept(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


def test_compile_second_time_reads_the_cache(cache: Path) -> None:
    layer = Layer(0)
    layer.check()
    layer.check()
    assert layer.made == 1
    assert [file.suffix for file in kept(cache)] == [".blob"]


def test_compile_other_graph_or_property_is_another_entry(cache: Path) -> None:
    first, second = Layer(0), Layer(1)
    first.check("first")
    second.check("second")
    compiled(CORE, "first", {**PROPERTIES, "INFERENCE_NUM_THREADS": 2}, first)
    assert (first.made, second.made, len(kept(cache))) == (2, 1, 3)


@settings(max_examples=25)
@given(part=st.floats(0, 1, exclude_max=True), cut=st.booleans(), length=st.integers(1, 64))
def test_compile_damaged_entry_is_replaced(
    tmp_path_factory: pytest.TempPathFactory, part: float, cut: bool, length: int
) -> None:
    layer, folder = Layer(0), tmp_path_factory.mktemp("damaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        layer.check()
        (file,) = kept(folder / "fitsense" / "compiled")
        whole = file.read_bytes()
        at = int(part * len(whole))
        turned = bytes(byte ^ 0xFF for byte in whole[at : at + length])
        file.write_bytes(whole[:at] if cut else whole[:at] + turned + whole[at + length :])
        layer.check()
        assert layer.made == 2
        layer.check()
        assert layer.made == 2


def test_compile_entry_that_is_no_model_is_replaced(cache: Path) -> None:
    layer = Layer(0)
    layer.check()
    module._write(kept(cache)[0], b"no model")
    layer.check()
    assert layer.made == 2


def test_compile_without_a_writable_cache_compiles_each_time(cache: Path) -> None:
    cache.parent.parent.joinpath("fitsense").write_text("a file where the folder should be")
    layer = Layer(0)
    layer.check()
    layer.check()
    assert layer.made == 2


def test_compile_without_a_home_folder_creates_no_folder(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: f"~/.cache/{name}")
    Layer(0).check()
    assert not any(tmp_path.iterdir())


def test_compile_removes_the_oldest_entries(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [Layer(seed) for seed in range(4)]
    for at, layer in enumerate(layers[:3]):
        layer.check(at)
        (newest,) = set(kept(cache)) - {file for file in kept(cache) if file.stat().st_mtime < 100}
        os.utime(newest, (at, at))
    layers[0].check(0)
    size = max(file.stat().st_size for file in kept(cache))
    monkeypatch.setattr(module, "_MAX_BYTES", 3 * size)
    layers[3].check(3)
    assert len(kept(cache)) == 3
    for at, layer in enumerate(layers):
        if at != 1:
            layer.check(at)
    assert [layer.made for layer in layers] == [1, 1, 1, 1]
    layers[1].check(1)
    assert layers[1].made == 2


def test_compile_in_parallel_gives_the_same_models(cache: Path) -> None:
    failed: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for _ in range(5):
                Layer(seed % 2).check(seed % 2)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert [file.suffix for file in kept(cache)] == [".blob", ".blob"]


def test_load_model_cached_bundle_predicts_the_same(cache: Path) -> None:
    def scores() -> FloatArray:
        model = fitsense.load_model(threads=1)
        clips = {
            name: np.random.default_rng(0).integers(0, 256, (1, *spec.shape), dtype=np.uint8)
            for name, spec in model.clips.items()
        }
        return model.predict_clips(clips)["exercise"].logits

    first = scores()
    count = len(kept(cache))
    assert count > 0
    np.testing.assert_allclose(scores(), first, atol=1e-4)
    assert len(kept(cache)) == count
