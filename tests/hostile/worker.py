"""``python -m tests.hostile.worker FOLDER``: analyses hostile files, one after the other, within limits.

It reads cases as JSON lines and answers with a :class:`Verdict` for each. The folder keeps the file and the events so
far after a crash. The model is scripted, everything else is the product.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import json
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import attrs
import cattrs
import numpy as np

import fitsense
from fitsense.bundles.bundle import DEFAULT, Bundle
from fitsense.events.schema import validate_event
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.tasks import TaskSpec
from fitsense.types import Prediction
from fitsense.windowing.sampler import Window
from tests.hostile.generator import Case

CPU_S = 30
"""CPU time in seconds above which a file counts as a hang. The largest undamaged file takes less than one."""
PEAK_MB = 1024
"""Additional memory above which a file counts as greedy."""
_ADDRESS_SPACE_MB = 6144
# Memory that may remain after a file: caches and heap fragmentation.
_LEFT_MB = 24.0
_LOG, _FILE = "events.ndjson", "hostile"

Outcome = Literal["refused", "damaged", "whole", "crashed", "hung", "greedy", "leaking", "raised", "invalid"]
FAULTS: tuple[Outcome, ...] = ("crashed", "hung", "greedy", "leaking", "raised", "invalid")


@attrs.frozen
class Verdict:
    """The result of a hostile file.

    :param outcome: a fault; or ``refused`` by a :class:`fitsense.SourceError`, ``damaged`` as a warning says, or
        ``whole`` if the damage had no effect.
    :param detail: what was wrong, or why it was refused.
    :param frames: number of frames in the session.
    :param events: number of events.
    :param peak_mb: peak of the additional memory.
    :param resident_mb: memory of the process afterwards.
    """

    outcome: Outcome
    detail: str = ""
    frames: int = 0
    events: int = 0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    resident_mb: float = 0.0


class Scripted:
    """Predicts something for each window's time, without a network."""

    def __init__(self) -> None:
        self.bundle = Bundle.load(DEFAULT)
        self.manifest, self.plugins = self.bundle.manifest, PluginManager.discover()
        self.labels = self.manifest.labels
        self.clips = {branch.name: branch.clip for branch in self.manifest.branches}
        self.short_side = max(spec.short_side for spec in self.clips.values())
        self.deferred_branches, self.threads, self.notice = (), None, ""
        self.tasks: dict[str, TaskSpec] = {}

    def predict(self, windows: Sequence[Window]) -> list[Prediction]:
        return [self._predict(window) for window in windows]

    def _predict(self, window: Window) -> Prediction:
        random = np.random.default_rng(int(window.end_s * 1000) % 2**32)
        scores = random.dirichlet(np.full(len(self.labels.exercise), 0.05)).astype(np.float32)
        return Prediction(
            window.start_s, window.end_s, scores, random.random(len(self.labels.muscles)).astype(np.float32)
        )


def judge(case: Case, folder: Path, model: fitsense.Model) -> Verdict:
    """Analyse a case's file, and again and again if it seems to leave something behind."""
    path = folder / f"{_FILE}{case.suffix}"
    path.write_bytes(case.content())
    before_mb = _memory_mb("VmRSS")
    verdict = _analysed(path, folder / _LOG, model)
    if verdict.outcome in FAULTS or verdict.resident_mb < before_mb + _LEFT_MB:
        return verdict
    # Decoders' threads leave heaps in pieces, more or less: only what grows on and on is a leak.
    again = [_analysed(path, folder / _LOG, model).resident_mb for _ in range(6)]
    grown_mb = min(again[3:]) - max(again[:3])
    if grown_mb > _LEFT_MB:
        return attrs.evolve(verdict, outcome="leaking", detail=f"{grown_mb:.0f} MB more after three more times")
    return verdict


def _analysed(path: Path, log: Path, model: fitsense.Model) -> Verdict:
    outcome: Outcome = "whole"
    detail = ""
    events: list[Mapping[str, Any]] = []
    started_mb, started_s = _memory_mb("VmRSS"), time.process_time()
    _forget_peak()
    _allow_cpu_s(CPU_S)
    try:
        with log.open("w") as written:
            for event in fitsense.analyze(path, model=model):
                written.write(event.to_json() + "\n")
                written.flush()
                events.append(event.to_dict())
    except fitsense.SourceError as error:
        outcome, detail = "refused", str(error)
    except Exception as error:
        outcome, detail = "raised", f"{type(error).__name__}: {error}"
    peak_mb = _memory_mb("VmHWM") - started_mb
    if outcome == "whole":
        warnings = [event["data"]["message"] for event in events if event["data"].get("code", "").startswith("source")]
        if warnings:
            outcome, detail = "damaged", warnings[0]
        if wrong := what_is_wrong(events):
            outcome, detail = "invalid", wrong
        elif peak_mb > PEAK_MB:
            outcome, detail = "greedy", f"{peak_mb:.0f} MB"
    frames = events[-1]["data"].get("frames", 0) if events else 0
    _free()
    return Verdict(
        outcome,
        detail,
        frames,
        len(events),
        round(time.process_time() - started_s, 2),
        round(peak_mb, 1),
        _memory_mb("VmRSS"),
    )


def what_is_wrong(events: Sequence[Mapping[str, Any]], *, complete: bool = True) -> str:
    """Find the first error in a session's events; empty if there is none.

    :param complete: whether they are all, or only those before a crash.
    """
    open_exercise = None
    for number, event in enumerate(events):
        try:
            validate_event(event)
        except fitsense.FitsenseError as error:
            return f"event {number}: {error}"
        kind, exercise = event["type"].removeprefix("fitsense."), event["data"].get("exercise")
        if int(event["sequence"]) != number:
            return f"event {number}: its sequence is {event['sequence']}"
        if number and event["time"] < events[number - 1]["time"]:
            return f"event {number}: its time is before that of the one before"
        if (kind == "session.started") != (number == 0):
            return f"event {number}: it is {kind}"
        if kind == "session.ended" and number != len(events) - 1:
            return f"event {number}: it is not the last"
        if kind == "exercise.started":
            if open_exercise is not None:
                return f"event {number}: {open_exercise} was not ended"
            open_exercise = exercise
        elif kind in ("exercise.updated", "exercise.ended"):
            if exercise != open_exercise:
                return f"event {number}: {exercise} goes on, but {open_exercise} was started"
            open_exercise = None if kind == "exercise.ended" else exercise
    if complete and (not events or events[-1]["type"] != "fitsense.session.ended" or open_exercise is not None):
        return "they do not end with session.ended and nothing open"
    return ""


def last_words(folder: Path) -> list[Mapping[str, Any]]:
    """The events of a worker before it died."""
    lines = (folder / _LOG).read_text().splitlines(keepends=True) if (folder / _LOG).exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _memory_mb(which: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(which + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status: expected {which}")


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _free() -> None:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def _allow_cpu_s(seconds: int) -> None:
    """The kernel ends the process that computes for longer, wherever it is."""
    limit = int(time.process_time()) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main(folder: Path) -> None:
    faulthandler.enable()
    model = cast(fitsense.Model, Scripted())
    # Libraries and caches are loaded before anything is measured.
    judge(Case("h264.mp4", "joined", 0), folder, model)
    most = int(_memory_mb("VmSize") + _ADDRESS_SPACE_MB) << 20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _say("ready")
    for line in sys.stdin:
        case = cattrs.structure(json.loads(line), Case)
        _say(attrs.asdict(judge(case, folder, model)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
