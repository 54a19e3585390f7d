"""Training of heads on features that do not change: of a frozen backbone, or of a fixed network on observations."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense._internal.hashing import sha256
from fitsense.bundles.manifest import BranchEntry
from fitsense.data.frames import Recording, observations
from fitsense.data.manifest import Skipped
from fitsense.data.samples import Sample
from fitsense.errors import InvalidInputError
from fitsense.inference.base import EVIDENCE
from fitsense.inference.config import RuntimeConfig
from fitsense.inference.loading import load_branch
from fitsense.inference.observation import load_evidence, load_observer
from fitsense.nn.branch import join
from fitsense.plugins.specs import BackboneSpec
from fitsense.train import heads as fitting
from fitsense.train.clip_augmentation import Augmentation, evenly_spaced, random_window
from fitsense.train.features import Extractor, ViewPolicy
from fitsense.train.photo_motion import swing
from fitsense.train.recipe import BranchRecipe
from fitsense.train.recorded_person import RecordedPerson
from fitsense.train.trained_branch import FittedBranch, Outputs, TrainedBranch, temporary_bundle
from fitsense.train.training_set import Partition
from fitsense.types import FloatArray

if TYPE_CHECKING:
    from torch import nn

    from fitsense.train.branch_trainer import BranchTrainer

# Recordings that a network runs on at once.
_BATCH = 64


class HeadsTrainer:
    """Fits the heads of a branch on features.

    :ivar features: of fitting, float32 (windows, feature_dim), by the sample's key.
    :ivar windows: of the windows that sessions see, float32 (views, feature_dim), by the sample's key.
    :ivar evidence: of the same windows, float32 (views,), see :attr:`fitsense.Scores.evidence`; empty if the branch
        states none.
    :ivar statistics: what teaching the exercise head of the bundle needs; empty if it cannot be taught.
    """

    features: Mapping[str, FloatArray]
    windows: Mapping[str, FloatArray]
    recordings: Mapping[str, Recording]
    samples: Sequence[Sample]

    def __init__(
        self, trainer: BranchTrainer, branch: BranchRecipe, spec: BackboneSpec, config: Any, entry: BranchEntry
    ) -> None:
        self.entry = entry
        self.traced: dict[str, Any] = {}
        self.statistics: Mapping[str, NDArray[Any]] = {}
        self.skipped: Sequence[Skipped] = ()
        self.recordings = {}
        self.evidence: Mapping[str, FloatArray] = {}
        self._trainer = trainer
        self._branch = branch
        self._spec = spec
        self._config = config

    @functools.cached_property
    def _backbone(self) -> nn.Module:
        return self._trainer.backbone(self._branch, self._spec, self._config)

    def _network(self) -> nn.Module:
        """The backbone of which the features are."""
        return self._backbone

    def train(self, samples: Sequence[Sample], partition: Partition | None) -> TrainedBranch:
        """Fit the heads on some samples."""
        import torch

        labels = self._trainer.pool.labels
        modules: dict[str, nn.Module] = {}
        entries = []
        for entry in self.entry.heads:
            spec, config = self._trainer.head(entry)
            data = fitting.HeadData(
                spec,
                config,
                self._trainer.plugins.task(entry.task),
                samples,
                self.features,
                labels.of(entry.task),
                self._trainer.recipe.class_power,
            )
            config, modules[str(entry.task)] = self._fit(entry.task, data)
            entries.append(self._trainer.with_config(entry, config))
            shipped = partition is None or not self._branch.retrain_on_all
            if entry.task == "exercise" and spec.teaching is not None and shipped:
                self.statistics = self._statistics(data, config, modules["exercise"])
        if partition is None:
            self.entry = attrs.evolve(self.entry, heads=tuple(entries))
        outputs: dict[str, Outputs] = {}
        with torch.inference_mode():
            for key, windows in self.windows.items():
                logits = {task: head(torch.from_numpy(windows)).numpy() for task, head in modules.items()}
                stated = {EVIDENCE: self.evidence[key]} if key in self.evidence else {}
                outputs[key] = {"features": windows, **logits, **stated}
        return TrainedBranch(join(self._network(), modules, self._spec.streaming), outputs)

    def _fit(self, task: str, data: fitting.HeadData) -> tuple[Any, nn.Module]:
        """The configuration and the module of a head."""
        return (fitting.fit_in_closed_form if data.spec.fit else fitting.fit_by_descent)(data, self._branch)

    def _statistics(self, data: fitting.HeadData, config: Any, module: nn.Module) -> Mapping[str, NDArray[Any]]:
        """Statistics for teaching a fitted exercise head."""
        assert data.spec.teaching is not None
        there = [item for item in data.samples if item.key in self.windows]
        seen = fitting.examples_of(attrs.evolve(data, samples=there, features=self.windows), self._branch)
        tensors = {name: one.numpy() for name, one in module.state_dict().items()}
        return data.spec.teaching.statistics(config, tensors, fitting.examples_of(data, self._branch), seen)


class FrozenBranchTrainer(HeadsTrainer):
    """Fits heads on features of a frozen backbone on pictures, or on observations that are features.

    :param people: the branch whose landmarks say where the person is; None for none.
    :raises InvalidInputError: the backbone sees a square around the person, and there is no such branch.
    """

    def __init__(
        self,
        trainer: BranchTrainer,
        branch: BranchRecipe,
        spec: BackboneSpec,
        config: Any,
        entry: BranchEntry,
        people: FittedBranch | None = None,
    ) -> None:
        super().__init__(trainer, branch, spec, config, entry)
        self._people = people_of(entry, people)
        learned = trainer.samples(branch)
        everything = trainer.with_predicted(learned)
        with self._extractor() as extractor:
            self.features, self.skipped = extractor.extract(everything, f"Features by {entry.name}", trainer.track)
        # The views after these are mirror images, which sessions do not use.
        self.windows = {key: features[: trainer.recipe.views] for key, features in self.features.items()}
        self.samples = [item for item in learned if item.key in self.features]

    @contextmanager
    def _extractor(self) -> Iterator[Extractor]:
        """Extractor of features: the network as sessions run it, or the observer alone, which needs no torch."""
        trainer, entry = self._trainer, self.entry
        policy = ViewPolicy(trainer.recipe.views, trainer.recipe.mirror)
        cache = trainer.cache / "features"
        if self._spec.build is None:
            observe = load_observer(entry, trainer.plugins)
            assert entry.observation is not None
            # Without weights, these identify how the features are computed.
            stated = [entry.backbone, trainer.plugin_version(entry), entry.config, dict(entry.observation.assets)]
            yield Extractor(lambda clips: {"features": observe(clips)}, entry, policy, json.dumps(stated), cache)
            return
        headless = attrs.evolve(entry, heads=())
        with temporary_bundle(join(self._backbone, {}), headless, trainer.pool.labels, trainer.recipe.fusion) as bundle:
            fingerprint = f"{entry.backbone} {sha256(bundle.path(entry.weights))}{digest_of(self._people)}"
            run = load_branch(bundle, headless, RuntimeConfig(bf16=False))
            yield Extractor(run, entry, policy, fingerprint, cache, located_by(self._people))


class ObservedBranchTrainer(HeadsTrainer):
    """Fits heads on features of a network without trained weights on observations, such as landmarks.

    Heads are fitted on random windows, varied as the network varies its input in training mode; photo pairs give
    windows of a body that moves between the two.

    :raises InvalidInputError: the network has weights, which have to be trained.
    """

    def __init__(
        self, trainer: BranchTrainer, branch: BranchRecipe, spec: BackboneSpec, config: Any, entry: BranchEntry
    ) -> None:
        super().__init__(trainer, branch, spec, config, entry)
        if any(True for _ in self._backbone.parameters()):
            raise InvalidInputError(
                f"branch {entry.name}: {entry.backbone} has untrained weights: expected finetuning, got none"
            )
        assert entry.observation is not None
        key = f"{entry.backbone} {json.dumps(dict(entry.observation.assets), sort_keys=True)}"
        recorder = observations(trainer.cache / "frames", key, entry.clip, load_observer(entry, trainer.plugins))
        learned = [*trainer.samples(branch), *trainer.pool.photos]
        everything = trainer.with_predicted(learned)
        recordings, self.skipped = recorder.record(everything, f"Frames for {entry.name}", trainer.track)
        usable = [recording for recording in recordings if recording.sample.kind != "photos" or _is_pair(recording)]
        self.recordings = {recording.sample.key: recording for recording in usable}
        self.samples = [item for item in learned if item.key in self.recordings]
        self.features, self.windows, self.evidence = self._features()

    def _features(self) -> tuple[dict[str, FloatArray], dict[str, FloatArray], dict[str, FloatArray]]:
        """Features of random windows of what is learned from, and of the windows that sessions see; and evidence of
        the latter. All by key."""
        import torch

        spec, views = self.entry.clip, self._trainer.recipe.views
        learned = {item.key for item in self.samples}
        varied: dict[str, FloatArray] = {}
        windows: dict[str, FloatArray] = {}
        evidence: dict[str, FloatArray] = {}
        stated = load_evidence(self.entry, self._trainer.plugins)
        recordings = list(self.recordings.values())
        batches = [recordings[at : at + _BATCH] for at in range(0, len(recordings), _BATCH)]
        rng = np.random.default_rng(0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            for batch in self._trainer.track(batches, f"Features by {self.entry.name}"):
                whole = [_in_memory(recording) for recording in batch]
                used = [one for one in whole if one.sample.key in learned]
                varied |= self._run(used, [self._random_windows(one, rng) for one in used], training=True)
                seen = [one for one in whole if one.sample.kind != "photos"]
                plain = [np.stack([one.values[at] for at in evenly_spaced(one, spec, views)]) for one in seen]
                windows |= self._run(seen, plain, training=False)
                if stated is not None:
                    evidence |= {one.sample.key: stated(each) for one, each in zip(seen, plain, strict=True)}
        return varied, windows, evidence

    def _run(
        self, recordings: Sequence[Recording], windows: Sequence[NDArray[Any]], *, training: bool
    ) -> dict[str, FloatArray]:
        """Features of each recording's windows, by key."""
        import torch

        if not windows:
            return {}
        values = torch.from_numpy(np.concatenate(windows).astype(np.float32, copy=False))
        with torch.inference_mode():
            features: FloatArray = self._backbone.train(training)(values).numpy()
        self._backbone.eval()
        ends = np.cumsum([len(each) for each in windows])[:-1]
        parts = np.split(features, ends)
        return {one.sample.key: part for one, part in zip(recordings, parts, strict=True)}

    def _random_windows(self, recording: Recording, rng: np.random.Generator) -> FloatArray:
        spec, count = self.entry.clip, self._branch.random_windows
        if recording.sample.kind == "photos":
            pair = np.asarray(recording.values[np.arange(2)], np.float32)
            return np.stack([swing(pair, spec, rng) for _ in range(count)])
        # Only speed varies windows of observations: the network varies bodies.
        augmentation = Augmentation(speed=self._branch.window_speed)
        chosen = [random_window(recording, spec, augmentation, rng) for _ in range(count)]
        return np.stack([recording.values[each] for each in chosen])


