"""Branches' outputs in, a task's scores out, by a bundle's fusions, derived heads and cascades: pure."""

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
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import Cascade, DerivedHeadSpec
from fitsense.types import FloatArray, Scores, Task

Outputs = Mapping[str, Mapping[str, FloatArray]]
"""Branches' outputs of the same clips, by branch name: features, and each head's logits by its task."""


def set_cascade(manifest: Manifest, plugins: PluginManager, cascade: Cascade) -> Manifest:
    """A manifest whose branches are asked one after the other, as `cascade` says of the exercise.

    What is derived from the exercise counts as asked first. Muscles follow: they have no doubt of their own.

    :raises InvalidInputError: there are no such branches, or a fusion's configuration has no field ``cascade``.
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
            raise InvalidInputError(f"{manifest.name}: {entry.fusion}, which answers {task}, has no cascade")
        answering = [branch.name for branch in manifest.branches if any(head.task == task for head in branch.heads)]
        first = [name for name in cascade.first if name in answering]
        first += [derived.name for derived in manifest.derived if derived.task == task]
        own = {"first": first, "threshold": cascade.threshold if task == "exercise" else 0.0}
        fusion[task] = FusionEntry(entry.fusion, {**entry.config, "cascade": own})
    return attrs.evolve(manifest, fusion=fusion)


class FusionPipeline:
    """What makes one answer of a bundle's branches.

    Where a fusion has a cascade, the answer to a clip is that of the branches that are asked first, if these are sure
    enough for every task; else that of all branches.

    :param plugins: who offers the fusions and heads.
    :raises BundleError: a task has no fusion, or other members than its fusion wants.
    """

    def __init__(self, manifest: Manifest, plugins: PluginManager) -> None:
        self._manifest = manifest
        self._fusions: dict[str, tuple[Callable[[Any, Mapping[str, Scores]], Scores], Any]] = {}
        self._cascades: dict[str, Cascade] = {}
        for task, entry in manifest.fusion.items():
            fusion = plugins.fusion(entry.fusion)
            config = config_from_json(fusion.config, entry.config, entry.fusion)
            self._fusions[task] = (fusion.fuse, config)
            cascade = fusion.cascade(config) if fusion.cascade else None
            if cascade:
                self._cascades[task] = cascade
        self._derived: list[tuple[str, DerivedHeadSpec, object]] = []
        for derived in manifest.derived:
            head = plugins.head(derived.head)
            if not isinstance(head, DerivedHeadSpec):
                raise PluginError(f"head {derived.head} reads features, so that it cannot derive {derived.task}")
            self._derived.append((derived.name, head, config_from_json(head.config, derived.config, derived.head)))
        self._check_members(plugins)
        names = [branch.name for branch in manifest.branches]
        # A branch that streams has to see each window.
        self._first = tuple(
            branch.name
            for branch in manifest.branches
            if branch.stream or any(self._speaks_first(branch.name, head.task) for head in branch.heads)
        )
        self._rest = tuple(name for name in names if name not in self._first) if self._cascades else ()
        if not self._rest:
            self._first = tuple(names)

    @property
    def first(self) -> tuple[str, ...]:
        """The branches that are asked about every clip."""
        return self._first

    @property
    def rest(self) -> tuple[str, ...]:
        """The branches that are asked about clips that the first ones leave in doubt."""
        return self._rest

    def answer(
        self,
        outputs: Outputs,
        ask: Callable[[NDArray[np.intp]], Outputs],
        expectations: Sequence[Expectation | None] = (),
    ) -> Mapping[Task, Scores]:
        """The fused, not yet calibrated scores of each task.

        :param outputs: of the first branches.
        :param ask: gives the outputs of the rest for some of the clips, which it is given by their ascending indices.
            It is asked once, if at all.
        :param expectations: of the host, for each clip; what is derived from the exercise follows them. Empty for
            none.
        """
        if not self._rest:
            return self._fuse_all(self._members(outputs, _speaks_always, expectations))
        scores = self._fuse_all(self._members(outputs, self._speaks_first, expectations))
        doubtful = np.flatnonzero(self._uncertain(scores, expectations))
        if not len(doubtful):
            return scores
        all_outputs = {**_rows(outputs, doubtful), **ask(doubtful)}
        expected = [expectations[clip] for clip in doubtful] if expectations else ()
        surer = self._fuse_all(self._members(all_outputs, _speaks_always, expected))
        return {task: _scatter(one, doubtful, surer[task]) for task, one in scores.items()}

    def fuse(self, outputs: Outputs) -> Mapping[Task, Scores]:
        """The same, of the outputs of all branches: they say nothing of clips that they would not be asked about."""
        rest = {name: outputs[name] for name in self._rest}
        return self.answer({name: outputs[name] for name in self._first}, lambda clips: _rows(rest, clips))

    def members(self, outputs: Outputs) -> Mapping[Task, Mapping[str, Scores]]:
        """What each task's fusion joins, by name: branches, and heads that derive the task from another's fused
        scores.

        :param outputs: of all branches.
        """
        return self._members(outputs, _speaks_always)

    def calibrated(self, exercise: Scores, expectations: Sequence[Expectation | None] = ()) -> FloatArray:
        """Calibrated probabilities, float32 (clips, labels): of the logits over the bundle's temperature.

        :param expectations: of the host, for each clip; empty for none.
        """
        return self._calibrated(exercise, expectations).probabilities

    def _members(
        self,
        outputs: Outputs,
        speaks: Callable[[str, Task], bool],
        expectations: Sequence[Expectation | None] = (),
    ) -> Mapping[Task, Mapping[str, Scores]]:
        members: dict[Task, dict[str, Scores]] = {}
        labels = self._manifest.labels
        for branch in self._manifest.branches:
            for head in branch.heads:
                if speaks(branch.name, head.task):
                    logits = outputs[branch.name][head.task]
                    scores = Scores(head.task, getattr(labels, head.task), logits, head.activation)
                    members.setdefault(head.task, {})[branch.name] = scores
        for name, head_spec, config in self._derived:
            if speaks(name, head_spec.task):
                read = self._calibrated(self._fuse(head_spec.from_task, members[head_spec.from_task]), expectations)
                derived = head_spec.derive(config, read, getattr(labels, head_spec.task))
                members.setdefault(head_spec.task, {})[name] = derived
        return members

    def _speaks_first(self, name: str, task: Task) -> bool:
        cascade = self._cascades.get(task)
        return cascade is None or name in cascade.first

    def _uncertain(
        self, scores: Mapping[Task, Scores], expectations: Sequence[Expectation | None]
    ) -> NDArray[np.bool_]:
        """Whether a clip's first answer is not sure enough, (clips,)."""
        # At 0 no rounding makes doubt: some label of a softmax is above 0, and of two probabilities one is at least .5.
        doubts = [
            _confidence(self._calibrated(scores[task], expectations)) <= self._cascades[task].threshold
            for task in scores
            if task in self._cascades
        ]
        return np.asarray(np.logical_or.reduce(doubts), dtype=np.bool_)

    def _fuse_all(self, members: Mapping[Task, Mapping[str, Scores]]) -> dict[Task, Scores]:
        return {task: self._fuse(task, each) for task, each in members.items()}

    def _fuse(self, task: Task, members: Mapping[str, Scores]) -> Scores:
        fuse, config = self._fusions[task]
        return fuse(config, members)

    def _calibrated(self, scores: Scores, expectations: Sequence[Expectation | None] = ()) -> Scores:
        if scores.task != "exercise":
            return scores
        logits = scores.logits / self._manifest.calibration.temperature
        return attrs.evolve(scores, logits=apply_expectations(logits, scores.labels, expectations))

    def _check_members(self, plugins: PluginManager) -> None:
        """Each task needs a fusion, and as many members as that wants, also at first."""
        manifest = self._manifest
        for task in ("exercise", "muscles"):
            if task not in manifest.fusion:
                raise BundleError(f"{manifest.name}: it has nothing that answers {task}")
        members: dict[str, list[str]] = {task: [] for task in manifest.fusion}
        for branch in manifest.branches:
            for head in branch.heads:
                members[head.task].append(branch.name)
        for derived in manifest.derived:
            members[derived.task].append(derived.name)
        for task, entry in manifest.fusion.items():
            least, cascade = plugins.fusion(entry.fusion).min_branches, self._cascades.get(task)
            if cascade and not set(members[task]).issuperset(cascade.first):
                raise BundleError(
                    f"{manifest.name}: the cascade for {task}: expected to ask some of {', '.join(members[task])} "
                    f"first, got {', '.join(cascade.first)}"
                )
            if len(cascade.first if cascade else members[task]) < least:
                raise BundleError(
                    f"{manifest.name}: {entry.fusion} joins at least {least} members for {task}, "
                    f"got {len(cascade.first if cascade else members[task])}"
                )


def _speaks_always(name: str, task: Task) -> bool:
    return True


def _confidence(scores: Scores) -> FloatArray:
    """How probably the answer to each clip is right, float32 (clips,), as :class:`Cascade` means it."""
    probabilities = scores.probabilities
    if scores.activation == "softmax":
        return np.asarray(probabilities.max(axis=1), dtype=np.float32)
    return np.asarray(np.maximum(probabilities, 1 - probabilities).min(axis=1), dtype=np.float32)


def _rows(outputs: Outputs, clips: NDArray[np.intp]) -> dict[str, dict[str, FloatArray]]:
    """The outputs of some of the clips."""
    return {name: {output: values[clips] for output, values in each.items()} for name, each in outputs.items()}


def _scatter(scores: Scores, clips: NDArray[np.intp], others: Scores) -> Scores:
    """The scores, but with `others` in the place of those of some of the clips."""
    logits = scores.logits.copy()
    logits[clips] = others.logits
    return attrs.evolve(scores, logits=logits)
