"""Models: the loaded branches of a bundle, and the fusion that combines their outputs."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Unpack

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.bundles.bundle import DEFAULT, Bundle
from fitsense.bundles.first_use import bundle_in_use
from fitsense.bundles.manifest import BranchEntry, Labels, Manifest
from fitsense.errors import InvalidInputError
from fitsense.inference.base import JointRunner, check_batch
from fitsense.inference.config import RuntimeConfig, RuntimeOptions
from fitsense.inference.fusion import FusionPipeline, Outputs, set_cascade
from fitsense.inference.loading import load_branch, load_joint, load_stream
from fitsense.inference.observation import PoseBranch
from fitsense.inference.pose_estimator import PoseEstimators, landmark_estimator
from fitsense.inference.streaming import StreamingBranch
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import Cascade
from fitsense.plugins.tasks import RESERVED, TaskSpec
from fitsense.pose.landmarks import LandmarkSet
from fitsense.types import ClipSpec, FloatArray, Prediction, Scores, Task
from fitsense.windowing.sampler import Window
from fitsense.windowing.stream_state import NewFrames

_LOGGER = logging.getLogger("fitsense.inference")


class Model:
    """Turns clips into predictions. Keeps no state between calls; sessions can share one.

    :param bundle: a verified bundle.
    :param plugins: plugins that combine branches and derive tasks; None for the installed ones.
    :param options: see :class:`fitsense.RuntimeOptions`.
    """

    notice = ""
    """Reason for using another bundle than the requested one, of which sessions warn; empty otherwise."""

    def __init__(
        self, bundle: Bundle, *, plugins: PluginManager | None = None, **options: Unpack[RuntimeOptions]
    ) -> None:
        config = RuntimeConfig(**options)
        self.bundle = bundle
        self.plugins = plugins or PluginManager.discover()
        self.threads = config.threads
        self._fusion = FusionPipeline(bundle.manifest, self.plugins)
        self._streaming: dict[str, StreamingBranch] = {
            branch.name: load_stream(bundle, branch, config, plugins=self.plugins)
            for branch in bundle.manifest.branches
            if branch.stream
        }
        self.pose_estimators = PoseEstimators(self.plugins, config.threads)
        self._on_poses = self._load_pose_branches(config)
        load = functools.partial(load_joint, bundle, config=config, plugins=self.plugins)
        # Streaming branches load their clip graphs lazily: only `run` uses them.
        self._runners: dict[tuple[str, ...], Callable[[], JointRunner]] = {
            tuple(branch.name for branch in group): functools.cache(functools.partial(load, group))
            for group in _groups(bundle.manifest.branches, self._fusion.first)
            if group[0].name not in self._on_poses
        }
        for name, branch in self._on_poses.items():
            self._runners[(name,)] = functools.partial(_alone, name, branch)
        for group, runner in self._runners.items():
            if not self._streaming.keys() & group:
                runner()
        branches = ", ".join(f"{branch.name} ({branch.backbone})" for branch in bundle.manifest.branches)
        _LOGGER.debug(
            "loaded %s %s from %s: %s; %s, threads %s",
            bundle.manifest.name, bundle.manifest.version, bundle.folder, branches, config.runtime, config.threads,
        )  # fmt: skip

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Model cannot be pickled: its compiled networks belong to this process; "
            "call fitsense.load_model() in the other one, with the same bundle"
        )

    @property
    def manifest(self) -> Manifest:
        """The content of the bundle's ``model.json``."""
        return self.bundle.manifest

    @property
    def labels(self) -> Labels:
        """Catalogue ids of the exercises and muscle groups that the model scores."""
        return self.bundle.manifest.labels

    @property
    def tasks(self) -> Mapping[str, TaskSpec]:
        """The tasks beside the exercise and the muscles that the model scores, by name."""
        return {name: task for name, task in self._fusion.tasks.items() if name not in RESERVED}

    @property
    def clips(self) -> Mapping[str, ClipSpec]:
        """Specifications of the input clips, by branch name."""
        return {branch.name: branch.clip for branch in self.bundle.manifest.branches}

    @property
    def streaming_branches(self) -> Mapping[str, StreamingBranch]:
        """The branches that process single frames, by name."""
        return dict(self._streaming)

    @property
    def pose_branches(self) -> tuple[str, ...]:
        """Names of the branches that take poses; a window may bring these instead of pictures, see :class:`Window`."""
        return tuple(self._on_poses)

    @property
    def landmark_set(self) -> LandmarkSet | None:
        """The landmarks that :attr:`pose_branches` take; None if there are none."""
        return next((branch.estimator.landmark_set for branch in self._on_poses.values()), None)

    def _load_pose_branches(self, config: RuntimeConfig) -> dict[str, PoseBranch]:
        """Load the branches that take poses, by name."""
        name = landmark_estimator(self.manifest, self.plugins)
        loaded: dict[str, PoseBranch] = {}
        for branch in self.manifest.branches if name else ():
            observation = self.plugins.backbone(branch.backbone).observation
            if branch.observation and observation and observation.pose_estimator:
                estimator = self.pose_estimators.load(observation.pose_estimator)
                run = load_branch(self.bundle, branch, config, plugins=self.plugins, estimator=estimator)
                assert isinstance(run, PoseBranch)
                loaded[branch.name] = run
        return loaded

    @property
    def deferred_branches(self) -> tuple[str, ...]:
        """Names of the branches that a cascade runs only if the first ones are uncertain."""
        return self._fusion.deferred

    @property
    def short_side(self) -> int:
        """Short side in pixels to which sources should be scaled: the largest that a branch needs."""
        return max(spec.short_side for spec in self.clips.values())

    def run(self, clips: Mapping[str, NDArray[Any]]) -> Outputs:
        """Run every branch; features and each head's logits (by task), by branch name.

        :param clips: uint8 of shape (clips, frames, size, size, 3), by branch name; for :attr:`pose_branches` also
            poses, float32 (clips, frames, landmarks, 6), see :class:`fitsense.plugins.ObservationSpec`.
        """
        if set(clips) != set(self.clips):
            raise InvalidInputError(f"clips: expected those of the branches {sorted(self.clips)}, got {sorted(clips)}")
        return self._run(clips)

    def predict_clips(self, clips: Mapping[str, NDArray[Any]]) -> Mapping[Task, Scores]:
        """Fused, uncalibrated scores of each task, for a batch of clips as for :meth:`run`."""
        return self.fuse(self.run(clips))

    def fuse(self, outputs: Outputs) -> Mapping[Task, Scores]:
        """Fuse the outputs of :meth:`run`; a cascade applies as if its branches had run one after the other."""
        return self._fusion.fuse(outputs)

    def members(self, outputs: Outputs) -> Mapping[Task, Mapping[str, Scores]]:
        """Inputs of each task's fusion, by name: branches, and heads that derive the task from another's fused scores.

        :param outputs: outputs of :meth:`run`.
        """
        return self._fusion.members(outputs)

    def predict(self, windows: Sequence[Window]) -> list[Prediction]:
        """Calibrated predictions for windows, of one or several sessions.

        Streaming branches process the new frames of each window, in the order of the windows; their state belongs to
        the windows' sessions, not to the model.
        """
        if not windows:
            return []
        expectations = [window.expectation for window in windows]
        scores = self._fusion.predict(
            self._outputs(self._fusion.first, windows),
            lambda uncertain: self._outputs(self._fusion.deferred, [windows[at] for at in uncertain]),
            expectations,
        )
        exercise = self._fusion.calibrated(scores["exercise"], expectations)
        muscles = scores["muscles"].probabilities
        values = {task: scores[task].probabilities for task in self.tasks}
        return [
            Prediction(
                window.start_s,
                window.end_s,
                exercise[at],
                muscles[at],
                {task: each[at] for task, each in values.items()},
            )
            for at, window in enumerate(windows)
        ]

    def _outputs(self, names: Sequence[str], windows: Sequence[Window]) -> Outputs:
        """Outputs of some branches for windows, of which some may bring poses and others pictures."""
        kinds = [frozenset(window.poses) for window in windows]
        if len(set(kinds)) > 1:
            parts = [[at for at, kind in enumerate(kinds) if kind == one] for one in dict.fromkeys(kinds)]
            return _joined([(part, self._outputs(names, [windows[at] for at in part])) for part in parts])
        on_clips = [name for name in names if name not in self._streaming]
        outputs = self._run({name: np.stack([_input(window, name) for window in windows]) for name in on_clips})
        for name in self._streaming.keys() & names:
            each = [self._advance_stream(self._streaming[name], window.new_frames[name]) for window in windows]
            outputs[name] = {output: np.stack([ones[output] for ones in each]) for output in each[0]}
        return outputs

    def _run(self, clips: Mapping[str, NDArray[Any]]) -> dict[str, Mapping[str, FloatArray]]:
        """Outputs of the branches for which there are clips or poses."""
        outputs: dict[str, Mapping[str, FloatArray]] = {}
        for name, batch in clips.items():
            if name in self._on_poses and batch.dtype == np.float32:
                outputs[name] = self._on_poses[name].run_on_poses(batch)
                continue
            check_batch(batch, f"clip of {name}", self.clips[name].shape, "uint8")
        for group, runner in self._runners.items():
            pending = [name for name in group if name in clips and name not in outputs]
            while pending:
                batch = clips[pending[0]]
                # Usually the whole group.
                shared = [name for name in pending if clips[name] is batch or np.array_equal(clips[name], batch)]
                results = runner()(batch)
                outputs.update({name: results[name] for name in shared})
                pending = [name for name in pending if name not in shared]
        return {name: outputs[name] for name in clips}

    @staticmethod
    def _advance_stream(stream: StreamingBranch, new: NewFrames) -> Mapping[str, FloatArray]:
        """The newest outputs of a streaming branch after a window."""
        run = new.run
        for picture in new.unseen:
            outputs, run.state = stream.step(picture, run.state or stream.start())
            run.outputs = dict(outputs or run.outputs)
        return run.outputs

    def calibrated(self, exercise: Scores) -> FloatArray:
        """Calibrated probabilities, float32 (clips, labels): of the logits divided by the bundle's temperature."""
        return self._fusion.calibrated(exercise)


