"""Features of footage by a frozen backbone, kept on disk so that no clip is looked at twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np

from fitsense._internal.atomic import atomic_path
from fitsense._internal.progress import Track, silent
from fitsense.bundles.manifest import BranchEntry
from fitsense.data.clip_views import clip_views
from fitsense.data.manifest import Skipped
from fitsense.data.samples import Sample
from fitsense.errors import FitsenseError
from fitsense.inference.base import BranchRunner
from fitsense.types import FloatArray


@attrs.frozen
class ViewPolicy:
    """How a clip is looked at.

    :param views: windows spread over it.
    :param mirror: whether to add their mirror images.
    """

    views: int = 4
    mirror: bool = True


class Extractor:
    """Runs a branch over footage, and remembers.

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

    def extract(
        self, footage: Sequence[Sample], description: str, track: Track = silent
    ) -> tuple[dict[str, FloatArray], list[Skipped]]:
        """Features, float32 (views, feature_dim), by footage's key; and what cannot be read, with the reason."""
        found, skipped = {}, []
        for item in track(footage, description):
            try:
                found[item.key] = self._remembered(item)
            except FitsenseError as error:
                skipped.append(Skipped(item.name, str(error)))
        return found, skipped

    def _look(self, footage: Sample) -> FloatArray:
        policy, name = self._policy, self._branch.name
        with footage.open(self._branch.clip.short_side) as frames:
            clips = clip_views(frames, {name: self._branch.clip}, policy.views, policy.mirror)[name]
        return self._run(clips)["features"]

    def _remembered(self, footage: Sample) -> FloatArray:
        name = hashlib.sha256(f"{self._key} {footage.key}".encode()).hexdigest()
        file = self._cache / f"{name}.npy"
        if file.is_file():
            return np.asarray(np.load(file, allow_pickle=False), dtype=np.float32)
        features = self._look(footage).astype(np.float16)
        with atomic_path(file) as temporary:
            np.save(temporary, features)
        return features.astype(np.float32)
