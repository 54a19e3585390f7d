"""Mutants show that each law of tasks can fail alone."""

from __future__ import annotations

import itertools
import types
from typing import Any

import attrs
import pytest

import fitsense
from fitsense.plugins import CustomActivation, TaskSpec
from fitsense.testing import runner
from fitsense.testing.contracts import TaskContract
from fitsense.types import to_logits, to_probabilities
from tests.helpers import task_plugin
from tests.testing.contracts.broken import broken_laws, laws, plugin_of

pytest.importorskip("torch")

GOOD = TaskSpec("form", "one_of_many", labels=("good", "bad", "ugly"))
NUMBER = TaskSpec("reps", "regression", unit="reps")


def activation(**functions: Any) -> CustomActivation:
    """Softmax, with other functions."""
    given = {
        "to_values": lambda logits: to_probabilities(logits, "softmax"),
        "to_logits": lambda values: to_logits(values, "softmax"),
    }
    return CustomActivation("own", **{**given, **functions})


def cross_entropy(logits: Any, targets: Any) -> Any:
    from torch.nn import functional as F

    return F.cross_entropy(logits, targets, reduction="none")


def halved(logits: Any) -> Any:
    return to_probabilities(logits, "softmax") / 2


def among_others(logits: Any) -> Any:
    """Softmax, with the labels in another order for one window alone."""
    values = to_probabilities(logits, "softmax")
    return values if len(values) != 1 else values[:, ::-1]


OWN = attrs.evolve(GOOD, activation=activation(), loss=cross_entropy)
_calls = itertools.count()
MUTANTS: dict[str, TaskSpec] = {
    "test_values_are_in_the_range_of_the_kind": attrs.evolve(
        OWN, activation=activation(to_values=halved, to_logits=lambda values: to_logits(values * 2, "softmax"))
    ),
    "test_activation_is_invertible": attrs.evolve(
        OWN, activation=activation(to_logits=lambda values: -to_logits(values, "softmax"))
    ),
    "test_window_values_are_independent_of_other_windows": attrs.evolve(
        OWN, activation=activation(to_values=among_others)
    ),
    "test_summary_has_one_value_per_label": attrs.evolve(
        NUMBER, summarise=lambda values, seconds: values if len(values) == 2 else values.mean(axis=0)
    ),
    "test_summary_is_deterministic": attrs.evolve(
        NUMBER, summarise=lambda values, seconds: values.mean(axis=0) + next(_calls)
    ),
    "test_summaries_obey_their_schemas": attrs.evolve(
        GOOD, schema={"$id": "urn:fitsense:plugin:mutants:form", "required": ["ok"]}
    ),
    "test_loss_is_lower_for_correct_logits": attrs.evolve(
        OWN, loss=lambda logits, targets: -cross_entropy(logits, targets)
    ),
}


def declaring(task: TaskSpec) -> types.ModuleType:
    module = plugin_of()
    setattr(module, "fitsense_tasks", fitsense.hookimpl(lambda: [task]))  # noqa: B010
    return module


@pytest.mark.parametrize("law", MUTANTS)
def test_task_mutant_breaks_one_law(law: str) -> None:
    task = MUTANTS[law]
    assert broken_laws(TaskContract, plugin=declaring(task), name=task.name) == {law}


def test_task_laws_all_have_a_mutant() -> None:
    assert laws(TaskContract) == set(MUTANTS)


@pytest.mark.parametrize("task", [GOOD, NUMBER, OWN], ids=["good", "number", "own"])
def test_task_valid_breaks_no_law(task: TaskSpec) -> None:
    assert broken_laws(TaskContract, plugin=declaring(task), name=task.name) == set()


def test_tasks_and_their_heads_are_checked_with_their_plugin() -> None:
    contracts = runner.contracts_of(task_plugin)
    wanted = [f"task {task.name}" for task in task_plugin.TASKS] + ["head tasks/light", "head tasks/effort"]
    outcomes = runner.run({subject: contracts[subject] for subject in wanted})
    assert [outcome for outcome in outcomes if outcome.status == "broken"] == []
    assert {outcome.subject for outcome in outcomes} == set(wanted)