def people_of(entry: BranchEntry, people: FittedBranch | None) -> FittedBranch | None:
    """The branch whose landmarks say where the person is; None if the branch sees the middle of pictures.

    :raises InvalidInputError: it sees a square around the person, and there is no such branch.
    """
    if entry.clip.fit != "person":
        return None
    if people is None:
        raise InvalidInputError(
            f"branch {entry.name}: fit: expected a branch on landmarks before one with the fit 'person', got none"
        )
    return people


def located_by(people: FittedBranch | None) -> Callable[[Sample], RecordedPerson | None]:
    """A function from a sample to its person by the recorded landmarks, or to None where there are none."""

    def person(sample: Sample) -> RecordedPerson | None:
        recording = people.recordings.get(sample.key) if people else None
        return RecordedPerson(recording, people.entry.clip) if people and recording else None

    return person


def digest_of(people: FittedBranch | None) -> str:
    """Text for digests of all that the recorded landmarks of a branch depend on; empty for None."""
    if people is None:
        return ""
    assert people.entry.observation is not None
    return f" {json.dumps([people.entry.backbone, dict(people.entry.observation.assets)], sort_keys=True)}"


def _in_memory(recording: Recording) -> Recording:
    """The same recording, read once."""
    return attrs.evolve(recording, values=recording.values[np.arange(len(recording.times))])


def _is_pair(recording: Recording) -> bool:
    """True if a body was found in both pictures of a pair; where none was, nothing is visible."""
    pair = recording.values[np.arange(len(recording.times))]
    return len(pair) == 2 and bool((pair[..., -1].sum(axis=1) > 0).all())
