"""Laws of all torch modules that plugins build."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fitsense.bundles.bundle import Bundle
from fitsense.bundles.manifest import BranchEntry, Calibration, Labels, Manifest
from fitsense.plugins.tasks import RESERVED
from fitsense.testing.contracts.offer import LABELS, OfferContract, assert_close, in_threads
from fitsense.types import FloatArray


class NetworkContract(OfferContract):
    """Laws of a module from an array to float32 (clips, width)."""

    @pytest.fixture
    def torch(self) -> Any:
        """The module torch; without it, no law of networks applies."""
        return pytest.importorskip("torch", reason="torch is not installed: pip install 'fitsense[torch]'")

    @pytest.fixture
    def exports(self) -> bool:
        """True if it can be exported; if not, it runs with torch only, and in no bundle."""
        return True

    @pytest.fixture
    def trains(self) -> bool:
        """True if it has trainable parameters."""
        return True

    @pytest.fixture
    def not_moved(self) -> Collection[str]:
        """Prefixes of the names of parameters that deliberately get no gradient from outputs."""
        return ()

    @pytest.fixture
    def scored_labels(self) -> tuple[str, ...]:
        """Labels of its heads, if it has any."""
        return LABELS

    @pytest.fixture
    def module(self, build: Callable[[], Any], torch: Any) -> Any:
        """The module, with the same weights every time."""
        return seeded(build, torch, 0)

    @pytest.fixture
    def branch(self, module: Any, torch: Any) -> Any:
        """The module in the form for export."""
        from fitsense.nn.branch import join

        return join(module, {})

    @pytest.fixture
    def run(self, module: Any, torch: Any) -> Callable[[NDArray[Any]], FloatArray]:
        """The module as a function of arrays."""
        return runner(module, torch)

    def test_outputs_are_as_declared(self, run: Any, inputs: NDArray[Any], width: int) -> None:
        outputs = run(inputs)
        expected = (len(inputs), width)
        assert outputs.shape == expected, f"expected shape {expected}, got {outputs.shape}"
        assert outputs.dtype == np.float32, f"expected float32, got {outputs.dtype}"
        assert np.isfinite(outputs).all(), "expected finite numbers"

    def test_output_is_deterministic(self, run: Any, inputs: NDArray[Any]) -> None:
        first, second = run(inputs), run(inputs)
        assert np.array_equal(first, second), f"outputs differ by {np.abs(first - second).max():g} from one call on"

    def test_batch_equals_single_clips(self, run: Any, inputs: NDArray[Any], tolerance: float) -> None:
        together = run(inputs)
        for at in range(len(inputs)):
            assert_close(run(inputs[at : at + 1])[0], together[at], tolerance, f"clip {at} alone")

    def test_inputs_are_not_modified(self, module: Any, inputs: NDArray[Any], torch: Any) -> None:
        given = torch.from_numpy(inputs.copy())
        with torch.inference_mode():
            module(given)
        assert np.array_equal(given.numpy(), inputs), "it wrote into its input"

    def test_calls_in_several_threads_agree(self, run: Any, inputs: NDArray[Any], tolerance: float) -> None:
        clips = [inputs[at % len(inputs) :][:1] for at in range(8)]
        for got, clip in zip(in_threads(run, clips), clips, strict=True):
            assert_close(got, run(clip), tolerance, "a clip beside others")

    def test_gradients_reach_all_parameters(
        self, module: Any, inputs: NDArray[Any], torch: Any, trains: bool, not_moved: Collection[str]
    ) -> None:
        if not trains:
            pytest.skip("the fixture trains returns False")
        # In eval mode, since random layers may leave parameters out in training.
        module(torch.from_numpy(inputs.copy())).square().sum().backward()
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad or name.startswith(tuple(not_moved)):
                continue
            assert parameter.grad is not None, f"no gradient reaches {name}"
            assert torch.isfinite(parameter.grad).all(), f"the gradient of {name} is not finite"

    def test_state_dict_determines_the_output(
        self,
        module: Any,
        run: Any,
        build: Callable[[], Any],
        inputs: NDArray[Any],
        torch: Any,
        tolerance: float,
        tmp_path: Path,
    ) -> None:
        safetensors = pytest.importorskip("safetensors.torch")
        if not module.state_dict():
            pytest.skip("it has no weights")
        safetensors.save_model(module, str(tmp_path / "state.safetensors"))
        other = seeded(build, torch, 1)
        safetensors.load_model(other, str(tmp_path / "state.safetensors"))
        assert_close(
            runner(other, torch)(inputs), run(inputs), tolerance, "a network with the same weights, from a file"
        )

    def test_exported_graph_equals_the_network(
        self,
        branch: Any,
        inputs: NDArray[Any],
        entry: BranchEntry,
        exports: bool,
        scored_labels: tuple[str, ...],
        torch: Any,
        tolerance: float,
        tmp_path: Path,
    ) -> None:
        from fitsense.inference.config import RuntimeConfig
        from fitsense.inference.loading import load_graph

        run = load_graph(
            exported(branch, entry, tmp_path, exports=exports, labels=scored_labels),
            entry,
            RuntimeConfig(threads=1, bf16=False),
        )
        for count in (1, len(inputs)):
            expected = outputs_of(branch, inputs[:count], torch)
            for name, values in run(inputs[:count]).items():
                assert_close(values, expected[name], tolerance * (1 + float(np.abs(expected[name]).max())), name)


def seeded(build: Callable[[], Any], torch: Any, seed: int) -> Any:
    """Build a module with a fixed seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def runner(module: Any, torch: Any) -> Callable[[NDArray[Any]], FloatArray]:
    def run(inputs: NDArray[Any]) -> FloatArray:
        with torch.inference_mode():
            outputs: FloatArray = module(torch.from_numpy(inputs.copy())).numpy()
        return outputs

    return run


def outputs_of(branch: Any, inputs: NDArray[Any], torch: Any) -> Mapping[str, FloatArray]:
    with torch.inference_mode():
        return {name: value.numpy() for name, value in branch(torch.from_numpy(inputs.copy())).items()}


def exported(
    branch: Any,
    entry: BranchEntry,
    folder: Path,
    *,
    exports: bool,
    step_alone: bool = False,
    labels: tuple[str, ...] = LABELS,
) -> Bundle:
    """Export a branch to a bundle, and load the stored weights into the branch. Skips the test without an export.

    :param step_alone: whether to write only the step graph.
    """
    if not exports:
        pytest.skip("the fixture exports returns False")
    pytest.importorskip("onnxscript", reason="onnx is not installed: pip install 'fitsense[torch]'")
    from fitsense.bundles.weights import load_state, read_state
    from fitsense.export.onnx import export_branch

    try:
        export_branch(branch, entry, folder, step_alone=step_alone)
    except Exception as error:
        pytest.fail(f"it cannot be exported: {type(error).__name__}: {str(error)[:500]}", pytrace=False)
    stored = {name: value.float() for name, value in read_state(folder / entry.weights).items()}
    load_state(branch, stored, origin="what was exported")
    return Bundle(folder, _manifest(entry, labels))


def _manifest(entry: BranchEntry, labels: tuple[str, ...]) -> Manifest:
    """Manifest of a bundle of one branch, with the labels of the laws of heads."""
    return Manifest(
        name="checked",
        version="1",
        licence="",
        labels=Labels(labels, labels, {head.task: labels for head in entry.heads if head.task not in RESERVED}),
        branches=(entry,),
        fusion={},
        calibration=Calibration(1.0, 0.5, 0.5),
    )
