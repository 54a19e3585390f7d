"""A model: a bundle's branches, ready to run, and the fusion that joins them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from fitsense.bundles.bundle import DEFAULT, Bundle
from fitsense.bundles.manifest import BranchEntry, Labels, Manifest
from fitsense.errors import InvalidInputError
from fitsense.inference.base import JointRunner, RuntimeName, check_batch
from fitsense.inference.fusion import FusionPipeline, Outputs, set_cascade
from fitsense.inference.loading import load_joint, load_stream
from fitsense.inference.streaming import StreamingBranch
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import Cascade
from fitsense.types import ClipSpec, FloatArray, Prediction, Scores, Task, UInt8Array
from fitsense.windowing.sampler import Window
from fitsense.windowing.stream_state import NewFrames


class Model:
    """What turns clips into predictions. It keeps no state between calls; sessions can share one.

    :param bundle: a verified bundle.
    :param plugins: who joins branches and derives tasks; None for the installed ones.
    :param runtime: what executes the branches.
    :param threads: CPU threads, also for decoding a source that is analysed with it; None for all cores.
    :param bf16: whether to compute in bfloat16; None for where both the CPU and the bundle allow it. torch does so only
        if True.
    :param device: what torch computes on, such as ``cuda:1``; None for CUDA's, if there is one, and the CPU otherwise.
    :param compile: whether torch compiles the networks: with ``torch.compile``, and CUDA graphs on a GPU. Loading then
        takes up to minutes; batches after that are faster.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        plugins: PluginManager | None = None,
        runtime: RuntimeName = "openvino",
        threads: int | None = None,
        bf16: bool | None = None,
        device: str | None = None,
        compile: bool = False,
    ) -> None:
        self.bundle = bundle
        self.plugins = plugins or PluginManager.discover()
        self.threads = threads
        self._fusing = FusionPipeline(bundle.manifest, self.plugins)
        how: Mapping[str, Any] = {
            "runtime": runtime,
            "threads": threads,
            "bf16": bf16,
            "plugins": self.plugins,
            "device": device,
            "compile": compile,
        }
        self._streams: dict[str, StreamingBranch] = {
            branch.name: load_stream(bundle, branch, **how) for branch in bundle.manifest.branches if branch.stream
        }
        load = functools.partial(load_joint, bundle, **how)
        # Windows do not ask a branch that streams about clips; only who calls run does.
        self._runners: dict[tuple[str, ...], Callable[[], JointRunner]] = {
            tuple(branch.name for branch in group): functools.cache(functools.partial(load, group))
            for group in _groups(bundle.manifest.branches, self._fusing.first)
        }
        for group, runner in self._runners.items():
            if not self._streams.keys() & group:
                runner()

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
    def streaming_branches(self) -> Mapping[str, StreamingBranch]:
        """The branches that go on frame by frame, by name."""
        return dict(self._streams)

    @property
    def deferred_branches(self) -> tuple[str, ...]:
        """The branches that a cascade asks only where the others leave doubt, by name."""
        return self._fusing.rest

    @property
    def short_side(self) -> int:
        """What a source's short side is best scaled to, in pixels: enough for every branch."""
        return max(spec.short_side for spec in self.clips.values())

    def run(self, clips: Mapping[str, UInt8Array]) -> Outputs:
        """Every branch's outputs, by branch name: features, and each head's logits by its task.

        :param clips: uint8 of shape (clips, frames, size, size, 3), by branch name.
        """
        if set(clips) != set(self.clips):
            raise InvalidInputError(f"clips: expected those of the branches {sorted(self.clips)}, got {sorted(clips)}")
        return self._run(clips)

    def predict_clips(self, clips: Mapping[str, UInt8Array]) -> Mapping[Task, Scores]:
        """The fused, not yet calibrated scores of each task, for a batch of clips as in :meth:`run`."""
        return self.fuse(self.run(clips))

    def fuse(self, outputs: Outputs) -> Mapping[Task, Scores]:
        """Join the outputs of :meth:`run`; where a fusion has a cascade, as if branches had been asked one by one."""
        return self._fusing.fuse(outputs)

    def members(self, outputs: Outputs) -> Mapping[Task, Mapping[str, Scores]]:
        """What each task's fusion joins, by name: branches, and heads that derive the task from another's fused
        scores.

        :param outputs: those of :meth:`run`.
        """
        return self._fusing.members(outputs)

    def predict(self, windows: Sequence[Window]) -> list[Prediction]:
        """What the model says of windows, calibrated; those of several sessions may be asked about at once.

        Branches that stream go on with what is new in each window, in the order of the windows; what they remember is
        the windows', not the model's.
        """
        if not windows:
            return []
        expectations = [window.expectation for window in windows]
        scores = self._fusing.answer(
            self._outputs(self._fusing.first, windows),
            lambda doubtful: self._outputs(self._fusing.rest, [windows[at] for at in doubtful]),
            expectations,
        )
        exercise = self._fusing.calibrated(scores["exercise"], expectations)
        muscles = scores["muscles"].probabilities
        return [
            Prediction(window.start_s, window.end_s, exercise[at], muscles[at]) for at, window in enumerate(windows)
        ]

    def _outputs(self, names: Sequence[str], windows: Sequence[Window]) -> Outputs:
        """What some branches give for these windows."""
        on_clips = [name for name in names if name not in self._streams]
        outputs = self._run({name: np.stack([window.clips[name].frames for window in windows]) for name in on_clips})
        for name in self._streams.keys() & names:
            each = [self._advance_stream(self._streams[name], window.new_frames[name]) for window in windows]
            outputs[name] = {output: np.stack([ones[output] for ones in each]) for output in each[0]}
        return outputs

    def _run(self, clips: Mapping[str, UInt8Array]) -> dict[str, Mapping[str, FloatArray]]:
        """The outputs of the branches that clips are given for."""
        outputs: dict[str, Mapping[str, FloatArray]] = {}
        for name, batch in clips.items():
            check_batch(batch, f"clip of {name}", self.clips[name].shape, "uint8")
        for group, runner in self._runners.items():
            waiting = [name for name in group if name in clips]
            while waiting:
                batch = clips[waiting[0]]
                # Almost always all of the group.
                shared = [name for name in waiting if clips[name] is batch or np.array_equal(clips[name], batch)]
                ran = runner()(batch)
                outputs.update({name: ran[name] for name in shared})
                waiting = [name for name in waiting if name not in shared]
        return {name: outputs[name] for name in clips}

    @staticmethod
    def _advance_stream(stream: StreamingBranch, stretch: NewFrames) -> Mapping[str, FloatArray]:
        """The newest outputs of a stream after a window."""
        run = stretch.run
        for picture in stretch.unseen:
            outputs, run.state = stream.step(picture, run.state or stream.start())
            run.outputs = dict(outputs or run.outputs)
        return run.outputs

    def calibrated(self, exercise: Scores) -> FloatArray:
        """Calibrated probabilities, float32 (clips, labels): of the logits over the bundle's temperature."""
        return self._fusing.calibrated(exercise)


