"""Fusion of branches' outputs into scores per task, with derived heads and cascades. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.configs import config_from_json
from fitsense.bundles.manifest import FusionEntry, Manifest
from fitsense.errors import BundleError, InvalidInputError, PluginError
from fitsense.expectation import Expectation, apply_expectations
from fitsense.inference.base import EVIDENCE
from fitsense.inference.members import fuse_members
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import Cascade, DerivedHeadSpec, FusionSpec
from fitsense.plugins.tasks import TaskSpec
from fitsense.types import FloatArray, Scores, Task

Outputs = Mapping[str, Mapping[str, FloatArray]]
"""Outputs for the same clips, by branch name: features, each head's logits by its task, and the evidence, see
:attr:`fitsense.Scores.evidence`, if the branch states it."""


def set_cascade(manifest: Manifest, plugins: PluginManager, cascade: Cascade) -> Manifest:
    """Return the manifest with `cascade` for the exercise.

    Heads derived from the exercise belong to the first stage. Muscles follow the exercise, without a threshold.

    :raises InvalidInputError: a branch is unknown, or a fusion's configuration has no field ``cascade``.
    """
    names = [branch.name for branch in manifest.branches]
    if not set(cascade.first) <= set(names):
        raise InvalidInputError(
            f"cascade: expected to ask some of {', '.join(names)} first, got {', '.join(cascade.first)}"
        )
    fusion = {}
    for task, entry in manifest.fusion.items():
        spec = plugins.fusion(entry.fusion)
        if "cascade" not in attrs.fields_dict(spec.config):
            raise InvalidInputError(f"{manifest.name}: {entry.fusion}, the fusion for {task}, has no cascade")
        members = [branch.name for branch in manifest.branches if any(head.task == task for head in branch.heads)]
        first = [name for name in cascade.first if name in members]
        first += [derived.name for derived in manifest.derived if derived.task == task]
        own = {"first": first, "threshold": cascade.threshold if task == "exercise" else 0.0}
        fusion[task] = FusionEntry(entry.fusion, {**entry.config, "cascade": own})
    return attrs.evolve(manifest, fusion=fusion)


class FusionPipeline:
    """Combines the outputs of a bundle's branches into one score per task.

    With a cascade, the scores of a clip are those of the first branches, if these are confident enough for every task;
    else those of all branches.

    :param plugins: plugins that provide the fusions and heads.
    :raises BundleError: a task has no fusion, or not the members that its fusion needs.
    """

    def __init__(self, manifest: Manifest, plugins: PluginManager) -> None:
        self._manifest = manifest
        self._fusions: dict[str, tuple[FusionSpec, Any]] = {}
        self._cascades: dict[str, Cascade] = {}
        for task, entry in manifest.fusion.items():
            fusion = plugins.fusion(entry.fusion)
            config = config_from_json(fusion.config, entry.config, entry.fusion)
            self._fusions[task] = (fusion, config)
            cascade = fusion.cascade(config) if fusion.cascade else None
            if cascade:
                self._cascades[task] = cascade
        self._tasks = {task: _task(manifest, task, plugins) for task in manifest.fusion}
        self._derived: list[tuple[str, DerivedHeadSpec, object]] = []
        for derived in manifest.derived:
            head = plugins.head(derived.head)
            if not isinstance(head, DerivedHeadSpec):
                raise PluginError(f"head {derived.head} reads features, so that it cannot derive {derived.task}")
            self._derived.append((derived.name, head, config_from_json(head.config, derived.config, derived.head)))
        self._check_members(plugins)
        names = [branch.name for branch in manifest.branches]
        # A streaming branch has to process each window.
        self._first = tuple(
            branch.name
            for branch in manifest.branches
            if branch.stream or any(self._is_first(branch.name, head.task) for head in branch.heads)
        )
        self._deferred = tuple(name for name in names if name not in self._first) if self._cascades else ()
        if not self._deferred:
            self._first = tuple(names)

    @property
    def tasks(self) -> Mapping[str, TaskSpec]:
        """The tasks of the bundle, by name."""
        return self._tasks

    @property
    def first(self) -> tuple[str, ...]:
        """Names of the branches that run on every clip."""
        return self._first

    @property
    def deferred(self) -> tuple[str, ...]:
        """Names of the branches that run on clips of which the first ones are uncertain."""
        return self._deferred

    def predict(
        self,
        outputs: Outputs,
        run: Callable[[NDArray[np.intp]], Outputs],
        expectations: Sequence[Expectation | None] = (),
    ) -> Mapping[Task, Scores]:
        """Fused, uncalibrated scores of each task.

        :param outputs: outputs of the first branches.
        :param run: returns the outputs of the deferred branches for some clips, given by ascending indices. Called at
            most once.
        :param expectations: the host's expectation for each clip, which derived heads follow; empty for none.
        """
        if not self._deferred:
            return self._fuse_all(self._members(outputs, _is_any, expectations))
        scores = self._fuse_all(self._members(outputs, self._is_first, expectations))
        uncertain = np.flatnonzero(self._uncertain(scores, expectations))
        if not len(uncertain):
            return scores
        all_outputs = {**_rows(outputs, uncertain), **run(uncertain)}
        chosen = [expectations[clip] for clip in uncertain.tolist()] if expectations else ()
        refined = self._fuse_all(self._members(all_outputs, _is_any, chosen))
        return {task: _scatter(one, uncertain, refined[task]) for task, one in scores.items()}

    def fuse(self, outputs: Outputs) -> Mapping[Task, Scores]:
        """Scores as by :meth:`predict`, from the outputs of all branches; a cascade ignores those it would not run."""
        deferred = {name: outputs[name] for name in self._deferred}
        return self.predict({name: outputs[name] for name in self._first}, lambda clips: _rows(deferred, clips))

    def members(self, outputs: Outputs) -> Mapping[Task, Mapping[str, Scores]]:
        """Inputs of each task's fusion, by name: branches, and heads that derive the task from another's fused scores.

        :param outputs: outputs of all branches.
        """
        return self._members(outputs, _is_any)

    def calibrated(self, exercise: Scores, expectations: Sequence[Expectation | None] = ()) -> FloatArray:
        """Calibrated probabilities, float32 (clips, labels): of the logits divided by the bundle's temperature.


        :param expectations: the host's expectation for each clip; empty for none.
        """
        return self._calibrated(exercise, expectations).probabilities

    def _members(
        self,
        outputs: Outputs,
        selects: Callable[[str, Task], bool],
        expectations: Sequence[Expectation | None] = (),
    ) -> Mapping[Task, Mapping[str, Scores]]:
        members: dict[Task, dict[str, Scores]] = {}
        labels = self._manifest.labels
        for branch in self._manifest.branches:
            for head in branch.heads:
                if selects(branch.name, head.task):
                    given, activation = outputs[branch.name], self._tasks[head.task].activation
                    scores = Scores(head.task, labels.of(head.task), given[head.task], activation, given.get(EVIDENCE))
                    members.setdefault(head.task, {})[branch.name] = scores
        for name, head_spec, config in self._derived:
            if selects(name, head_spec.task):
                read = self._calibrated(self._fuse(head_spec.from_task, members[head_spec.from_task]), expectations)
                derived = head_spec.derive(config, read, labels.of(head_spec.task))
                members.setdefault(head_spec.task, {})[name] = derived
        return members

    def _is_first(self, name: str, task: Task) -> bool:
        cascade = self._cascades.get(task)
        return cascade is None or name in cascade.first

    def _uncertain(
        self, scores: Mapping[Task, Scores], expectations: Sequence[Expectation | None]
    ) -> NDArray[np.bool_]:
        """Mask of the clips for which the first branches are not confident enough, bool (clips,)."""
        # A threshold of 0 is never uncertain, despite rounding: some label of a softmax is above 0, and one of two
        # complementary probabilities is at least .5.
        below = [
            _confidence(self._calibrated(scores[task], expectations)) <= self._cascades[task].threshold
            for task in scores
            if task in self._cascades
        ]
        return np.asarray(np.logical_or.reduce(below), dtype=np.bool_)

    def _fuse_all(self, members: Mapping[Task, Mapping[str, Scores]]) -> dict[Task, Scores]:
        return {task: self._fuse(task, each) for task, each in members.items()}

    def _fuse(self, task: Task, members: Mapping[str, Scores]) -> Scores:
        spec, config = self._fusions[task]
        return fuse_members(spec, config, members)

    def _calibrated(self, scores: Scores, expectations: Sequence[Expectation | None] = ()) -> Scores:
        if scores.task != "exercise":
            return scores
        logits = scores.logits / self._manifest.calibration.temperature
        return attrs.evolve(scores, logits=apply_expectations(logits, scores.labels, expectations))

    def _check_members(self, plugins: PluginManager) -> None:
        """Check that each task has a fusion with enough members, also among the first branches."""
        manifest = self._manifest
        for task in ("exercise", "muscles"):
            if task not in manifest.fusion:
                raise BundleError(f"{manifest.name}: no fusion for {task}")
        members: dict[str, list[str]] = {task: [] for task in manifest.fusion}
        for branch in manifest.branches:
            for head in branch.heads:
                members[head.task].append(branch.name)
        for derived in manifest.derived:
            members[derived.task].append(derived.name)
        for task, entry in manifest.fusion.items():
            minimum, cascade = plugins.fusion(entry.fusion).min_branches, self._cascades.get(task)
            if cascade and not set(members[task]).issuperset(cascade.first):
                raise BundleError(
                    f"{manifest.name}: the cascade for {task}: expected to ask some of {', '.join(members[task])} "
                    f"first, got {', '.join(cascade.first)}"
                )
            if len(cascade.first if cascade else members[task]) < minimum:
                raise BundleError(
                    f"{manifest.name}: {entry.fusion} needs at least {minimum} members for {task}, "
                    f"got {len(cascade.first if cascade else members[task])}"
                )


def _task(manifest: Manifest, name: str, plugins: PluginManager) -> TaskSpec:
    """The task of a bundle, which has to be as it was in training.

    :raises UnknownNameError: no plugin declares it.
    :raises BundleError: the plugin declares it otherwise.
    """
    task, entry = plugins.task(name), manifest.tasks.get(name)
    if entry is not None and (entry.kind, entry.unit) != (task.kind, task.unit):
        raise BundleError(
            f"{manifest.name}: task {name}: expected {entry.kind} {entry.unit}".rstrip()
            + f", got {task.kind} {task.unit}".rstrip()
            + " from the installed plugin; install the version that the bundle was trained with"
        )
    for branch in manifest.branches:
        for head in branch.heads:
            if head.task == name and head.activation != task.activation_name:
                raise BundleError(
                    f"{manifest.name}: branch {branch.name}: task {name}: expected the activation {head.activation}, "
                    f"got {task.activation_name} from the installed plugin"
                )
    return task


def _is_any(name: str, task: Task) -> bool:
    return True


def _confidence(scores: Scores) -> FloatArray:
    """Confidence in each clip's labels, float32 (clips,), see :class:`Cascade`."""
    probabilities = scores.probabilities
    if scores.activation not in ("softmax", "sigmoid"):
        # Numbers say nothing about confidence.
        return np.ones(len(probabilities), np.float32)
    if scores.activation == "softmax":
        return np.asarray(probabilities.max(axis=1), dtype=np.float32)
    return np.asarray(np.maximum(probabilities, 1 - probabilities).min(axis=1), dtype=np.float32)


def _rows(outputs: Outputs, clips: NDArray[np.intp]) -> dict[str, dict[str, FloatArray]]:
    """Outputs of some clips."""
    return {name: {output: values[clips] for output, values in each.items()} for name, each in outputs.items()}


def _scatter(scores: Scores, clips: NDArray[np.intp], others: Scores) -> Scores:
    """Scores in which `others` replace those of some clips."""
    logits = scores.logits.copy()
    logits[clips] = others.logits
    return attrs.evolve(scores, logits=logits)
