"""Features of samples by layers that do not learn, cached on disk."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from fitsense._internal.atomic import atomic_path
from fitsense._internal.progress import ProgressBar, silent
from fitsense.bundles.manifest import BranchEntry
from fitsense.data.clip_views import LocatedPerson, clip_views
from fitsense.data.frames import RATE_HZ, MappedArray, Values, at_rate
from fitsense.data.manifest import Skipped
from fitsense.data.samples import Sample
from fitsense.errors import FitsenseError
from fitsense.inference.base import BranchRunner
from fitsense.train.clip_augmentation import Augmentation, augmented_windows
from fitsense.types import FloatArray


@attrs.frozen
class ViewPolicy:
    """Windows of a clip that features are computed of.

    :param views: number of evenly spaced windows, in the middles of equal parts of the clip.
    :param mirror: whether to add their mirror images.
    :param augmented: number of random windows after these, varied by `augmentation`.
    """

    views: int = 4
    mirror: bool = True
    augmented: int = 0
    augmentation: Augmentation = attrs.field(factory=Augmentation)

    def stated(self) -> dict[str, Any]:
        """Values that features depend on, as JSON."""
        stated = attrs.asdict(self)
        if not self.augmented:
            del stated["augmented"], stated["augmentation"]
        return stated


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
        self._key = json.dumps(["inset", fingerprint, attrs.asdict(branch.clip), policy.stated()])
        self._cache = cache
        self._person = person
        cache.mkdir(parents=True, exist_ok=True)

    def extract(
        self, samples: Sequence[Sample], description: str, track: ProgressBar = silent
    ) -> tuple[dict[str, FloatArray], list[Skipped]]:
        """Features, float32 (views, feature_dim), by the sample's key; and the unreadable samples, with the reason."""
        files, skipped = self.store(samples, description, track)
        return {key: np.asarray(file[:], dtype=np.float32) for key, file in files.items()}, skipped

    def store(
        self, samples: Sequence[Sample], description: str, track: ProgressBar = silent
    ) -> tuple[dict[str, Values], list[Skipped]]:
        """Compute features as :meth:`extract` does, but leave them on disk: float16 (windows, feature_dim)."""
        files: dict[str, Values] = {}
        skipped = []
        for item in track(samples, description):
            try:
                files[item.key] = MappedArray(self._cached(item))
            except FitsenseError as error:
                skipped.append(Skipped(item.name, str(error)))
        return files, skipped

    def _compute(self, sample: Sample) -> FloatArray:
        policy, name, spec = self._policy, self._branch.name, self._branch.clip
        with sample.open(spec.short_side) as frames:
            located = self._person(sample)
            clips = clip_views(frames, {name: spec}, policy.views, policy.mirror, inset=True, located=located)[name]
        parts = [self._run(clips)["features"]]
        if policy.augmented:
            rng = np.random.default_rng(zlib.crc32(sample.key.encode()))
            # A second time, since whole frames of a long clip do not fit into memory.
            with sample.open(spec.short_side) as frames:
                varied = augmented_windows(
                    at_rate(frames, RATE_HZ), spec, policy.augmentation, policy.augmented, rng, self._person(sample)
                )
                parts += [self._run(window[None])["features"] for window in varied]
        return np.concatenate(parts)

    def _cached(self, sample: Sample) -> Path:
        name = hashlib.sha256(f"{self._key} {sample.key}".encode()).hexdigest()
        file = self._cache / f"{name}.npy"
        if not file.is_file():
            features = self._compute(sample).astype(np.float16)
            with atomic_path(file) as temporary:
                np.save(temporary, features)
        return file
