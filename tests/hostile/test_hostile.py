"""Hostile files: a sample, and each file that once revealed a fault."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest

import fitsense
from fitsense.imaging.frame_rate import min_interval_s
from fitsense.types import Prediction
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource
from fitsense.windowing.sampler import Window
from tests.hostile.fields import fields
from tests.hostile.generator import KINDS, SEEDS, SIZE, Case, whole

if sys.platform != "linux":
    pytest.skip("the resources of a process are measured by Linux's /proc", allow_module_level=True)

from tests.hostile.supervisor import Supervisor
from tests.hostile.worker import FAULTS, Scripted, what_is_wrong

SOME = [Case.numbered(number) for number in range(3, 1000, 25)]
FOUND = [
    # A stream that appears after the header: PyAV raised IndexError at the end.
    Case("mpeg2.ts", "flips", 194),
    # A picture of the .gif that cannot be unpacked: EPERM, which ended the video.
    Case("figure.gif", "lies-table", 166),
    # 17 KB that asked for 3.8 GB.
    Case("h264.mkv", "giant", 21),
    # A repetition emitted before the start of its segment: a set of negative length.
    Case("fragments.mp4", "moved", 612),
]
"""As long as PyAV encodes as it does, these are the files that found something."""


@pytest.fixture(scope="module")
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as supervisor:
        yield supervisor


@pytest.mark.parametrize("case", [*SOME, *FOUND], ids=str)
def test_worker_hostile_file_does_no_harm(case: Case, supervisor: Supervisor) -> None:
    verdict = supervisor.judge(case)
    assert verdict.outcome not in FAULTS, verdict


@pytest.mark.parametrize("video", SEEDS)
def test_worker_undamaged_file_is_complete(video: str, tmp_path: Path) -> None:
    """Seed videos are sound before damage, and each number found in them can be written back."""
    path = tmp_path / video
    path.write_bytes(whole(video))
    with VideoSource(path) as source:
        assert len(list(source)) == 45
        assert source.warning is None
    content = bytearray(whole(video))
    found = fields(bytes(content), path.suffix, SIZE)
    assert {"size", "clock", "picture"} & {field.subject for field in found}
    for field in found:
        field.write(content, field.read(content))
    assert content == whole(video)


@pytest.mark.parametrize("kind", KINDS)
def test_generator_same_case_gives_same_file(kind: str) -> None:
    case = Case("vp8.webm", kind, 5)
    assert case.content() == case.content()
    assert case.content() != Case("vp8.webm", kind, 6).content() or kind == "joined"
    assert case.content() != whole("vp8.webm")


class Steady(Scripted):
    """Predicts the same all the time, so that there are many events."""

    def predict(self, windows: Sequence[Window]) -> list[Prediction]:
        scores = np.eye(len(self.labels.exercise), dtype=np.float32)[0]
        muscles = np.full(len(self.labels.muscles), 0.7, np.float32)
        return [Prediction(window.start_s, window.end_s, scores, muscles) for window in windows]


@pytest.mark.parametrize("video", ["fragments.mp4", "h264.mkv", "mpeg4.avi", "vp8.webm", "figure.gif", "h264.ts"])
def test_worker_events_before_fault_match_whole_file(video: str, tmp_path: Path) -> None:
    model = cast(fitsense.Model, Steady())
    path = tmp_path / video
    path.write_bytes(whole(video)[: len(whole(video)) * 4 // 5])
    config = fitsense.SessionConfig(hop_s=0.25)
    events = list(fitsense.analyze(path, model=model, config=config))
    assert not what_is_wrong([event.to_dict() for event in events])
    frame_count = events[-1].to_dict()["data"]["frames"]
    assert 15 < frame_count < 45
    path.write_bytes(whole(video))
    session = fitsense.Session(model, config)
    with VideoSource(
        path, DecodeConfig(short_side=model.short_side, min_interval_s=min_interval_s(model.clips.values()))
    ) as source:
        # The last pictures before the fault may be damaged themselves.
        frames = list(source)[: frame_count - 6]
    expected = [event.to_json() for frame in frames for event in session.push(frame)]
    assert len(expected) > 2
    assert [event.to_json() for event in events[: len(expected)]] == expected


def test_worker_file_truncated_in_fragment_header_is_read(tmp_path: Path) -> None:
    contents = whole("fragments.mp4")
    header = contents.rindex(b"moof")
    path = tmp_path / "fragments.mp4"
    for end in range(header, contents.index(b"mdat", header), 7):
        path.write_bytes(contents[:end])
        with VideoSource(path) as source:
            assert sum(1 for _ in source) > 15, end


@pytest.mark.slow
def test_supervisor_dead_or_silent_worker_is_replaced() -> None:
    case = Case("figure.gif", "truncated", 1)
    with Supervisor(wall_s=20.0) as other:
        assert other.judge(case).outcome not in FAULTS
        assert other.process is not None
        other.process.send_signal(signal.SIGSEGV)
        other.process.wait()
        died = other.judge(case)
        assert (died.outcome, died.detail.split(":")[0]) == ("crashed", "SIGSEGV")
        assert other.judge(case).outcome not in FAULTS
        other.process.send_signal(signal.SIGSTOP)
        other.wall_s = 0.2
        assert other.judge(case).outcome == "hung"


def test_check_invalid_events_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "figure.gif"
    path.write_bytes(whole("figure.gif"))
    events = [event.to_dict() for event in fitsense.analyze(path, model=cast(fitsense.Model, Scripted()))]
    assert not what_is_wrong(events)
    assert not what_is_wrong(events[:-1], complete=False)
    assert "do not end" in what_is_wrong(events[:-1])
    assert "sequence" in what_is_wrong([events[0], *events[2:]])
    started = next(at for at, event in enumerate(events) if event["type"] == "fitsense.exercise.started")
    events[started]["data"]["start_s"] = "soon"
    assert "start_s" in what_is_wrong(events)
