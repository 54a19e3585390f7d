"""Features of labelled clips by a frozen backbone, kept on disk so that no clip is looked at twice."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import attrs
import numpy as np

import fitsense
from fitsense.bundle import BranchEntry
from fitsense.catalogue import IDLE
from fitsense.data.manifest import FOLDS, ClipItem, Skipped
from fitsense.data.views import clip_views
from fitsense.errors import FitsenseError
from fitsense.progress import Track, silent
from fitsense.runtime import BranchRunner
from fitsense.testing.figures import EXERCISES, random_video
from fitsense.types import FloatArray, Frame
from fitsense.video.source import VideoSource


@attrs.frozen
class ViewPolicy:
    """How a clip is looked at.

    :param views: windows spread over it.
    :param mirror: whether to add their mirror images.
    """

    views: int = 4
    mirror: bool = True


@attrs.frozen(eq=False)
class ClipFeatures:
    """What a backbone sees in one clip.

    :param group: its label.
    :param scene: what must not be split.
    :param features: float32 (views, feature_dim).
    """

    group: str
    scene: str
    fold: int
    features: FloatArray


class Extractor:
    """Runs a branch over clips, and remembers.

    :param fingerprint: of the network and its weights: what a remembered feature depends on.
    :param cache: folder of remembered features.
    """

    def __init__(
        self, run: BranchRunner, branch: BranchEntry, policy: ViewPolicy, fingerprint: str, cache: Path
    ) -> None:
        self._run = run
        self._branch = branch
        self._policy = policy
        self._key = json.dumps([fingerprint, attrs.asdict(branch.clip), attrs.asdict(policy)])
        self._cache = cache
        cache.mkdir(parents=True, exist_ok=True)

    def clips(self, items: Sequence[ClipItem], track: Track = silent) -> tuple[list[ClipFeatures], list[Skipped]]:
        """Features of `items`, and those that cannot be read, with the reason."""
        found, skipped = [], []
        for item in track(items, "Features of clips"):
            stat = item.path.stat()
            try:
                what = f"{item.path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
                features = self._remembered(what, functools.partial(self._read, item.path))
            except FitsenseError as error:
                skipped.append(Skipped(str(item.path), str(error)))
                continue
            found.append(ClipFeatures(item.group, item.scene, item.fold, features))
        return found, skipped

    def figures(self, videos: int, track: Track = silent) -> list[ClipFeatures]:
        """Features of `videos` rendered figures of each kind, each a scene of its own."""
        jobs = [(exercise, seed) for seed in range(videos) for exercise in (*EXERCISES, IDLE)]
        found = []
        for exercise, seed in track(jobs, "Features of rendered figures"):
            video = random_video(exercise, seed)
            features = self._remembered(f"{fitsense.__version__} {video!r}", functools.partial(self._look, video))
            found.append(ClipFeatures(exercise, f"figure-{exercise}-{seed}", seed % FOLDS, features))
        return found

    def _read(self, path: Path) -> FloatArray:
        with VideoSource(path, self._branch.clip.short_side) as frames:
            return self._look(frames)

    def _look(self, frames: Iterable[Frame]) -> FloatArray:
        policy, name = self._policy, self._branch.name
        clips = clip_views(frames, {name: self._branch.clip}, policy.views, policy.mirror)[name]
        return self._run(clips)["features"]

    def _remembered(self, what: str, compute: Callable[[], FloatArray]) -> FloatArray:
        file = self._cache / f"{hashlib.sha256(f'{self._key} {what}'.encode()).hexdigest()}.npy"
        if file.is_file():
            return np.asarray(np.load(file, allow_pickle=False), dtype=np.float32)
        features = compute()
        # Whole or not at all, whenever it is interrupted.
        temporary = file.with_suffix(".part")
        with temporary.open("wb") as stream:
            np.save(stream, features.astype(np.float16))
        temporary.replace(file)
        return features.astype(np.float16).astype(np.float32)
