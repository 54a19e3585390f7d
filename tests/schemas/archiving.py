"""Archive of event logs: one for each version, which all later versions have to read.

``python -m tests.schemas.archiving`` writes that of this version, before a release.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

import fitsense
from fitsense.synthetic.figures import Bout, FigureVideo, sample
from tests.pose.bodies import STICKS, pose_of, standing

FOLDER = Path(__file__).with_name("archive")
_SQUATS = FigureVideo(bouts=(Bout("squat", 3, 2.0),), rate_hz=10.0, seed=7)
_HOLE_S = 4.0


def emitted(model: fitsense.Model) -> Iterator[fitsense.Event]:
    """Events of every type, of a workout, of a source with a hole, of several people, and of a guided workout."""
    yield from fitsense.analyze(sample(), model=model, config=_config("workout"))
    session = fitsense.Session(model, _config("hole"))
    frames = list(_SQUATS)
    late = [attrs.evolve(frame, time_s=frame.time_s + _HOLE_S) for frame in frames[30:]]
    for frame in (*frames[:30], *late, frames[0]):
        yield from session.push(frame)
    yield from session.finish()
    people = fitsense.MultiSession(model, _config("people"))
    racks = {"left": fitsense.Region(0, 0, 0.6, 1), "right": fitsense.Region(0.4, 0, 1, 1)}
    for frame in frames:
        yield from people.push(frame, regions=racks)
    yield from people.finish()
    yield from guided(model)
    yield from tracked(model)


def guided(model: fitsense.Model) -> Iterator[fitsense.Event]:
    """Events of a session whose host expects some exercises, and then one."""
    session = fitsense.Session(model, attrs.evolve(_config("guided"), exercises=("squat", "push_up")))
    frames = list(_SQUATS)
    yield from session.push_many(frames[:20])
    session.exercises, session.expected = ("squat", "lunge"), "squat"
    yield from session.push_many(frames[20:])
    yield from session.finish()


def tracked(model: fitsense.Model) -> Iterator[fitsense.Event]:
    """Events of a session whose host pushes a person's poses, and which is looked at often."""
    pose = fitsense.PoseConfig(enabled="off", landmarks=STICKS)
    session = fitsense.Session(model, attrs.evolve(_config("tracked"), pose=pose, progress_interval_s=2.0))
    for frame in _SQUATS:
        yield from session.push(frame, poses=[pose_of(standing())])
    yield from session.finish()


def _config(name: str) -> fitsense.SessionConfig:
    return fitsense.SessionConfig(source=f"urn:fitsense:archive:{name}")


def main(folder: Path = FOLDER) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{fitsense.__version__}.ndjson"
    file.write_text("".join(f"{event.to_json()}\n" for event in emitted(fitsense.load_model(bf16=False))), "utf-8")
    sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
