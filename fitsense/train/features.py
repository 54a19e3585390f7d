"""Features of samples by a frozen backbone, cached on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import numpy as np

from fitsense._internal.atomic import atomic_path
from fitsense._internal.progress import ProgressBar, silent
from fitsense.bundles.manifest import BranchEntry
from fitsense.data.clip_views import LocatedPerson, clip_views
from fitsense.data.manifest import Skipped
from fitsense.data.samples import Sample
from fitsense.errors import FitsenseError
from fitsense.inference.base import BranchRunner
from fitsense.types import FloatArray


@attrs.frozen
class ViewPolicy:
    """Windows of a clip that features are computed of.

    :param views: number of evenly spaced windows, in the middles of equal parts of the clip.
    :param mirror: whether to add their mirror images.
    """

    views: int = 4
    mirror: bool = True


class Extractor:
    """Runs a branch on samples and caches its features.

    :param run: runs the branch on clips.
    :param branch: the branch's entry in the bundle.
    :param policy: the windows of each sample.
    :param fingerprint: identifies the network and its weights, on which a cached feature depends.
    :param cache: folder of cached features.
    :param person: locates the person of a sample, for branches that see a square around them; None for nobody.
    """

    def __init__(
        self,
        run: BranchRunner,
        branch: BranchEntry,
        policy: ViewPolicy,
        fingerprint: str,
        cache: Path,
        person: Callable[[Sample], LocatedPerson | None] = lambda sample: None,
    ) -> None:
        self._run = run
        self._branch = branch
        self._policy = policy
        self._key = json.dumps(["inset", fingerprint, attrs.asdict(branch.clip), attrs.asdict(policy)])
        self._cache = cache
        self._person = person
        cache.mkdir(parents=True, exist_ok=True)

    def extract(
        self, samples: Sequence[Sample], description: str, track: ProgressBar = silent
    ) -> tuple[dict[str, FloatArray], list[Skipped]]:
        """Features, float32 (views, feature_dim), by the sample's key; and the unreadable samples, with the reason."""
        features, skipped = {}, []
        for item in track(samples, description):
            try:
                features[item.key] = self._cached(item)
            except FitsenseError as error:
                skipped.append(Skipped(item.name, str(error)))
        return features, skipped

    def _compute(self, sample: Sample) -> FloatArray:
        policy, name = self._policy, self._branch.name
        with sample.open(self._branch.clip.short_side) as frames:
            clips = clip_views(
                frames,
                {name: self._branch.clip},
                policy.views,
                policy.mirror,
                inset=True,
                located=self._person(sample),
            )[name]
        return self._run(clips)["features"]

    def _cached(self, sample: Sample) -> FloatArray:
        name = hashlib.sha256(f"{self._key} {sample.key}".encode()).hexdigest()
        file = self._cache / f"{name}.npy"
        if file.is_file():
            return np.asarray(np.load(file, allow_pickle=False), dtype=np.float32)
        features = self._compute(sample).astype(np.float16)
        with atomic_path(file) as temporary:
            np.save(temporary, features)
        return features.astype(np.float32)
