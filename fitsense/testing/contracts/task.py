"""Laws of a task that a plugin declares."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fitsense.errors import SchemaError
from fitsense.events.schema import check_document, schemas, validator
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.tasks import TaskSpec, output_labels
from fitsense.testing.contracts.offer import LABELS, assert_close, missing, numbers
from fitsense.types import FloatArray, to_logits, to_probabilities

_WINDOWS = 12


class TaskContract:
    """Laws of a task; `plugin` and `name` are required."""

    @pytest.fixture
    def plugin(self) -> Any:
        """The plugin: a module or an object with hook implementations."""
        missing(self, "plugin", "the module with the hook implementations", "my_plugin")

    @pytest.fixture
    def name(self) -> str:
        """Name of the task."""
        missing(self, "name", "the name of the task to check", "'form_quality'")

    @pytest.fixture
    def task(self, plugin: Any, name: str) -> TaskSpec:
        """The checked task."""
        host = PluginManager()
        report = host.register(plugin)
        assert report.status == "loaded", f"the plugin is {report.status}: {report.reason}"
        return host.task(name)

    @pytest.fixture
    def labels(self, task: TaskSpec) -> tuple[str, ...]:
        """Labels of its heads; by default those that the task declares, or made-up ones."""
        return output_labels(task) or LABELS

    @pytest.fixture
    def logits(self, labels: tuple[str, ...]) -> FloatArray:
        """Logits of some windows, float32 (windows, labels)."""
        return numbers(0, _WINDOWS, len(labels)) * 2

    @pytest.fixture
    def values(self, task: TaskSpec, logits: FloatArray) -> FloatArray:
        """Values of these windows."""
        return to_probabilities(logits, task.activation)

    @pytest.fixture
    def seconds(self) -> NDArray[np.float64]:
        """Lengths of these windows."""
        return np.linspace(0.2, 1.0, _WINDOWS)

    @pytest.fixture
    def tolerance(self) -> float:
        """Allowed difference of values that rounding explains."""
        return 2e-3

    def test_values_are_in_the_range_of_the_kind(self, task: TaskSpec, logits: FloatArray, values: FloatArray) -> None:
        assert values.shape == logits.shape, f"expected shape {logits.shape}, got {values.shape}"
        assert np.isfinite(values).all(), "expected finite values"
        if task.kind == "regression":
            return
        assert ((values >= 0) & (values <= 1)).all(), "expected probabilities in 0..1"
        if task.kind == "one_of_many":
            assert_close(values.sum(axis=1), np.ones(len(values)), 1e-3, "sums of the probabilities of all labels")

    def test_activation_is_invertible(self, task: TaskSpec, values: FloatArray, tolerance: float) -> None:
        again = to_probabilities(to_logits(values, task.activation), task.activation)
        assert_close(again, values, tolerance * max(1.0, float(np.abs(values).max())), "values of the logits of values")

    def test_window_values_are_independent_of_other_windows(
        self, task: TaskSpec, logits: FloatArray, values: FloatArray, tolerance: float
    ) -> None:
        for at in range(len(logits)):
            assert_close(
                to_probabilities(logits[at : at + 1], task.activation)[0], values[at], tolerance, f"window {at}"
            )

    def test_summary_has_one_value_per_label(
        self, task: TaskSpec, values: FloatArray, seconds: NDArray[np.float64], labels: tuple[str, ...]
    ) -> None:
        for count in (1, 2, len(values)):
            over = task.over(values[:count], seconds[:count])
            assert over.shape == (len(labels),), f"expected shape {(len(labels),)}, got {over.shape}"
            assert over.dtype == np.float32, f"expected float32, got {over.dtype}"

    def test_summary_is_deterministic(self, task: TaskSpec, values: FloatArray, seconds: NDArray[np.float64]) -> None:
        first, second = task.over(values, seconds), task.over(values, seconds)
        assert np.array_equal(first, second), "the same windows gave something else the second time"

    def test_summaries_obey_their_schemas(
        self, task: TaskSpec, values: FloatArray, seconds: NDArray[np.float64], labels: tuple[str, ...]
    ) -> None:
        documents = [{"$ref": "urn:fitsense:v1:common#/$defs/extension"}, *([task.schema] if task.schema else [])]
        for stretch in (values, values[:1], values[-1:]):
            part = task.part(labels, task.over(stretch, seconds[: len(stretch)]))
            read = json.loads(json.dumps(part, allow_nan=False))
            assert read == part, f"expected JSON values, got {part}"
            for document in documents:
                try:
                    check_document(validator(document, schemas().values()), part, task.name)
                except SchemaError as error:
                    pytest.fail(str(error), pytrace=False)

    def test_loss_is_lower_for_correct_logits(
        self, task: TaskSpec, logits: FloatArray, values: FloatArray, labels: tuple[str, ...]
    ) -> None:
        torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'fitsense[torch]'")
        from fitsense.nn.losses import loss_of_clips

        wrong = logits[::-1].copy()
        targets = values.argmax(axis=1) if task.kind == "one_of_many" else values
        given = torch.from_numpy(logits.copy()).requires_grad_()
        loss = loss_of_clips(task.loss, given, torch.from_numpy(targets))
        assert torch.isfinite(loss).all(), "expected a finite loss"
        loss.mean().backward()  # type: ignore[no-untyped-call]
        assert given.grad is not None, "no gradient reaches the logits"
        assert torch.isfinite(given.grad).all(), "the gradient is not finite"
        other = loss_of_clips(task.loss, torch.from_numpy(wrong), torch.from_numpy(targets))
        assert loss.mean() < other.mean(), (
            f"expected a lower loss than {other.mean():g} for wrong logits, got {loss.mean():g}"
        )
