"""Laws of a backbone."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fitsense._internal.configs import config_to_json
from fitsense.bundles.manifest import BranchEntry, ObservationEntry
from fitsense.errors import InvalidInputError, MissingExtraError
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import BackboneSpec
from fitsense.testing.contracts.networks import NetworkContract
from fitsense.testing.contracts.offer import assert_close, fetched, in_threads, numbers
from fitsense.testing.contracts.streaming import StreamingLaws
from fitsense.types import FloatArray, UInt8Array

Observe = Callable[[NDArray[Any]], FloatArray]


class BackboneContract(StreamingLaws, NetworkContract):
    """Laws of a backbone; `plugin` and `name` are required."""

    kind = "backbone"

    @pytest.fixture
    def published(self) -> Mapping[str, Any] | None:
        """A state dict with the names and shapes of the published weights; None to skip that law."""
        return None

    @pytest.fixture
    def not_moved(self) -> Collection[str]:
        """Prefixes of the names of parameters that deliberately get no gradient from features."""
        return ()

    @pytest.fixture
    def files(self, spec: BackboneSpec, plugins: PluginManager) -> Mapping[str, Path]:
        """Its assets; by default the fetched ones. Without them, laws of observations do not apply."""
        return fetched(spec, plugins)

    @pytest.fixture
    def pictures(self, spec: BackboneSpec, config: Any) -> UInt8Array:
        """Three clips, uint8 (3, frames, size, size, 3); by default noise."""
        return np.random.default_rng(0).integers(0, 256, (3, *spec.clip(config).shape), dtype=np.uint8)

    @pytest.fixture
    def poses(self, spec: BackboneSpec, config: Any, plugins: PluginManager) -> FloatArray:
        """Poses in three clips, float32 (3, frames, landmarks, 6), for a backbone that takes them; by default random
        ones, with a person in every frame."""
        if spec.observation is None or spec.observation.from_poses is None:
            pytest.skip("it takes no poses")
        frames = spec.clip(config).frames
        landmarks = len(plugins.pose_estimator(spec.observation.pose_estimator).landmark_set)
        return np.random.default_rng(0).random((3, frames, landmarks, 6), dtype=np.float32)

    @pytest.fixture
    def observed(
        self, spec: BackboneSpec, pictures: UInt8Array, request: pytest.FixtureRequest
    ) -> UInt8Array | FloatArray:
        """Input of the observation: `poses` for a backbone that takes them, else `pictures`."""
        posed = spec.observation is not None and spec.observation.from_poses is not None
        return request.getfixturevalue("poses") if posed else pictures

    @pytest.fixture
    def trains(self, spec: BackboneSpec) -> bool:
        """True if it has trainable parameters; by default, if it has a network."""
        return spec.build is not None

    @pytest.fixture
    def inputs(self, spec: BackboneSpec, config: Any, pictures: UInt8Array) -> NDArray[Any]:
        """Input of the network for three clips; by default `pictures`, or random observations."""
        return pictures if spec.observation is None else numbers(0, 3, *spec.observation.shape(config))

    @pytest.fixture
    def width(self, spec: BackboneSpec, config: Any) -> int:
        return spec.feature_dim(config)

    @pytest.fixture
    def build(self, spec: BackboneSpec, config: Any) -> Callable[[], Any]:
        from fitsense.nn.branch import build_backbone

        return lambda: build_backbone(spec, config)

    @pytest.fixture
    def entry(self, spec: BackboneSpec, config: Any) -> BranchEntry:
        seen = spec.observation
        return BranchEntry(
            name="checked",
            backbone=spec.name,
            config=config_to_json(config),
            clip=spec.clip(config),
            feature_dim=spec.feature_dim(config),
            graph="checked.onnx",
            weights="checked.safetensors",
            heads=(),
            observation=ObservationEntry(seen.shape(config), {}) if seen else None,
        )

    @pytest.fixture
    def look(self, spec: BackboneSpec, config: Any, request: pytest.FixtureRequest) -> Observe:
        """The function from pictures or poses to observations. Its laws do not apply if its packages are not
        installed."""
        if spec.observation is None:
            pytest.skip("it has no observation")
        if (from_poses := spec.observation.from_poses) is not None:
            return lambda poses: from_poses(config, poses)
        assert spec.observation.load is not None
        files = request.getfixturevalue("files")
        try:
            return spec.observation.load(config, files, 1)
        except MissingExtraError as error:
            pytest.skip(str(error))

    @pytest.fixture
    def observe(self, look: Observe) -> Observe:
        """The same, of a copy."""
        return lambda clips: look(clips.copy())

    @pytest.fixture
    def predicted(
        self, spec: BackboneSpec, module: Any, inputs: NDArray[Any], torch: Any
    ) -> tuple[FloatArray, FloatArray]:
        """Features and landmarks of `inputs`, by its :class:`LandmarkSpec`."""
        if spec.landmarks is None:
            pytest.skip("it predicts no landmarks")
        with torch.inference_mode():
            features, landmarks = spec.landmarks.forward(module, torch.from_numpy(inputs.copy()))
        return features.numpy(), landmarks.numpy()

    def test_network_is_in_eval_mode(self, module: Any) -> None:
        training = [name or "the module itself" for name, part in module.named_modules() if part.training]
        assert not training, f"expected build to return a module in eval mode; in training mode: {training[:3]}"

    def test_wrong_clip_is_refused_with_both_shapes(self, module: Any, inputs: NDArray[Any], torch: Any) -> None:
        wrong = np.concatenate([inputs, inputs[:, :1]], axis=1)
        expected, actual = list(inputs.shape[1:]), list(wrong.shape)
        try:
            with torch.inference_mode():
                module(torch.from_numpy(wrong))
        except InvalidInputError as error:
            stated = [int(number) for number in re.findall(r"\d+", str(error))]
        except Exception as error:
            pytest.fail(f"expected InvalidInputError, got {type(error).__name__}: {error}", pytrace=False)
        else:
            pytest.fail(f"expected InvalidInputError for {tuple(actual)}, got features", pytrace=False)
        assert _holds(stated, expected), f"expected the required shape, {expected}, in the message"
        assert _holds(stated, actual), f"expected the actual shape, {actual}, in the message"

    def test_layers_contain_each_parameter_once(self, spec: BackboneSpec, module: Any) -> None:
        if spec.layers is None:
            pytest.skip("it is one layer")
        counts: dict[int, int] = {}
        for layer in spec.layers(module):
            for parameter in layer.parameters():
                counts[id(parameter)] = counts.get(id(parameter), 0) + 1
        for name, parameter in module.named_parameters():
            count = counts.get(id(parameter), 0)
            assert count == 1, f"expected {name} in one layer, got it in {count}"

    def test_published_weights_fit_strictly(
        self, spec: BackboneSpec, module: Any, published: Mapping[str, Any] | None
    ) -> None:
        if published is None:
            pytest.skip("the fixture published returns no state dict")
        part = spec.pretrained(module) if spec.pretrained else module
        adapted, own = spec.adapt_weights(published), part.state_dict()
        missing, extra = sorted(own.keys() - adapted.keys()), sorted(adapted.keys() - own.keys())
        assert not missing, f"adapt_weights leaves {len(missing)} entries of the network empty, such as {missing[:3]}"
        assert not extra, f"adapt_weights returns {len(extra)} entries that the network lacks, such as {extra[:3]}"
        for name, value in adapted.items():
            assert value.shape == own[name].shape, (
                f"{name}: expected shape {tuple(own[name].shape)}, got {tuple(value.shape)}"
            )

    def test_landmarks_are_as_declared(self, predicted: tuple[FloatArray, FloatArray], inputs: NDArray[Any]) -> None:
        from fitsense.nn.landmarks import LANDMARKS

        _, landmarks = predicted
        expected = (*inputs.shape[:2], len(LANDMARKS), 6)
        assert landmarks.shape == expected, f"expected landmarks of shape {expected}, got {landmarks.shape}"
        assert landmarks.dtype == np.float32, f"expected float32, got {landmarks.dtype}"
        assert np.isfinite(landmarks).all(), "expected finite numbers"

    def test_landmarks_come_with_the_features_of_the_module(
        self, predicted: tuple[FloatArray, FloatArray], run: Any, inputs: NDArray[Any], tolerance: float
    ) -> None:
        features, _ = predicted
        assert_close(features, run(inputs), tolerance, "features beside landmarks, against the module's")

    def test_observations_are_as_declared(
        self, spec: BackboneSpec, config: Any, observe: Observe, observed: NDArray[Any]
    ) -> None:
        assert spec.observation is not None
        seen, expected = observe(observed), (len(observed), *spec.observation.shape(config))
        assert seen.shape == expected, f"expected observations of shape {expected}, got {seen.shape}"
        assert seen.dtype == np.float32, f"expected float32, got {seen.dtype}"
        assert spec.build is not None or np.isfinite(seen).all(), "expected finite numbers, since they are the features"

    def test_observations_without_a_person_are_finite(self, look: Observe, poses: FloatArray) -> None:
        missing = poses[:2].copy()
        missing[0, ::2] = np.nan
        missing[1] = np.nan
        for seen, clip in zip(look(missing.copy()), missing, strict=True):
            found = int(np.isfinite(clip).all(axis=(1, 2)).sum())
            assert np.isfinite(seen).all(), (
                f"expected finite numbers for a clip with a person in {found} of {len(clip)} frames, got others"
            )

    def test_observations_of_a_longer_clip_contain_those_of_a_clip(
        self, spec: BackboneSpec, look: Observe, poses: FloatArray, tolerance: float
    ) -> None:
        """Training selects windows from observations of whole recordings; sessions observe each window's poses."""
        if spec.build is None:
            pytest.skip("its observations have no entry for each frame")
        frames = poses.shape[1]
        whole = np.random.default_rng(1).random((1, 2 * frames, *poses.shape[2:]), dtype=np.float32)
        seen = look(whole.copy())
        for start in (0, frames // 2, frames):
            assert_close(
                look(whole[:, start : start + frames].copy()),
                seen[:, start : start + frames],
                tolerance,
                f"a clip from frame {start} of a longer one",
            )

    def test_evidence_is_a_share_of_each_clip(
        self, spec: BackboneSpec, config: Any, look: Observe, observed: NDArray[Any]
    ) -> None:
        if spec.observation is None or (evidence := spec.observation.evidence) is None:
            pytest.skip("it states no evidence")
        clips = observed.copy()
        if spec.observation.from_poses is not None:
            clips[0] = np.nan
        shares = evidence(config, look(clips))
        assert shares.shape == (len(clips),), f"expected evidence of shape {(len(clips),)}, got {shares.shape}"
        assert shares.dtype == np.float32, f"expected float32, got {shares.dtype}"
        assert ((shares >= 0) & (shares <= 1)).all(), f"expected shares in 0..1, got {shares.tolist()}"
        if spec.observation.from_poses is not None:
            assert shares[0] == 0, f"expected no evidence in a clip without a person, got {shares[0]}"

    def test_observation_is_deterministic(self, observe: Observe, observed: NDArray[Any]) -> None:
        first, second = observe(observed), observe(observed)
        assert np.array_equal(first, second, equal_nan=True), "observations differ from one call to the next"

    def test_observed_batch_equals_single_clips(
        self, observe: Observe, observed: NDArray[Any], tolerance: float
    ) -> None:
        together = observe(observed)
        for at in reversed(range(len(observed))):
            alone = observe(observed[at : at + 1])
            assert_close(alone[0], together[at], tolerance, "a clip that is observed alone")

    def test_observe_does_not_modify_its_input(self, look: Observe, observed: NDArray[Any]) -> None:
        given = observed.copy()
        look(given)
        assert np.array_equal(given, observed, equal_nan=given.dtype != np.uint8), "it wrote into its input"

    def test_observe_in_several_threads_agrees(
        self, observe: Observe, observed: NDArray[Any], tolerance: float
    ) -> None:
        clips = [observed[at % 3 : at % 3 + 1] for at in range(8)]
        for got, clip in zip(in_threads(observe, clips), clips, strict=True):
            assert_close(got, observe(clip), tolerance, "a clip that is observed beside others")


def _holds(stated: list[int], shape: list[int]) -> bool:
    """True if the numbers of a message contain `shape` as a contiguous part."""
    return any(stated[at : at + len(shape)] == shape for at in range(len(stated)))
