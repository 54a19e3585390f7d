"""Event logs of workouts that never were, each event of which obeys its schema."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from fitsense.events.schema import validate_event

GROUPS = ("quads", "glutes", "hamstrings", "chest", "shoulders", "triceps", "lats", "biceps", "abs", "calves")


@attrs.frozen
class Done:
    """A set: an exercise, how long its repetitions took, and how long its rest before it was, in seconds."""

    exercise: str
    tempi: Sequence[float]
    rest_s: float
    muscles: Mapping[str, float]
    attempts: int = 0


SQUAT = {"quads": 0.95, "glutes": 0.9, "hamstrings": 0.6, "abs": 0.2}
PRESS = {"chest": 0.9, "shoulders": 0.55, "triceps": 0.7}
ROW = {"lats": 0.9, "biceps": 0.6, "shoulders": 0.25}
WORKOUT = (
    Done("squat", (2.4, 2.5, 2.6, 2.8, 3.1), 4.0, SQUAT),
    Done("squat", (2.5, 2.7, 2.9, 3.4), 45.0, SQUAT, attempts=1),
    Done("bench_press", (2.0, 2.0, 2.1, 2.2, 2.2, 2.6), 60.0, PRESS),
    Done("bench_press", (2.1, 2.2, 2.4, 2.9, 3.3), 50.0, PRESS, attempts=2),
    Done("row", (1.8,), 70.0, ROW),
)
WARNINGS = (("no_person", "nobody is in the picture", 20.0, 41.0), ("camera_cut", "the picture changed", 61.5, 61.5))


def log(
    sets: Iterable[Done] = WORKOUT,
    *,
    source: str = "urn:example:gym:1",
    subject: str | None = None,
    warnings: Iterable[tuple[str, str, float, float]] = WARNINGS,
) -> list[dict[str, Any]]:
    """A session's events, in the order in which a session gives them."""
    done = list(sets)
    events = _Events(source, subject)
    events.add(
        0.0,
        "session.started",
        model={"name": "gym", "version": "1.0.0"},
        exercises=sorted({one.exercise for one in done} | {"squat"}),
        muscle_groups=list(GROUPS),
        window_s=2.0,
        hop_s=1.0,
    )
    coming = sorted(warnings, key=lambda warning: warning[3])
    now = 0.0
    sets_so_far: list[dict[str, Any]] = []
    for one in done:
        now += one.rest_s
        while coming and coming[0][3] <= now:
            code, message, start_s, end_s = coming.pop(0)
            events.add(end_s, "session.warning", code=code, message=message, start_s=start_s, end_s=end_s)
        sets_so_far.append(_set(one, now, sets_so_far))
        _perform(events, one, now, sets_so_far[-1])
        now = sets_so_far[-1]["end_s"]
    exercises = list(dict.fromkeys(one.exercise for one in done))
    events.add(
        now + 3.0,
        "session.ended",
        reason="finished",
        frames=round(30 * now),
        late_frames=0,
        windows=round(now),
        exercises=[_total(exercise, done, sets_so_far) for exercise in exercises],
        start_s=0.0,
        end_s=now + 3.0,
        duration_s=now + 3.0,
        idle_s=now + 3.0 - sum(set_["duration_s"] for set_ in sets_so_far),
        muscle_load_s={g: sum(one.muscles.get(g, 0.0) * sum(one.tempi) for one in done) for g in GROUPS},
        sets=sets_so_far,
        muscle_load_repetitions={g: sum(one.muscles.get(g, 0.0) * len(one.tempi) for one in done) for g in GROUPS},
    )
    return events.made


