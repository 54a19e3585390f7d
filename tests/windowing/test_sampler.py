"""Invariants of the window sampler."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.errors import InvalidInputError
from fitsense.types import ClipSpec, FloatArray, UInt8Array
from fitsense.windowing.frame_clock import ClockReset, Gap, LateFrame
from fitsense.windowing.sampler import Output, RunEnd, Window, WindowSampler, nearest

SPEC = ClipSpec(frames=4, rate_hz=2.0, size=1, short_side=1)
GAP_S = 1.5


def picture(number: int) -> dict[str, UInt8Array]:
    """A one-pixel picture that encodes the frame's number."""
    return {"a": np.array([[[number % 256, number // 256, 0]]], dtype=np.uint8)}


def number(pixel: UInt8Array) -> int:
    return int(pixel[0, 0, 0]) + 256 * int(pixel[0, 0, 1])


def run(
    times: list[float],
    hop_s: float = 1.0,
    specs: dict[str, ClipSpec] | None = None,
    places: Sequence[int] | None = None,
) -> list[Output]:
    windows = WindowSampler(specs or {"a": SPEC}, hop_s=hop_s, gap_s=GAP_S)
    numbers = range(len(times)) if places is None else places
    outputs = [output for at, time in zip(numbers, times, strict=True) for output in windows.push(picture(at), time)]
    return outputs + windows.finish()


def windows_of(outputs: list[Output]) -> list[Window]:
    return [output for output in outputs if isinstance(output, Window)]


@st.composite
def timestamps(draw: st.DrawFn) -> list[float]:
    """Ascending times with steps long enough to be kept, some of them gaps."""
    steps = draw(st.lists(st.floats(0.06, 0.9) | st.floats(1.6, 4.0), min_size=1, max_size=60))
    return [round(float(t), 3) for t in np.cumsum([draw(st.floats(-5, 5)), *steps])]


@given(timestamps(), st.floats(0.3, 3.0))
def test_push_any_times_picks_frames_nearest_to_slot_middles(times: list[float], hop_s: float) -> None:
    for window in windows_of(run(times, hop_s)):
        clip = window.clips["a"]
        for slot, pixel in enumerate(clip.frames):
            wanted = clip.start_s + (slot + 0.5) / SPEC.rate_hz
            chosen = times[number(pixel)]
            # No frame of the window's run is nearer.
            run_times = [t for t in times if window.start_s - 5 <= t and same_run(times, t, chosen)]
            assert abs(chosen - wanted) <= min(abs(t - wanted) for t in run_times) + 1e-9


def test_window_at_the_end_of_a_run_has_the_frames_of_its_start() -> None:
    """With long hops, it starts before the next regular window would."""
    last = windows_of(run([index / 2 for index in range(18)], hop_s=4.0))[-1]
    assert last.end_s == 9.0
    assert [number(pixel) for pixel in last.clips["a"].frames] == [14, 15, 16, 17]


def pose(number: int) -> dict[str, FloatArray]:
    return {"a": np.full((2, 6), number, np.float32)}


@given(timestamps(), st.floats(0.3, 3.0), st.integers(1, 4))
def test_push_with_poses_gives_those_nearest_to_slot_middles(times: list[float], hop_s: float, every: int) -> None:
    """The pose of each slot is that of the frame, among those with a pose, that a clip would take."""
    windows = WindowSampler({"a": SPEC, "b": SPEC}, hop_s=hop_s, gap_s=GAP_S, landmarks={"a": 2})
    outputs = []
    for at, time_s in enumerate(times):
        outputs += windows.push({"b": picture(at)["a"]}, time_s, pose(at) if at % every == 0 else None)
    for window in windows_of(outputs + windows.finish()):
        assert set(window.clips) == {"b"}
        assert window.poses["a"].shape == (SPEC.frames, 2, 6)
        assert window.poses["a"].dtype == np.float32
        for slot, chosen in enumerate(window.poses["a"][:, 0, 0]):
            wanted = window.start_s + (slot + 0.5) / SPEC.rate_hz
            frame = times[number(window.clips["b"].frames[slot])]
            posed = [t for at, t in enumerate(times) if at % every == 0 and same_run(times, t, frame)]
            known = [t for t in posed if t <= window.end_s + 1e-9 or t == posed[0]]
            if every == 1:
                assert times[int(chosen)] == frame
            elif np.isnan(chosen):
                assert not known
            else:
                nearest_s = min(abs(t - wanted) for t in known)
                assert abs(times[int(chosen)] - wanted) <= nearest_s + 1e-9


def test_push_keeps_no_more_poses_than_windows_need() -> None:
    windows = WindowSampler({"a": SPEC}, hop_s=1.0, landmarks={"a": 2})
    for at in range(1000):
        windows.push({}, at / 10, pose(at))
    assert len(windows.state.frames) == 1
    assert len(windows.state.poses) <= 10 * (SPEC.span_s + 1.0) + 2
    windows.finish()
    assert not windows.state.poses


def same_run(times: list[float], one: float, other: float) -> bool:
    low, high = sorted((one, other))
    between = [t for t in times if low <= t <= high]
    return all(b - a <= GAP_S for a, b in itertools.pairwise(between))


@given(timestamps(), st.floats(0.3, 3.0))
def test_push_any_times_decided_intervals_tile_each_run(times: list[float], hop_s: float) -> None:
    begun: float | None = None
    spoken = 0.0
    for output in run(times, hop_s):
        match output:
            case Window():
                if begun is None:
                    begun = spoken = output.decides_from_s
                assert output.decides_from_s == pytest.approx(spoken)
                assert output.decides_until_s >= output.decides_from_s
                spoken = output.decides_until_s
            case RunEnd():
                assert begun == pytest.approx(output.start_s)
                assert spoken <= output.end_s + 1e-6
                assert output.end_s - spoken <= max(hop_s, SPEC.span_s) + 1e-6
                begun = None


@given(timestamps())
def test_push_any_run_gives_a_window_and_one_end(times: list[float]) -> None:
    outputs = run(times)
    gaps = [output for output in outputs if isinstance(output, Gap)]
    ends = [output for output in outputs if isinstance(output, RunEnd)]
    assert len(ends) == len(gaps) + 1
    seen = 0
    for output in outputs:
        seen += isinstance(output, Window)
        if isinstance(output, RunEnd):
            assert seen >= 1
            seen = 0


@given(timestamps(), st.integers(2, 5))
def test_push_higher_frame_rate_gives_the_same_windows(times: list[float], factor: int) -> None:
    """Frames added between others do not move windows."""
    dense = sorted(
        {
            round(a + (b - a) * k / factor, 6)
            for a, b in itertools.pairwise(times)
            if b - a <= GAP_S
            for k in range(factor)
        }
        | set(times)
    )

    def complete(outputs: list[Output]) -> list[tuple[float, float]]:
        return [
            (round(w.start_s, 6), round(w.end_s, 6))
            for w in windows_of(outputs)
            if w.end_s - w.start_s > SPEC.span_s - 1e-6
        ]

    sparse_windows, dense_windows = complete(run(times)), complete(run(dense))
    # The run's end depends on its last step, so that the last window may differ.
    assert all(
        window in dense_windows or window[1] > max(times) - 1e-6 or near_gap(times, window) for window in sparse_windows
    )


def near_gap(times: list[float], window: tuple[float, float]) -> bool:
    ends = [a for a, b in itertools.pairwise(times) if b - a > GAP_S]
    return any(abs(window[1] - end) <= 2.0 for end in ends)


def test_push_constant_frame_rate_gives_windows_a_hop_apart() -> None:
    windows = windows_of(run([i / 10 for i in range(100)]))
    assert [round(w.end_s, 6) for w in windows] == [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]
    assert [number(p) for p in windows[0].clips["a"].frames] == [2, 7, 12, 17]


def test_finish_short_run_gives_one_window_with_last_frame_repeated() -> None:
    window, end = run([0.0, 0.5])
    assert isinstance(window, Window)
    assert [number(p) for p in window.clips["a"].frames] == [0, 1, 1, 1]
    assert (window.decides_from_s, window.decides_until_s, window.end_s) == (0.0, 1.0, 1.0)
    assert end == RunEnd(0.0, 1.0)


@given(timestamps(), st.floats(0.3, 3.0), st.data())
def test_mark_cut_late_gives_the_runs_of_a_cut_in_time(times: list[float], hop_s: float, data: st.DataObject) -> None:
    """A cut that is noticed some frames later splits the frames as one that is noticed at once."""
    first = data.draw(st.integers(1, len(times) - 1), label="first frame after the cut")
    noticed = data.draw(st.integers(first + 1, min(len(times), first + 4)), label="frame before which it is noticed")
    late = WindowSampler({"a": SPEC}, hop_s=hop_s, gap_s=GAP_S)
    outputs = [output for at in range(noticed) for output in late.push(picture(at), times[at])]
    decided_s = max((one.decides_until_s for one in windows_of(outputs)), default=-math.inf)
    cut = late.mark_cut(times[first])
    outputs += cut
    for at in range(noticed, len(times)):
        outputs += late.push(picture(at), times[at])
    outputs += late.finish()
    ends = [output for output in outputs if isinstance(output, RunEnd)]
    for one, other in itertools.pairwise(ends):
        assert one.end_s <= other.start_s + 1e-6
    if decided_s >= times[first] or not any(isinstance(output, RunEnd) for output in cut):
        return
    assert next(one.end_s for one in cut if isinstance(one, RunEnd)) <= times[first]
    for window in windows_of(outputs):
        numbers = [number(pixel) for pixel in window.clips["a"].frames]
        if window.decides_from_s >= times[first]:
            assert min(numbers) >= first
        elif window in windows_of(cut):
            assert max(numbers) < first
    expected = WindowSampler({"a": SPEC}, hop_s=hop_s, gap_s=GAP_S)
    alone = [output for at in range(first, len(times)) for output in expected.push(picture(at), times[at])]
    alone += expected.finish()
    after = outputs[outputs.index(next(one for one in cut if isinstance(one, RunEnd))) + 1 :]
    assert [type(output) for output in after] == [type(output) for output in alone]
    assert [one for one in after if isinstance(one, RunEnd)] == [one for one in alone if isinstance(one, RunEnd)]
    for found, wanted in zip(windows_of(after), windows_of(alone), strict=True):
        for name in ("start_s", "end_s", "decides_from_s", "decides_until_s"):
            assert getattr(found, name) == getattr(wanted, name)
        assert np.array_equal(found.clips["a"].frames, wanted.clips["a"].frames)


def test_mark_cut_late_drops_the_poses_since_then() -> None:
    windows = WindowSampler({"a": SPEC}, hop_s=1.0, landmarks={"a": 2})
    for at in range(40):
        windows.push({}, at / 10, pose(at))
    cut = windows.mark_cut(3.7)
    (end,) = (output for output in cut if isinstance(output, RunEnd))
    assert end.start_s == 0.0
    assert end.end_s == pytest.approx(3.7)
    assert windows_of(cut)[-1].poses["a"].max() == 35
    later = [output for at in range(40, 60) for output in windows.push({}, at / 10, pose(at))]
    (window,) = windows_of(later)
    assert (window.start_s, window.decides_from_s) == pytest.approx((3.7, 3.7))
    assert window.poses["a"].min() == 40


def test_mark_cut_before_the_run_changes_nothing() -> None:
    windows = WindowSampler({"a": SPEC}, hop_s=1.0)
    windows.push(picture(0), 5.0)
    assert windows.mark_cut(5.0) == []
    assert windows.last_s == 5.0
    assert [type(output) for output in windows.mark_cut()] == [Window, RunEnd]
    assert windows.mark_cut(5.0) == []


def test_finish_single_frame_gives_a_run() -> None:
    window, end = run([3.0])
    assert isinstance(window, Window)
    assert end == RunEnd(3.0, 3.0)


def test_push_late_frames_are_dropped() -> None:
    windows = WindowSampler({"a": SPEC}, hop_s=1.0)
    assert windows.push(picture(0), 1.0) == []
    assert windows.push(picture(1), 1.0) == [LateFrame(1.0, 1.0)]
    assert windows.push(picture(2), 0.5) == [LateFrame(0.5, 1.0)]
    assert windows.last_s == 1.0


def test_push_clock_set_back_continues_media_time() -> None:
    windows = WindowSampler({"a": SPEC}, hop_s=1.0, gap_s=GAP_S)
    for index in range(50):
        windows.push(picture(index), 100 + index / 10)
    outputs = [output for index in range(50) for output in windows.push(picture(index), index / 10)]
    assert [type(output) for output in outputs[:9]] == [LateFrame] * 9
    assert isinstance(outputs[-1], Window)
    (reset,) = (output for output in outputs if isinstance(output, ClockReset))
    assert reset.time_s == pytest.approx(104.9 + GAP_S)
    assert windows.last_s == pytest.approx(reset.time_s + 4.0)


def test_push_single_future_frame_recovers() -> None:
    windows = WindowSampler({"a": SPEC}, hop_s=1.0, gap_s=GAP_S)
    times = [*(i / 10 for i in range(20)), 1e8, *(i / 10 for i in range(20, 100))]
    outputs = [output for index, time in enumerate(times) for output in windows.push(picture(index), time)]
    assert sum(isinstance(output, LateFrame) for output in outputs) == 9
    assert len(windows_of(outputs)) > 5


def test_push_branches_with_other_spans_end_together() -> None:
    short = ClipSpec(frames=2, rate_hz=4.0, size=1, short_side=1)
    windows = WindowSampler({"a": SPEC, "b": short}, hop_s=1.0)
    outputs = [o for i in range(40) for o in windows.push({"a": picture(i)["a"], "b": picture(i)["a"]}, i / 10)]
    for window in windows_of(outputs):
        assert window.clips["a"].end_s == window.clips["b"].end_s == window.end_s
        assert window.clips["b"].start_s == pytest.approx(window.end_s - 0.5)


@pytest.mark.parametrize("time_s", [float("nan"), float("inf")])
def test_push_time_not_finite_is_refused(time_s: float) -> None:
    windows = WindowSampler({"a": SPEC}, hop_s=1.0)
    windows.push(picture(0), 0.0)
    with pytest.raises(InvalidInputError, match="finite"):
        windows.push(picture(1), time_s)
    assert windows.last_s == 0.0


def test_push_many_frames_keeps_one_span() -> None:
    windows = WindowSampler({"a": SPEC}, hop_s=0.5)
    for index in range(5000):
        windows.push(picture(index), index / 100)
    assert len(windows.state.frames) <= SPEC.span_s * 100 + 2


def test_push_very_high_rate_keeps_few_frames() -> None:
    windows = WindowSampler({"a": SPEC}, hop_s=0.5)
    for index in range(20_000):
        windows.push(picture(0), index / 1e4)
    assert len(windows.state.frames) <= 50
    assert windows.last_s == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("arguments", [{"hop_s": 0.0}, {"hop_s": float("nan")}, {"hop_s": 1.0, "gap_s": -1.0}])
def test_init_invalid_settings_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="expected a number above 0"):
        WindowSampler({"a": SPEC}, **arguments)


def test_nearest_takes_the_earlier_frame_in_a_tie() -> None:
    spec = ClipSpec(frames=1, rate_hz=1.0, size=1, short_side=1)
    assert nearest(np.array([0.0, 1.0]), spec, 1.0).tolist() == [0]


def streamed(times: list[float], hop_s: float, *, spec: ClipSpec = SPEC) -> list[Output]:
    """Outputs for a streaming branch, ``a``, and a clip branch, ``b``."""
    windows = WindowSampler({"a": spec, "b": SPEC}, hop_s=hop_s, gap_s=GAP_S, streaming=["a"])
    outputs = []
    for index, time in enumerate(times):
        pixel = picture(index)["a"]
        outputs += windows.push({"a": pixel, "b": pixel}, time)
    return outputs + windows.finish()


@given(timestamps(), st.floats(0.1, 6.0))
def test_streaming_branch_gets_each_slot_of_its_run_once(times: list[float], hop_s: float) -> None:
    seen: list[int] = []
    begun: Window | None = None
    for output in streamed(times, hop_s):
        match output:
            case Window():
                begun = begun or output
                stretch = output.new_frames["a"]
                assert "a" not in output.clips
                assert stretch.first == len(seen)
                seen += [number(pixel) for pixel in stretch.pictures]
                # A window longer than its run repeats the last picture.
                end_s = max(output.end_s, output.start_s + SPEC.span_s)
                assert len(seen) == int((end_s - begun.start_s) * SPEC.rate_hz + 1e-4)
            case RunEnd(start_s=start_s, end_s=end_s):
                run_times = [time for time in times if start_s - 1e-9 <= time <= end_s + 1e-9]
                for slot, index in enumerate(seen):
                    wanted = start_s + (slot + 0.5) / SPEC.rate_hz
                    assert abs(times[index] - wanted) <= min(abs(time - wanted) for time in run_times) + 1e-9
                seen, begun = [], None


@given(timestamps(), st.sampled_from([0.5, 1.0, 2.5]))
def test_streaming_branch_hops_of_whole_slots_gives_the_clip(times: list[float], hop_s: float) -> None:
    seen: list[UInt8Array] = []
    begun_s: float | None = None
    for output in streamed(times, hop_s):
        match output:
            case Window():
                begun_s = output.start_s if begun_s is None else begun_s
                seen += output.new_frames["a"].pictures
                hops = (output.start_s - begun_s) / hop_s
                if abs(hops - round(hops)) > 1e-6:
                    # The window that ends with its run.
                    continue
                for slot, (mine, its) in enumerate(zip(seen[-SPEC.frames :], output.clips["b"].frames, strict=True)):
                    wanted = output.start_s + (slot + 0.5) / SPEC.rate_hz
                    # The same frame, or one as near.
                    apart = [abs(times[number(pixel)] - wanted) for pixel in (mine, its)]
                    assert apart[0] == pytest.approx(apart[1], abs=1e-6)
            case RunEnd():
                seen, begun_s = [], None


def test_streaming_branch_hop_longer_than_clip_skips_nothing() -> None:
    spec = ClipSpec(frames=2, rate_hz=2.0, size=1, short_side=1)
    windows = WindowSampler({"a": spec}, hop_s=30.0, streaming=["a"])
    outputs = [output for index in range(700) for output in windows.push(picture(index), index / 10)]
    first, second, third = windows_of(outputs)
    assert [len(window.new_frames["a"].pictures) for window in (first, second, third)] == [2, 60, 60]
    assert len(windows.state.frames) == 1
    assert len(windows.state.streams["a"].waiting) < 20
