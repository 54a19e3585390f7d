"""Laws of heads on features, and of heads that derive one task from the scores of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest

from fitsense._internal.configs import config_to_json
from fitsense.bundles.manifest import BranchEntry, HeadEntry, ObservationEntry
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import DerivedHeadSpec, HeadSpec
from fitsense.plugins.tasks import TaskKind, TaskSpec, output_labels
from fitsense.testing.contracts.networks import NetworkContract
from fitsense.testing.contracts.offer import LABELS, OfferContract, assert_close, numbers
from fitsense.types import ClipSpec, FloatArray, Scores, to_probabilities


class HeadContract(NetworkContract):
    """Laws of a head on features; `plugin` and `name` are required."""

    kind = "head"

    @pytest.fixture
    def feature_dim(self) -> int:
        """Number of features."""
        return 8

    @pytest.fixture
    def task(self, plugins: PluginManager, spec: HeadSpec) -> TaskSpec:
        """The head's task; by default as the plugin, or fitsense, declares it."""
        return plugins.task(spec.task)

    @pytest.fixture
    def labels(self, task: TaskSpec) -> tuple[str, ...]:
        """Labels of the head; by default those that the task declares, or made-up ones."""
        return output_labels(task) or LABELS

    @pytest.fixture
    def scored_labels(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        return labels

    @pytest.fixture
    def inputs(self, feature_dim: int) -> FloatArray:
        """Features, float32 (3, feature_dim)."""
        return numbers(0, 3, feature_dim)

    @pytest.fixture
    def width(self, labels: tuple[str, ...]) -> int:
        return len(labels)

    @pytest.fixture
    def build(
        self, spec: HeadSpec, config: Any, feature_dim: int, labels: tuple[str, ...], torch: Any
    ) -> Callable[[], Any]:
        return lambda: _shaken(spec.build(config, feature_dim, labels), torch)

    @pytest.fixture
    def entry(self, spec: HeadSpec, task: TaskSpec, config: Any, feature_dim: int) -> BranchEntry:
        return BranchEntry(
            name="checked",
            backbone="checked",
            config={},
            clip=ClipSpec(1, 1.0, 1, 1),
            feature_dim=feature_dim,
            graph="checked.onnx",
            weights="checked.safetensors",
            heads=(HeadEntry(spec.task, spec.name, config_to_json(config), task.activation_name),),
            observation=ObservationEntry((feature_dim,), {}),
        )

    @pytest.fixture
    def branch(self, spec: HeadSpec, module: Any, torch: Any) -> Any:
        from fitsense.nn.branch import join

        return join(torch.nn.Tanh(), {spec.task: module})

    def test_probabilities_of_large_features_are_valid(self, task: TaskSpec, run: Any, inputs: FloatArray) -> None:
        logits = run(inputs * np.float32(1e4))
        assert np.isfinite(logits).all(), "expected finite logits"
        values = to_probabilities(logits, task.activation)
        assert np.isfinite(values).all(), "expected finite values"
        if task.kind != "regression":
            _check_probabilities(values, task.kind)

    def test_empty_batch_gives_empty_scores(self, run: Any, inputs: FloatArray, width: int) -> None:
        shape = run(inputs[:0]).shape
        assert shape == (0, width), f"expected shape {(0, width)}, got {shape}"

    def test_any_number_of_labels_is_accepted(
        self, spec: HeadSpec, config: Any, feature_dim: int, inputs: FloatArray, torch: Any
    ) -> None:
        for count in (1, 2, 17):
            labels = tuple(f"label{at}" for at in range(count))
            with torch.inference_mode():
                shape = tuple(spec.build(config, feature_dim, labels).eval()(torch.from_numpy(inputs)).shape)
            assert shape == (len(inputs), count), f"expected shape {(len(inputs), count)}, got {shape}"


class DerivedHeadContract(OfferContract):
    """Laws of a head that reads another task's scores; `plugin` and `name` are required."""

    kind = "head"

    @pytest.fixture
    def source_labels(self, plugins: PluginManager, spec: DerivedHeadSpec) -> tuple[str, ...]:
        """Labels of its input; by default those of the catalogue or of the task."""
        return _labels(plugins.task(spec.from_task))

    @pytest.fixture
    def labels(self, plugins: PluginManager, spec: DerivedHeadSpec) -> tuple[str, ...]:
        """Labels of its output; by default those of the catalogue or of the task."""
        return _labels(plugins.task(spec.task))

    @pytest.fixture
    def source(self, plugins: PluginManager, spec: DerivedHeadSpec, source_labels: tuple[str, ...]) -> Scores:
        """Input scores of three clips."""
        activation = plugins.task(spec.from_task).activation
        return Scores(spec.from_task, source_labels, numbers(0, 3, len(source_labels)) * 3, activation)

    @pytest.fixture
    def derive(self, spec: DerivedHeadSpec, config: Any) -> Callable[[Scores, tuple[str, ...]], Scores]:
        def derive(source: Scores, labels: tuple[str, ...]) -> Scores:
            # A copy, so that a head that writes into it breaks only that law.
            return spec.derive(config, attrs.evolve(source, logits=source.logits.copy()), labels)

        return derive

    def test_scores_have_the_requested_labels(
        self, spec: DerivedHeadSpec, derive: Any, source: Scores, labels: tuple[str, ...]
    ) -> None:
        scores = derive(source, labels)
        assert isinstance(scores, Scores), f"expected Scores, got {type(scores).__name__}"
        assert scores.task == spec.task, f"expected scores of {spec.task}, got those of {scores.task}"
        assert scores.labels == labels, f"expected the labels {labels}, got {scores.labels}"
        assert len(scores.logits) == len(source.logits), f"expected {len(source.logits)} rows, got {len(scores.logits)}"

    def test_labels_in_any_order_give_the_same_scores(
        self, derive: Any, source: Scores, labels: tuple[str, ...], tolerance: float
    ) -> None:
        expected = derive(source, labels).probabilities
        turned = derive(source, labels[::-1]).probabilities[:, ::-1]
        assert_close(turned, expected, tolerance, "labels in the reverse order")

    def test_input_labels_in_any_order_give_the_same_scores(
        self, derive: Any, source: Scores, labels: tuple[str, ...], tolerance: float
    ) -> None:
        turned = attrs.evolve(source, labels=source.labels[::-1], logits=source.logits[:, ::-1])
        assert_close(
            derive(turned, labels).probabilities, derive(source, labels).probabilities, tolerance, "the reverse order"
        )

    def test_batch_equals_single_clips(
        self, derive: Any, source: Scores, labels: tuple[str, ...], tolerance: float
    ) -> None:
        together = derive(source, labels).probabilities
        for at in range(len(together)):
            alone = derive(attrs.evolve(source, logits=source.logits[at : at + 1]), labels).probabilities
            assert_close(alone[0], together[at], tolerance, f"clip {at} alone")

    def test_empty_batch_gives_empty_scores(self, derive: Any, source: Scores, labels: tuple[str, ...]) -> None:
        shape = derive(attrs.evolve(source, logits=source.logits[:0]), labels).logits.shape
        assert shape == (0, len(labels)), f"expected shape {(0, len(labels))}, got {shape}"

    def test_output_is_deterministic(self, derive: Any, source: Scores, labels: tuple[str, ...]) -> None:
        first, second = derive(source, labels).logits, derive(source, labels).logits
        assert np.array_equal(first, second), "the same scores gave other results the second time"

    def test_inputs_are_not_modified(
        self, spec: DerivedHeadSpec, config: Any, source: Scores, labels: tuple[str, ...]
    ) -> None:
        written = source.logits.copy()
        spec.derive(config, attrs.evolve(source, logits=written), labels)
        assert np.array_equal(written, source.logits), "it wrote into its input scores"


def _labels(task: TaskSpec) -> tuple[str, ...]:
    """Labels of the catalogue for a task of fitsense, otherwise those that the task declares, or made-up ones."""
    from fitsense.catalogue import load_catalogue

    catalogue = load_catalogue()
    by_task = {"exercise": tuple(catalogue.exercises), "muscles": tuple(catalogue.muscle_groups)}
    return by_task.get(task.name) or output_labels(task) or LABELS


def _check_probabilities(values: FloatArray, kind: TaskKind) -> None:
    assert ((values >= 0) & (values <= 1)).all(), "expected probabilities in 0..1"
    if kind == "one_of_many":
        assert np.allclose(values.sum(axis=1), 1, atol=1e-4), f"expected rows that sum to 1, got {values.sum(axis=1)}"


def _shaken(module: Any, torch: Any) -> Any:
    """The module in eval mode with random changes of its initial weights, which may all be equal."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return module.eval()