def as_of_old(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same log, as a release wrote it that counted no repetitions."""
    new = {"repetitions", "attempts", "time_under_tension_s", "tempo_mean_s", "tempo_spread_s", "rest_s", "sets"}
    new.add("muscle_load_repetitions")
    old = []
    for event in events:
        if event["type"] == "fitsense.repetition.completed":
            continue
        data = {name: value for name, value in event["data"].items() if name not in new}
        if "exercises" in data and event["type"] == "fitsense.session.ended":
            data["exercises"] = [
                {name: value for name, value in total.items() if name not in new - {"sets"}}
                for total in data["exercises"]
            ]
        old.append({**event, "data": data})
        validate_event(old[-1])
    return old


def ndjson(events: Iterable[Mapping[str, Any]]) -> bytes:
    """Write events as NDJSON, one a line."""
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events).encode()


@attrs.define
class _Events:
    source: str
    subject: str | None
    made: list[dict[str, Any]] = attrs.field(factory=list)

    def add(self, at_s: float, kind: str, **data: Any) -> None:
        number = f"{len(self.made):010d}"
        minutes, seconds = divmod(round(at_s, 3), 60)
        event = {
            "specversion": "1.0",
            "id": number,
            "source": self.source,
            **({} if self.subject is None else {"subject": self.subject}),
            "type": f"fitsense.{kind}",
            "time": f"2026-03-01T18:{minutes:02.0f}:{seconds:06.3f}Z",
            "sequence": number,
            "datacontenttype": "application/json",
            "dataschema": f"urn:fitsense:v1:{kind}",
            "data": data,
        }
        validate_event(event)
        self.made.append(event)


def _tempo(tempi: Sequence[float]) -> dict[str, float | None]:
    return {
        "tempo_mean_s": statistics.fmean(tempi) if tempi else None,
        "tempo_spread_s": statistics.pstdev(tempi) if len(tempi) > 1 else None,
    }


def _set(one: Done, start_s: float, before: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "exercise": one.exercise,
        "index": 1 + sum(set_["exercise"] == one.exercise for set_ in before),
        "start_s": start_s,
        "end_s": start_s + sum(one.tempi),
        "duration_s": sum(one.tempi),
        "repetitions": len(one.tempi),
        "attempts": one.attempts,
        "time_under_tension_s": sum(one.tempi),
        **_tempo(one.tempi),
        "rest_before_s": one.rest_s if before else None,
    }


def _perform(events: _Events, one: Done, start_s: float, set_: dict[str, Any]) -> None:
    name, now = one.exercise, start_s
    events.add(now, "exercise.started", exercise=name, start_s=start_s, confidence=0.9)
    for index, seconds in enumerate(one.tempi, 1):
        times = {"start_s": now, "end_s": now + seconds}
        now += seconds
        events.add(now, "muscles.activated", **times, muscles=dict(one.muscles))
        repetition = {"exercise": name, "index": index, **times, "duration_s": seconds, "confidence": 0.8}
        events.add(now, "repetition.completed", **repetition)
        whole = {"exercise": name, "start_s": start_s, "end_s": now, "duration_s": now - start_s, "confidence": 0.9}
        events.add(now, "exercise.updated", **whole, scores={name: 0.9})
    counted = ("repetitions", "attempts", "time_under_tension_s", "tempo_mean_s", "tempo_spread_s")
    events.add(
        now,
        "exercise.ended",
        **whole,
        scores={name: 0.9},
        muscles=dict(one.muscles),
        **{key: set_[key] for key in counted},
        sets=[set_],
    )


def _total(exercise: str, done: Sequence[Done], sets_so_far: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    own = [set_ for set_ in sets_so_far if set_["exercise"] == exercise]
    tempi = [seconds for one in done if one.exercise == exercise for seconds in one.tempi]
    return {
        "exercise": exercise,
        "sets": len(own),
        "duration_s": sum(set_["duration_s"] for set_ in own),
        "repetitions": len(tempi),
        "attempts": sum(set_["attempts"] for set_ in own),
        "time_under_tension_s": sum(tempi),
        **_tempo(tempi),
        "rest_s": sum(set_["rest_before_s"] or 0.0 for set_ in own),
    }