def _groups(branches: Iterable[BranchEntry], first: Collection[str]) -> Iterable[Sequence[BranchEntry]]:
    """The branches, those together that are asked at the same time and about the same clips."""
    groups: dict[Hashable, list[BranchEntry]] = {}
    for branch in branches:
        alone = branch.observation is not None or branch.stream is not None
        groups.setdefault(branch.name if alone else (branch.name in first, branch.clip), []).append(branch)
    return groups.values()


def load_model(
    path: str | Path = DEFAULT,
    *,
    plugins: PluginManager | None = None,
    runtime: RuntimeName = "openvino",
    threads: int | None = None,
    bf16: bool | None = None,
    device: str | None = None,
    compile: bool = False,
    cascade: Cascade | None = None,
) -> Model:
    """Load a model bundle: a folder, a zip, or the name of one that comes with fitsense.

    :param path: the bundle; by default the one that comes with fitsense.
    :param plugins: None for the installed ones.
    :param runtime: ``openvino``, or ``torch`` with ``fitsense[torch]``.
    :param threads: CPU threads, also for decoding a source that is analysed with it; None for all cores.
    :param bf16: whether to compute in bfloat16; None for where both the CPU and the bundle allow it. torch does so only
        if True.
    :param device: what torch computes on, such as ``cuda:1``; None for CUDA's, if there is one, and the CPU otherwise.
    :param compile: whether torch compiles the networks: with ``torch.compile``, and CUDA graphs on a GPU. Loading then
        takes up to minutes; batches after that are faster.
    :param cascade: the branches that are asked first, and how sure of the exercise they must be that the others are not
        asked; None for what the bundle says.
    :raises BundleError: the bundle is missing, altered, malformed or unsafe.
    :raises InvalidInputError: there is no such runtime or device, or the runtime has no use for what is asked for.
    :raises FitsenseError: a network cannot be compiled here, say for want of a C++ compiler.
    """
    bundle, plugins = Bundle.load(path), plugins or PluginManager.discover()
    if cascade is not None:
        bundle = attrs.evolve(bundle, manifest=set_cascade(bundle.manifest, plugins, cascade))
    return Model(
        bundle,
        plugins=plugins,
        runtime=runtime,
        threads=threads,
        bf16=bf16,
        device=device,
        compile=compile,
    )
