"""Laws of a streaming backbone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from fitsense.bundles.manifest import BranchEntry
from fitsense.plugins.specs import BackboneSpec, StreamingSpec
from fitsense.testing.contracts.networks import exported
from fitsense.testing.contracts.offer import assert_close
from fitsense.types import FloatArray, UInt8Array

Step = Callable[[Any, Mapping[str, Any]], tuple[Any, Mapping[str, Any]]]


@attrs.frozen(eq=False)
class Streams:
    """A streaming network with its initial state."""

    step: Step
    start: Callable[[int], Mapping[str, Any]]
    torch: Any

    def over(self, frames: UInt8Array) -> Iterator[tuple[FloatArray, Any]]:
        """Features and state after each frame from the start, for frames of shape (streams, frames, size, size, 3)."""
        state: Mapping[str, Any] = self.start(len(frames))
        for at in range(frames.shape[1]):
            features, state = self.advance(frames[:, at], state)
            yield features, state

    def advance(self, frame: UInt8Array, state: Mapping[str, Any]) -> tuple[FloatArray, Mapping[str, Any]]:
        """Features and state after a frame; the network gets copies, in case it writes into its inputs."""
        copies = {name: value.clone() for name, value in state.items()}
        with self.torch.inference_mode():
            features, after = self.step(self.torch.from_numpy(frame.copy()), copies)
        return features.numpy().copy(), {name: value.clone() for name, value in after.items()}


class StreamingLaws:
    """Laws of a backbone with a :class:`StreamingSpec`; for others they do not apply."""

    @pytest.fixture
    def streaming(self, spec: BackboneSpec) -> StreamingSpec:
        if spec.streaming is None:
            pytest.skip("it does not stream")
        return spec.streaming

    @pytest.fixture
    def branch(self, spec: BackboneSpec, module: Any, torch: Any) -> Any:
        """The module in the form for export."""
        from fitsense.nn.branch import join

        return join(module, {}, spec.streaming)

    @pytest.fixture
    def streams(self, streaming: StreamingSpec, config: Any, module: Any, torch: Any) -> Streams:
        shapes = streaming.state(config)

        def start(count: int) -> dict[str, Any]:
            return {name: torch.zeros((count, *shape)) for name, shape in shapes.items()}

        return Streams(lambda frame, state: streaming.step(module, frame, state), start, torch)

    def test_stepping_over_a_clip_equals_the_clip(
        self, streams: Streams, run: Any, pictures: UInt8Array, tolerance: float
    ) -> None:
        *_, (stepped, _) = streams.over(pictures)
        assert_close(stepped, run(pictures), tolerance, "features after a clip's last frame, against the clip's")

    def test_state_has_the_declared_shapes(self, streams: Streams, pictures: UInt8Array, torch: Any) -> None:
        declared = {name: tuple(value.shape) for name, value in streams.start(len(pictures)).items()}
        for _, state in streams.over(pictures[:, :2]):
            shapes = {name: tuple(value.shape) for name, value in state.items()}
            assert shapes == declared, f"expected a state of the shapes {declared}, got {shapes}"
            other = {name: str(value.dtype) for name, value in state.items() if value.dtype != torch.float32}
            assert not other, f"expected a state of float32, got {other}"

    def test_interleaved_streams_are_independent(self, streams: Streams, pictures: UInt8Array) -> None:
        one, other = pictures[:1], pictures[1:2]
        *_, (alone, _) = streams.over(one)
        taken, beside = streams.start(1), streams.start(1)
        for at in range(pictures.shape[1]):
            together, taken = streams.advance(one[:, at], taken)
            _, beside = streams.advance(other[:, at], beside)
        assert_close(together, alone, 0.0, "a stream that takes turns with another")

    def test_step_does_not_modify_its_arguments(self, streams: Streams, pictures: UInt8Array, torch: Any) -> None:
        _, state = streams.advance(pictures[:, 0], streams.start(len(pictures)))
        before = {name: value.numpy().copy() for name, value in state.items()}
        frame = torch.from_numpy(pictures[:, 1].copy())
        with torch.inference_mode():
            streams.step(frame, state)
        assert np.array_equal(frame.numpy(), pictures[:, 1]), "it wrote into the frame"
        changed = [name for name, value in state.items() if not np.array_equal(value.numpy(), before[name])]
        assert not changed, f"it wrote into the given state: {', '.join(changed)}"

    def test_frames_before_the_receptive_field_have_no_effect(
        self, streams: Streams, streaming: StreamingSpec, config: Any, pictures: UInt8Array, tolerance: float
    ) -> None:
        count = streaming.receptive_field(config)
        frames = np.concatenate([pictures[0]] * (count // pictures.shape[1] + 1))[: count + 1]
        other = frames.copy()
        other[0] = 255 - other[0]
        *_, (features, _) = streams.over(np.stack([frames, other]))
        assert_close(
            features[1], features[0], tolerance / 10, f"features after another frame and the same {count} frames"
        )

    def test_features_follow_delay_and_stride(
        self, streams: Streams, streaming: StreamingSpec, config: Any, pictures: UInt8Array, width: int
    ) -> None:
        delay, stride = streaming.delay(config), streaming.stride(config)
        for at, (features, _) in enumerate(streams.over(pictures)):
            if at < delay or (at - delay) % stride:
                continue
            expected = (len(pictures), width)
            assert features.shape == expected, f"expected shape {expected}, got {features.shape}"
            assert np.isfinite(features).all(), f"expected finite numbers after frame {at + 1}, with a delay of {delay}"

    def test_exported_step_equals_the_network(
        self,
        streams: Streams,
        spec: BackboneSpec,
        config: Any,
        branch: Any,
        entry: BranchEntry,
        pictures: UInt8Array,
        exports: bool,
        tolerance: float,
        tmp_path: Path,
    ) -> None:
        from fitsense.inference.config import RuntimeConfig
        from fitsense.inference.loading import load_stream
        from fitsense.nn.branch import stream_entry

        entry = attrs.evolve(entry, stream=stream_entry(entry.name, spec, config))
        bundle = exported(branch, entry, tmp_path, exports=exports, step_alone=True)
        stream = load_stream(bundle, entry, RuntimeConfig(threads=1, bf16=False))
        state = stream.start()
        for at, (features, _) in enumerate(streams.over(pictures[:1])):
            outputs, state = stream.step(pictures[0, at], state)
            if outputs is not None:
                allowed = tolerance * (1 + float(np.abs(features).max()))
                assert_close(outputs["features"], features[0], allowed, f"features after frame {at + 1}")
