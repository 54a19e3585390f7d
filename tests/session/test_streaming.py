"""Sessions on a bundle with a streaming branch and a clip branch."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.bundles.bundle import Bundle, save
from fitsense.bundles.manifest import Labels
from fitsense.inference.config import RUNTIMES, RuntimeConfig, RuntimeName
from fitsense.inference.loading import load_stream
from fitsense.inference.streaming import StreamingBranch
from fitsense.session.config import SessionConfig
from fitsense.session.session import Session
from fitsense.types import Frame, UInt8Array
from fitsense.windowing.sampler import Window
from tests.helpers import tiny_models

CONFIG = tiny_models.TinyConfig()
LABELS = Labels(exercise=("squat", "row", "no_exercise"), muscles=("quads", "lats"))


def plugins() -> fitsense.PluginManager:
    host = fitsense.PluginManager.discover()
    assert host.register(tiny_models).status == "loaded"
    return host


def make(folder: Path, *names: str) -> Bundle:
    """A bundle of untrained branches on these backbones of tests.helpers.tiny_models."""
    return tiny_models.bundle_of_branches(folder, plugins(), {name: name for name in names}, LABELS)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make(tmp_path_factory.mktemp("streaming"), "stream", "pictures")


def copied(bundle: Bundle, folder: Path, **changes: Any) -> Bundle:
    """A bundle of the streaming branch only, with changes of its streaming entry."""
    entry = bundle.manifest.branches[0]
    assert entry.stream is not None
    for file in entry.files:
        shutil.copy(bundle.path(file), folder / file)
    entry = attrs.evolve(entry, stream=attrs.evolve(entry.stream, **changes))
    return save(folder, attrs.evolve(bundle.manifest, branches=(entry,)))


@pytest.fixture(scope="module")
def model(bundle: Bundle) -> fitsense.Model:
    return fitsense.Model(bundle, plugins=plugins(), threads=1, bf16=False)


@pytest.fixture(scope="module")
def stream(model: fitsense.Model) -> StreamingBranch:
    return model.streaming_branches["stream"]


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Nine seconds of changing colours, with a gap after four."""
    random = np.random.default_rng(3)
    base = np.repeat(random.integers(40, 200, (6, 1, 1, 3)), 15, axis=0)
    pictures = np.clip(base + random.normal(0, 30, (90, 16, 16, 3)), 0, 255).astype(np.uint8)
    return [Frame(picture, at / 10 + (3.0 if at >= 40 else 0.0)) for at, picture in enumerate(pictures)]


def clip(seed: int = 0, frames: int = CONFIG.frames) -> UInt8Array:
    return np.random.default_rng(seed).integers(0, 256, (frames, 16, 16, 3), dtype=np.uint8)


def told(events: Sequence[fitsense.Event]) -> list[str]:
    return [event.to_json() for event in events]


def whole(model: fitsense.Model, frames: Sequence[Frame], config: SessionConfig | None = None) -> list[str]:
    session = Session(model, config)
    return told([*session.push_many(frames), *session.finish()])


def test_bundle_streaming_branch_shares_its_weights(bundle: Bundle) -> None:
    import onnx

    entry, other = bundle.manifest.branches
    assert entry.stream is not None
    assert other.stream is None
    assert (entry.stream.state, entry.stream.receptive_field) == ({"past": (CONFIG.width, 2)}, tiny_models.STREAM_FIELD)
    graph = onnx.load(bundle.path(entry.stream.graph), load_external_data=False).graph
    assert [value.name for value in graph.input] == ["frame", "state.past"]
    assert [value.name for value in graph.output] == ["features", "exercise", "muscles", "next.past"]
    outside = {place.value for one in graph.initializer for place in one.external_data if place.key == "location"}
    assert outside == {entry.weights}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_step_over_a_clip_equals_the_clip(bundle: Bundle, runtime: RuntimeName) -> None:
    entry = bundle.manifest.branches[0]
    model = fitsense.Model(bundle, plugins=plugins(), runtime=runtime, threads=1, bf16=False)
    stream, pictures = (
        load_stream(bundle, entry, RuntimeConfig(runtime=runtime, threads=1, bf16=False), plugins=plugins()),
        clip(),
    )
    state = stream.start()
    for picture in pictures:
        outputs, state = stream.step(picture, state)
    assert outputs is not None
    expected = model.run({"stream": pictures[None], "pictures": pictures[None]})["stream"]
    assert outputs.keys() == expected.keys() == {"features", "exercise", "muscles"}
    for name, values in outputs.items():
        np.testing.assert_allclose(values, expected[name][0], atol=1e-4, err_msg=name)
    assert state.steps == len(pictures)