def _joined(parts: Sequence[tuple[Sequence[int], Outputs]]) -> dict[str, dict[str, FloatArray]]:
    """Outputs of parts of some windows, given by their indices, in the order of the windows."""
    order = np.argsort(np.concatenate([np.array(indices) for indices, _ in parts]))
    _, first = parts[0]
    return {
        name: {output: np.concatenate([each[name][output] for _, each in parts])[order] for output in outputs}
        for name, outputs in first.items()
    }


def _input(window: Window, name: str) -> NDArray[Any]:
    """A branch's poses in a window or, where the session does not track the person, its clip."""
    return window.poses[name] if name in window.poses else window.clips[name].frames


def _alone(name: str, branch: PoseBranch) -> JointRunner:
    return lambda clips: {name: branch(clips)}


def _groups(branches: Iterable[BranchEntry], first: Collection[str]) -> Iterable[Sequence[BranchEntry]]:
    """The branches, grouped by the clips that they take and the time at which they run."""
    groups: dict[Hashable, list[BranchEntry]] = {}
    for branch in branches:
        alone = branch.observation is not None or branch.stream is not None
        groups.setdefault(branch.name if alone else (branch.name in first, branch.clip), []).append(branch)
    return groups.values()


def load_model(
    path: str | Path = DEFAULT,
    *,
    plugins: PluginManager | None = None,
    cascade: Cascade | None = None,
    **options: Unpack[RuntimeOptions],
) -> Model:
    """Load a model bundle.

    The first use of an included bundle fetches the third-party files that it needs. If that fails, ``gym-video`` takes
    the place of ``gym``; a line on standard error and an event of each session say so.

    :param path: folder, zip file, or name of an included bundle.
    :param plugins: None for the installed ones.
    :param cascade: the branches that run first, and the confidence in the exercise from which the others do not run;
        None for the bundle's cascade.
    :param options: see :class:`fitsense.RuntimeOptions`.
    :raises BundleError: the bundle is missing, altered, malformed or unsafe.
    :raises InvalidInputError: an option is invalid, the device is missing, or the runtime does not support an option.
    :raises FitsenseError: a network cannot be compiled here, for example because there is no C++ compiler.
    """
    plugins = plugins or PluginManager.discover()
    used = bundle_in_use(path, plugins)
    bundle = used.bundle
    if cascade is not None:
        bundle = attrs.evolve(bundle, manifest=set_cascade(bundle.manifest, plugins, cascade))
    model = Model(bundle, plugins=plugins, **options)
    model.notice = used.notice
    return model
