"""Checks the states of a snapshot before a session continues from them.

A snapshot is untrusted data. Whatever its numbers are, a session that continues from it must neither hang, nor fail in
a later push, nor emit events that violate their schemas.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from fitsense.bundles.manifest import Manifest
from fitsense.camera import view_features
from fitsense.camera.framing import CODES, LIMBS, FramingMonitorState
from fitsense.camera.monitor import CameraMonitorState
from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.decisions.decisions import DecisionsState
from fitsense.errors import InvalidInputError
from fitsense.expectation import Expectation
from fitsense.pose.landmarks import LandmarkSet
from fitsense.repetitions import trajectory
from fitsense.repetitions.choice import BodyOrMotionState
from fitsense.repetitions.config import RepetitionConfig
from fitsense.repetitions.counter_state import RepetitionCounterState
from fitsense.repetitions.sets import SetsState
from fitsense.session.person_checks import check_body_counter, check_counter, check_movement, check_person
from fitsense.session.snapshot_requirements import ascend, require, require_array
from fitsense.session.summary import SummaryState
from fitsense.types import MAX_SECONDS, ClipSpec
from fitsense.windowing.sampler import WindowSamplerState

_TOLERANCE_S = 1e-3
# Larger counts are not exact in other languages' JSON.
_MAX_COUNT = 1 << 53
# States whose arrays are NaN where nothing was seen; their own checks say where.
_UNSEEN = ("people", "person", "repetitions")
_TILES = view_features.TILES**2
_VIEW_FEATURE_SHAPES: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "thumbnail": ("uint8", (view_features.SIDE, view_features.SIDE, 3)),
    "luma": ("float32", (view_features.SIDE, view_features.SIDE)),
    "edges": ("float32", (view_features.SIDE - 2, view_features.SIDE - 2)),
    "patterns": ("float32", (_TILES, view_features.SIDE**2 // _TILES)),
}


def check_numbers(states: Mapping[str, Any]) -> None:
    """Refuse numbers that are not finite or too large, anywhere in the states.

    :raises InvalidInputError: with the number's path.
    """
    for name, state in states.items():
        part = name.rpartition("/")[2]
        for path, value, default in _numbers(state, name):
            unseen = part in _UNSEEN or (part == "windows" and path.startswith(f"{name}.poses["))
            if isinstance(value, np.ndarray):
                size = np.abs(value.astype(np.float64)) if value.dtype.kind in "biuf" else np.full(1, np.inf)
                inside = (size <= MAX_SECONDS) | (np.isnan(size) & unseen)
                require(bool(np.all(inside)), path, "finite numbers")
            elif isinstance(value, float):
                # Some times are -inf at first.
                require(abs(value) <= MAX_SECONDS or value == default, path, f"a number within {MAX_SECONDS:g}", value)
            else:
                require(0 <= value <= _MAX_COUNT, path, "a count from 0 on", value)


def check_session(
    states: Mapping[str, Any],
    manifest: Manifest,
    specs: Mapping[str, ClipSpec],
    config: Any,
    span_s: float,
    landmark_set: LandmarkSet | None,
    landmarks: Mapping[str, int],
) -> None:
    """Refuse component states that do not fit together, or do not fit the bundle.

    :param states: component states by name, as from :meth:`Session._states`; :func:`check_numbers` has accepted them.
    :param specs: the clip of each branch.
    :param config: the session's configuration.
    :param span_s: seconds of the longest clip.
    :param landmark_set: of the person's poses; None for a session without landmarks.
    :param landmarks: number of landmarks of each branch that gets poses, by name.
    :raises InvalidInputError: with the path, and what was expected.
    """
    windows: WindowSamplerState = states["windows"]
    session, summary = states["session"], states["summary"]
    answers = {*manifest.labels.exercise, UNKNOWN}
    _check_windows(windows, manifest, specs, config, span_s, landmarks)
    known = [windows.clock.last_s, windows.clock.cut_s, summary.start_s, summary.end_s]
    now_s = max(time_s for time_s in known if time_s is not None) + _TOLERANCE_S
    seen_s = states["perception"].seen_s
    require(seen_s <= now_s, "perception.seen_s", "no later time than the last frame's", seen_s)
    _check_summary(summary, manifest, answers)
    require(
        summary.start_s is not None or windows.clock.last_s is None,
        "summary.start_s",
        "a time, since there were frames",
    )
    for at in ("expectation", "announced"):
        check_expectation(getattr(session, at), f"session.{at}", manifest)
    _check_decisions(states["decisions"], manifest, answers, now_s)
    repetitions = states.get("repetitions")
    if isinstance(repetitions, BodyOrMotionState):
        check_body_counter(repetitions, landmark_set, config.repetitions, now_s)
        _check_repetitions(repetitions.motion, config.repetitions, now_s)
    elif repetitions is not None:
        _check_repetitions(repetitions, config.repetitions, now_s)
    if "person" in states:
        check_person(states["person"], landmark_set, now_s)
    for name, times in (("heartbeat", ("since_s",)), ("presence", ("since_s", "seen_s"))):
        for time in times:
            value = getattr(states[name], time)
            require(value is None or value <= now_s, f"{name}.{time}", "no later time than the last frame's", value)
    _check_sets(states["sets"], states["decisions"], answers, now_s)
    if "framing" in states:
        check_framing(states["framing"])
    if "camera" in states:
        check_camera(states["camera"])


def check_framing(state: FramingMonitorState) -> None:
    """Refuse a framing monitor's state with other states than it has.

    :raises InvalidInputError: with the path.
    """
    require(set(state.states) == set(CODES) == set(state.since), "framing.states", "the states of a framing monitor")
    for code, one in state.states.items():
        require(one._code == code, "framing.states", "each state by its code")
        names = one.limbs is None or set(one.limbs) <= set(LIMBS)
        require(names and (one._meaning != "" or not one.reported), "framing.states", "limbs, and a meaning")


def check_camera(state: CameraMonitorState) -> None:
    """Refuse a camera monitor's state whose arrays have other shapes.

    :raises InvalidInputError: with the path.
    """
    from fitsense.camera.monitor import CameraMonitor

    require(set(state.states) == set(CameraMonitor().state.states), "camera.states", "the states of a camera monitor")
    require(all(one._code == code for code, one in state.states.items()), "camera.states", "each state by its code")
    viewpoint = state.viewpoint
    if viewpoint._anchor is not None:
        require_array(viewpoint._anchor, "camera.viewpoint.anchor", *_VIEW_FEATURE_SHAPES["patterns"])
    for name, dtype in (("_since_s", "float64"), ("_agreed_s", "float64"), ("_settled", "bool")):
        require_array(getattr(viewpoint, name), f"camera.viewpoint.{name}", dtype, (_TILES,))
    pictures = [pair[1] for pair in (state.repeated, state.still, state.cuts._last) if pair is not None]
    if state.cuts._suspect is not None:
        pictures += state.cuts._suspect[1:3]
    for picture in pictures:
        for name, (dtype, shape) in _VIEW_FEATURE_SHAPES.items():
            require_array(getattr(picture, name), f"camera: {name}", dtype, shape)


def _check_summary(summary: SummaryState, manifest: Manifest, answers: set[str]) -> None:
    for name in ("muscle_load_s", "muscle_load_repetitions"):
        groups = set(getattr(summary, name))
        require(groups == set(manifest.labels.muscles), f"summary.{name}", "the bundle's muscle groups")
    require(set(summary.exercise_s) <= set(answers), "summary.exercise_s", "exercises of the bundle")
    for name in ("observed_s", "exercise_s", "muscle_load_s", "muscle_load_repetitions"):
        for path, value, _ in _numbers(getattr(summary, name), f"summary.{name}"):
            require(value >= 0, path, "a number from 0 on", value)


def check_expectation(expectation: Expectation, path: str, manifest: Manifest) -> None:
    """Refuse an expectation of exercises that the bundle does not know.

    :raises InvalidInputError: the message names the field.
    """
    try:
        again = Expectation.of(manifest.labels.exercise, expectation.exercises, expectation.expected)
    except InvalidInputError as error:
        raise InvalidInputError(f"snapshot: {path}: {error}") from error
    require(again == expectation and expectation.exercises != (), path, "exercises in the order of the bundle")


def _check_windows(
    state: WindowSamplerState,
    manifest: Manifest,
    specs: Mapping[str, ClipSpec],
    config: Any,
    span_s: float,
    landmarks: Mapping[str, int],
) -> None:
    streams = {branch.name: branch for branch in manifest.branches if branch.stream}
    clock = state.clock
    require(clock.offset_s >= 0, "windows.clock.offset_s", "a number from 0 on", clock.offset_s)
    last_s = clock.last_s
    require((last_s is None) == (not state.frames), "windows.frames", "frames exactly if there is a run")
    if last_s is None:
        require(not state.streams, "windows.streams", "no streams without a run")
        require(not state.poses, "windows.poses", "no poses without a run")
        return
    times = [frame.time_s for frame in state.frames]
    require(ascend(times) and times[-1] == last_s, "windows.frames", "times that ascend to the last frame's")
    require(0 <= clock.step_s <= config.gap_s, "windows.clock.step_s", "a step within gap_s", clock.step_s)
    require(
        clock.run_start_s <= state.decided_s <= last_s + span_s,
        "windows.decided_s",
        "a time of the run",
        state.decided_s,
    )
    # All windows that ended by the last frame were emitted; otherwise the next push would emit all missing ones.
    next_end_s = clock.run_start_s + span_s + state.emitted * config.hop_s
    require(
        last_s < next_end_s + _TOLERANCE_S and next_end_s <= last_s + span_s + config.hop_s + _TOLERANCE_S,
        "windows.emitted",
        "the number of windows that the run's length gives",
        state.emitted,
    )
    for at, frame in enumerate(state.frames):
        on_pictures = {name: spec for name, spec in specs.items() if name not in landmarks}
        require(set(frame.images) == set(on_pictures), f"windows.frames[{at}]", "a picture for each branch on pictures")
        for name, spec in on_pictures.items():
            require_array(frame.images[name], f"windows.frames[{at}].{name}", "uint8", spec.shape[1:])
    times = [pose.time_s for pose in state.poses]
    require(ascend([*times, last_s + _TOLERANCE_S]), "windows.poses", "times that ascend to the last frame's")
    for at, pose in enumerate(state.poses):
        require(set(pose.landmarks) == set(landmarks), f"windows.poses[{at}]", "a pose for each branch on poses")
        for name, count in landmarks.items():
            require_array(pose.landmarks[name], f"windows.poses[{at}].{name}", "float32", (count, 6))
    require(set(state.streams) == set(streams), "windows.streams", "the streaming branches")
    for name, run in state.streams.items():
        path, spec, stream = f"windows.streams.{name}", specs[name], streams[name].stream
        next_slot_s = clock.run_start_s + (run.shown + len(run.waiting) + 0.5) / spec.rate_hz
        require(
            last_s <= next_slot_s + _TOLERANCE_S and next_slot_s <= last_s + span_s + config.hop_s + 1 / spec.rate_hz,
            f"{path}.shown",
            "the number of pictures that the run's length gives",
            run.shown,
        )
        for picture in run.waiting:
            require_array(picture, f"{path}.waiting", "uint8", spec.shape[1:])
        if run.state is not None and stream is not None:
            require(run.state.steps <= run.shown, f"{path}.state.steps", "at most the number shown", run.state.steps)
            require(set(run.state.arrays) == set(stream.state), f"{path}.state", "the arrays of the branch's state")
            for array, shape in stream.state.items():
                require_array(run.state.arrays[array], f"{path}.state.{array}", "float32", tuple(shape))
        _check_outputs(run.outputs, f"{path}.outputs", streams[name], manifest)


def _check_outputs(outputs: Mapping[str, Any], path: str, branch: Any, manifest: Manifest) -> None:
    widths = {"features": branch.feature_dim}
    widths |= {head.task: len(manifest.labels.of(head.task)) for head in branch.heads}
    require(not outputs or set(outputs) == set(widths), path, "features and logits of each head")
    for name, values in outputs.items():
        require_array(values, f"{path}.{name}", "float32", (widths[name],))


def _check_decisions(state: DecisionsState, manifest: Manifest, answers: Collection[str], now_s: float) -> None:
    labels, groups = len(manifest.labels.exercise), len(manifest.labels.muscles)
    if state.smoothed is not None:
        require_array(state.smoothed, "decisions.smoothed", None, (labels,), maximum=1.0)
    require(state.smoothed is None or state.muscles.size > 0, "decisions.muscles", "activations")
    if state.muscles.size:
        require_array(state.muscles, "decisions.muscles", "float32", (groups,), maximum=1.0)
    require(state.updated_s <= now_s, "decisions.updated_s", "no later time than the last frame's", state.updated_s)
    for name in ("current", "candidate", "lead", "doubt", "unreported"):
        span = getattr(state, name)
        if span is None:
            continue
        path = f"decisions.{name}"
        require(span.answer in answers, f"{path}.answer", "an exercise of the bundle", span.answer)
        require(span.start_s <= span.end_s <= now_s, path, "a start before an end, and an end before now")
        for part, size in (("scores", labels), ("muscles", groups)):
            mean = getattr(span, part)
            require(mean.seconds >= 0, f"{path}.{part}.seconds", "a number from 0 on", mean.seconds)
            require_array(mean.sum, f"{path}.{part}", "float64", (size,), maximum=mean.seconds)
    doubtful = state.candidate is not None
    require(doubtful == (state.doubt is not None), "decisions.doubt", "a doubt exactly if there is a candidate")
    require(doubtful or state.lead is None, "decisions.lead", "a lead only before a candidate")


def _check_repetitions(state: RepetitionCounterState, config: RepetitionConfig, now_s: float) -> None:
    check_counter(state, "repetitions", config, now_s)
    for thumbnail in state.thumbnails:
        require_array(thumbnail, "repetitions.thumbnails", "float32", (trajectory.SIDE, trajectory.SIDE))
        require(bool(np.isfinite(thumbnail).all()), "repetitions.thumbnails", "finite numbers")


def _check_sets(state: SetsState, decisions: DecisionsState, answers: Collection[str], now_s: float) -> None:
    for at, one in enumerate(state.sets):
        path = f"sets.sets[{at}]"
        require(one.exercise in answers and one.exercise != IDLE, path, "an exercise of the bundle", one.exercise)
        require(one.index >= 1, f"{path}.index", "a number from 1 on", one.index)
        require(len(one.parts) > 0, f"{path}.parts", "at least one part")
        for part in one.parts:
            require(part.start_s <= part.end_s <= now_s, path, "a start before an end, and an end before now")
            require(part.segment < state.num_segments, f"{path}.segment", "a segment that began", part.segment)
            spans = [time_s for span in part.spans for time_s in span]
            require(spans == sorted(spans), f"{path}.spans", "spans in the order of time")
            _check_totals(part.totals, path)
    for movement in state.pending:
        require(movement.start_s <= movement.end_s <= now_s, "sets.pending", "starts before ends, and ends before now")
        check_movement(movement, "sets.pending")
    current = decisions.current
    exercise = None if current is None or current.answer == IDLE else current.answer
    segment = state.segment
    require((segment.exercise if segment else None) == exercise, "sets.segment", "the current exercise")
    if segment is not None:
        require(segment.first_set <= len(state.sets), "sets.segment.first_set", "one of the sets", segment.first_set)
        require(
            segment.start_s <= now_s, "sets.segment.start_s", "no later time than the last frame's", segment.start_s
        )
        require(segment.number < state.num_segments, "sets.segment.number", "a segment that began", segment.number)
        _check_totals(segment.totals, "sets.segment")
        for attempt in segment.attempts:
            require(attempt.start_s <= attempt.end_s <= now_s, "sets.segment.attempts", "starts before ends")


def _check_totals(totals: Any, path: str) -> None:
    require(min(totals.seconds, totals.squares, totals.tension_s, totals.held_s) >= 0, path, "numbers from 0 on")


def _numbers(value: Any, path: str, default: Any = None) -> Iterator[tuple[str, Any, Any]]:
    """Yield the path, value and field default of every number and array in a state."""
    if isinstance(value, (bool, str, bytes)) or value is None:
        return
    if isinstance(value, (int, float, np.ndarray)):
        yield path, value, default
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            yield from _numbers(getattr(value, field.name), f"{path}.{field.name}", field.default)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{path}[{key}]")
    elif isinstance(value, Collection):
        for at, item in enumerate(value):
            yield from _numbers(item, f"{path}[{at}]")