def test_step_depends_on_its_state_only(stream: StreamingBranch) -> None:
    start = stream.start()
    first, after = stream.step(clip()[0], start)
    stream.step(clip(1)[0], after)
    again, _ = stream.step(clip()[0], start)
    assert start.steps == 0
    assert not start.arrays["past"].any()
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first["features"], again["features"])


def test_step_outputs_follow_delay_and_stride(bundle: Bundle, stream: StreamingBranch) -> None:
    entry = bundle.manifest.branches[0]
    assert entry.stream is not None
    slow = StreamingBranch(attrs.evolve(entry, stream=attrs.evolve(entry.stream, delay=1, stride=2)), stream._run)
    state, given = slow.start(), []
    for picture in clip(frames=7):
        outputs, state = slow.step(picture, state)
        given.append(outputs is not None)
    assert given == [False, True, False, True, False, True, False]


def test_step_wrong_frame_is_refused(stream: StreamingBranch) -> None:
    with pytest.raises(fitsense.InvalidInputError, match=r"expected uint8 of shape \(16, 16, 3\), got uint8 of shape"):
        stream.step(np.zeros((16, 15, 3), np.uint8), stream.start())
    with pytest.raises(fitsense.InvalidInputError, match="got float32"):
        stream.step(np.zeros((16, 16, 3), np.float32), stream.start())


def test_load_stream_clip_branch_is_refused(bundle: Bundle) -> None:
    with pytest.raises(fitsense.InvalidInputError, match="branch pictures: expected a streaming branch"):
        load_stream(bundle, bundle.manifest.branches[1])


def test_step_graph_other_than_declared_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    changed = copied(bundle, tmp_path, state={"past": (CONFIG.width, 5)})
    with pytest.raises(fitsense.BundleError, match=r"stream\.step\.onnx"):
        load_stream(changed, changed.manifest.branches[0])


@pytest.mark.parametrize(
    ("graph", "message"),
    [("step.bin", r"expected a \.onnx file, got step\.bin"), ("other.onnx", "sha256 is not stated")],
)
def test_step_graph_is_listed_and_verified(bundle: Bundle, tmp_path: Path, graph: str, message: str) -> None:
    with pytest.raises(fitsense.BundleError, match=message):
        copied(bundle, tmp_path, graph=graph)


