"""A model: a bundle's branches, ready to run, and the fusion that joins them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np

from fitsense.bundle import DEFAULT, Bundle, Labels, Manifest
from fitsense.configs import config_from_json
from fitsense.errors import BundleError, InvalidInputError, PluginError
from fitsense.hookspecs import DerivedHeadSpec
from fitsense.plugins import Plugins
from fitsense.runtime import BranchRunner, RuntimeName, load_branch, load_stream
from fitsense.runtime.streaming import Stream
from fitsense.streaming import Stretch
from fitsense.types import ClipSpec, FloatArray, Prediction, Scores, Task, UInt8Array
from fitsense.windows import Window


class Model:
    """What turns clips into predictions. It keeps no state between calls; sessions can share one.

    :param bundle: a verified bundle.
    :param plugins: who joins branches and derives tasks; None for the installed ones.
    :param runtime: what executes the branches.
    :param threads: CPU threads; None for all cores.
    :param bf16: whether to compute in bfloat16; None for where both the CPU and the bundle allow it.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        plugins: Plugins | None = None,
        runtime: RuntimeName = "openvino",
        threads: int | None = None,
        bf16: bool | None = None,
    ) -> None:
        self.bundle = bundle
        self.plugins = plugins or Plugins.discover()
        self._branches: dict[str, BranchRunner] = {
            branch.name: load_branch(bundle, branch, runtime, threads=threads, bf16=bf16, plugins=self.plugins)
            for branch in bundle.manifest.branches
        }
        self._streams: dict[str, Stream] = {
            branch.name: load_stream(bundle, branch, runtime, threads=threads, bf16=bf16, plugins=self.plugins)
            for branch in bundle.manifest.branches
            if branch.stream
        }
        self._fusions = {}
        for task, entry in bundle.manifest.fusion.items():
            fusion = self.plugins.fusion(entry.fusion)
            self._fusions[task] = (fusion.fuse, config_from_json(fusion.config, entry.config, entry.fusion))
        self._derived: list[tuple[str, DerivedHeadSpec, object]] = []
        for derived in bundle.manifest.derived:
            head = self.plugins.head(derived.head)
            if not isinstance(head, DerivedHeadSpec):
                raise PluginError(f"head {derived.head} reads features, so that it cannot derive {derived.task}")
            config = config_from_json(head.config, derived.config, derived.head)
            self._derived.append((derived.name, head, config))
        self._check_members()

    @property
    def manifest(self) -> Manifest:
        """The content of the bundle's ``model.json``."""
        return self.bundle.manifest

    @property
    def labels(self) -> Labels:
        """Catalogue ids of what it scores."""
        return self.bundle.manifest.labels

    @property
    def clips(self) -> Mapping[str, ClipSpec]:
        """The clips that it wants, by branch name."""
        return {branch.name: branch.clip for branch in self.bundle.manifest.branches}

    @property
    def streams(self) -> Mapping[str, Stream]:
        """The branches that go on frame by frame, by name."""
        return dict(self._streams)

    @property
    def short_side(self) -> int:
        """What a source's short side is best scaled to, in pixels: enough for every branch."""
        return max(spec.short_side for spec in self.clips.values())

    def run(self, clips: Mapping[str, UInt8Array]) -> Mapping[str, Mapping[str, FloatArray]]:
        """Every branch's outputs, by branch name: features, and each head's logits by its task.

        :param clips: uint8 of shape (clips, frames, size, size, 3), by branch name.
        """
        if set(clips) != set(self._branches):
            raise InvalidInputError(
                f"clips: expected those of the branches {sorted(self._branches)}, got {sorted(clips)}"
            )
        return {name: branch(clips[name]) for name, branch in self._branches.items()}

    def scores(self, clips: Mapping[str, UInt8Array]) -> Mapping[Task, Scores]:
        """The fused, not yet calibrated scores of each task, for a batch of clips as in :meth:`run`."""
        return self.fuse(self.run(clips))

    def fuse(self, outputs: Mapping[str, Mapping[str, FloatArray]]) -> Mapping[Task, Scores]:
        """Join the outputs of :meth:`run`."""
        return {task: self._fuse(task, members) for task, members in self.members(outputs).items()}

    def members(self, outputs: Mapping[str, Mapping[str, FloatArray]]) -> Mapping[Task, Mapping[str, Scores]]:
        """What each task's fusion joins, by name: branches, and heads that derive the task from another's fused
        scores.

        :param outputs: those of :meth:`run`.
        """
        members: dict[Task, dict[str, Scores]] = {}
        for branch in self.bundle.manifest.branches:
            for head in branch.heads:
                labels = getattr(self.labels, head.task)
                logits = outputs[branch.name][head.task]
                members.setdefault(head.task, {})[branch.name] = Scores(head.task, labels, logits, head.activation)
        for name, head_spec, config in self._derived:
            read = self._calibrated(self._fuse(head_spec.from_task, members[head_spec.from_task]))
            derived = head_spec.derive(config, read, getattr(self.labels, head_spec.task))
            members.setdefault(head_spec.task, {})[name] = derived
        return members

    def _check_members(self) -> None:
        """Each task needs a fusion, and as many members as that wants."""
        manifest = self.bundle.manifest
        for task in ("exercise", "muscles"):
            if task not in manifest.fusion:
                raise BundleError(f"{manifest.name}: it has nothing that answers {task}")
        members: Counter[str] = Counter(head.task for branch in manifest.branches for head in branch.heads)
        members.update(derived.task for derived in manifest.derived)
        for task, entry in manifest.fusion.items():
            least = self.plugins.fusion(entry.fusion).min_branches
            if members[task] < least:
                raise BundleError(
                    f"{manifest.name}: {entry.fusion} joins at least {least} members for {task}, got {members[task]}"
                )

    def _fuse(self, task: Task, members: Mapping[str, Scores]) -> Scores:
        fuse, config = self._fusions[task]
        return fuse(config, members)

    def _calibrated(self, scores: Scores) -> Scores:
        if scores.task != "exercise":
            return scores
        return attrs.evolve(scores, logits=scores.logits / self.manifest.calibration.temperature)

    def predict(self, windows: Sequence[Window]) -> list[Prediction]:
        """What the model says of windows, calibrated; those of several sessions may be asked about at once.

        Branches that stream go on with what is new in each window, in the order of the windows; what they remember is
        the windows', not the model's.
        """
        if not windows:
            return []
        scores = self.fuse({name: self._outputs(name, windows) for name in self._branches})
        exercise, muscles = self.calibrated(scores["exercise"]), scores["muscles"].probabilities
        return [
            Prediction(window.start_s, window.end_s, exercise[at], muscles[at]) for at, window in enumerate(windows)
        ]

    def _outputs(self, name: str, windows: Sequence[Window]) -> Mapping[str, FloatArray]:
        if name not in self._streams:
            return self._branches[name](np.stack([window.clips[name].frames for window in windows]))
        each = [self._gone_on(self._streams[name], window.stretches[name]) for window in windows]
        return {output: np.stack([outputs[output] for outputs in each]) for output in each[0]}

    @staticmethod
    def _gone_on(stream: Stream, stretch: Stretch) -> Mapping[str, FloatArray]:
        """The newest outputs of a stream after a window."""
        run = stretch.run
        for picture in stretch.unseen:
            outputs, run.state = stream.step(picture, run.state or stream.start())
            run.outputs = dict(outputs or run.outputs)
        return run.outputs

    def calibrated(self, exercise: Scores) -> FloatArray:
        """Calibrated probabilities, float32 (clips, labels): of the logits over the bundle's temperature."""
        return self._calibrated(exercise).probabilities


def load_model(
    path: str | Path = DEFAULT,
    *,
    plugins: Plugins | None = None,
    runtime: RuntimeName = "openvino",
    threads: int | None = None,
    bf16: bool | None = None,
) -> Model:
    """Load a model bundle: a folder, a zip, or the name of one that comes with fitsense.

    :param path: the bundle; by default the one that comes with fitsense.
    :param plugins: None for the installed ones.
    :param runtime: ``openvino``, or ``torch`` with ``fitsense[torch]``.
    :param threads: CPU threads; None for all cores.
    :param bf16: whether to compute in bfloat16; None for where both the CPU and the bundle allow it.
    :raises BundleError: the bundle is missing, altered, malformed or unsafe.
    """
    return Model(Bundle.load(path), plugins=plugins, runtime=runtime, threads=threads, bf16=bf16)