class Recording:
    """A model that records its windows and predictions."""

    def __init__(self, model: fitsense.Model) -> None:
        self._model = model
        self.asked: list[tuple[Window, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, windows: Sequence[Window]) -> list[fitsense.Prediction]:
        answers = self._model.predict(windows)
        self.asked += zip(windows, answers, strict=True)
        return answers


@pytest.mark.parametrize("hop_s", [1.0, 0.25, 0.1, 0.37, 3.1])
def test_predict_window_equals_stepping_over_its_run(
    model: fitsense.Model, stream: StreamingBranch, frames: list[Frame], hop_s: float
) -> None:
    """Stepping once over each slot of a run, up to the window's end, gives the prediction for any hop."""
    recording: Any = Recording(model)
    whole(recording, frames, SessionConfig(hop_s=hop_s, camera=None))
    runs = [frames[:40], frames[40:]]
    for window, answer in recording.asked:
        run = next(run for run in runs if run[0].time_s <= window.start_s + 1e-6 <= run[-1].time_s)
        state = stream.start()
        outputs = None
        for picture in slots(run, window.start_s + 1.0):
            outputs, state = stream.step(picture, state)
        assert outputs is not None
        expected = model.fuse(
            {
                "stream": {name: values[None] for name, values in outputs.items()},
                "pictures": model.run({"stream": clip()[None], "pictures": window.clips["pictures"].frames[None]})[
                    "pictures"
                ],
            }
        )
        np.testing.assert_allclose(answer.exercise, model.calibrated(expected["exercise"])[0], atol=1e-5)
    assert len(recording.asked) > 3


def slots(run: Sequence[Frame], end_s: float) -> Iterator[UInt8Array]:
    """For each past quarter of a second, the frame nearest to its middle, the earlier one in a tie."""
    at = 0
    while run[0].time_s + (at + 1) / 4 <= end_s + 1e-5:
        middle = run[0].time_s + (at + 0.5) / 4
        yield min(run, key=lambda frame: (round(abs(frame.time_s - middle), 6), frame.time_s)).rgb
        at += 1


def test_predict_twice_advances_the_stream_once(model: fitsense.Model, frames: list[Frame]) -> None:
    session = Session(model, SessionConfig(camera=None))
    for frame in frames[:30]:
        seen = session.prepare(frame)
        first, again = model.predict(seen.windows), model.predict(seen.windows)
        for one, other in zip(first, again, strict=True):
            np.testing.assert_array_equal(one.exercise, other.exercise)
        session.complete(seen, first)


@pytest.mark.parametrize("hop_s", [0.2, 0.7, 1.0])
def test_session_chunks_and_restarts_give_the_same_events(
    model: fitsense.Model, frames: list[Frame], hop_s: float
) -> None:
    config = SessionConfig(hop_s=hop_s)
    expected = whole(model, frames, config)
    for cuts in ([], [1, 9, 10], [11, 12, 39, 40, 41], [55, 89, 90]):
        session, events = Session(model, config), []
        for start, end in zip([0, *cuts], [*cuts, len(frames)], strict=True):
            events += session.push_many(frames[start:end])
            session = Session.resume(model, session.snapshot())
        assert told([*events, *session.finish()]) == expected


def test_sessions_with_one_model_keep_their_streams(model: fitsense.Model, frames: list[Frame]) -> None:
    other = [Frame(255 - frame.rgb, frame.time_s) for frame in frames]
    one, two = Session(model), Session(model)
    events: tuple[list[fitsense.Event], list[fitsense.Event]] = ([], [])
    for mine, theirs in zip(frames, other, strict=True):
        events[0].extend(one.push(mine))
        events[1].extend(two.push(theirs))
    assert told([*events[0], *one.finish()]) == whole(model, frames)
    assert told([*events[1], *two.finish()]) == whole(model, other)


def test_multi_session_subjects_keep_their_streams(model: fitsense.Model, frames: list[Frame]) -> None:
    left, right = fitsense.Region(0.0, 0.0, 0.5, 1.0), fitsense.Region(0.5, 0.0, 1.0, 1.0)
    wide = [Frame(np.concatenate([f.rgb, 255 - f.rgb], axis=1), f.time_s) for f in frames]
    sessions = fitsense.MultiSession(model, SessionConfig(camera=None))
    events = [event for frame in wide for event in sessions.push(frame, regions={"left": left, "right": right})]
    sessions = fitsense.MultiSession.resume(model, sessions.snapshot())
    events += sessions.finish()
    for subject, region in (("left", left), ("right", right)):
        alone = Session(model, SessionConfig(camera=None, region=region, progress_interval_s=None))
        expected = [*alone.push_many(wide), *alone.finish()]
        assert [event.to_dict()["data"] for event in events if event.subject == subject] == [
            event.to_dict()["data"] for event in expected
        ]


def test_session_streaming_branches_only_keeps_one_frame(bundle: Bundle, tmp_path: Path, frames: list[Frame]) -> None:
    model = fitsense.Model(copied(bundle, tmp_path), plugins=plugins(), threads=1, bf16=False)
    session = Session(model)
    for frame in frames[:35]:
        session.push(frame)
        assert len(session._states()["windows"].frames) == 1
    assert told(session.finish())
