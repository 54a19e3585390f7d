"""``fitsense workout``, as a separate process."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fitdecode
import pytest
from click.testing import CliRunner, Result

import fitsense
from fitsense.cli import main
from fitsense.cli.exit_codes import ExitCode
from fitsense.synthetic.figures import FigureVideo

START = datetime(2026, 5, 1, 16, 30, tzinfo=UTC)


def workout(*arguments: str | Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "fitsense", "workout", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["workout", *map(str, arguments)])


def active_sets(content: bytes) -> list[dict[str, Any]]:
    with fitdecode.FitReader(io.BytesIO(content), check_crc=fitdecode.CrcCheck.RAISE) as reader:
        messages = [frame for frame in reader if isinstance(frame, fitdecode.FitDataMessage) and frame.name == "set"]
    values = [{field.name: field.value for field in message.fields} for message in messages]
    return [one for one in values if one["set_type"] == "active"]


def active_titles(content: bytes) -> list[str]:
    with fitdecode.FitReader(io.BytesIO(content)) as reader:
        frames = [frame for frame in reader if isinstance(frame, fitdecode.FitDataMessage)]
    return [frame.get_value("wkt_step_name") for frame in frames if frame.name == "exercise_title"]


def lines(source: str = "urn:a", subject: str | None = None, year: int = 2026) -> list[str]:
    """A session of two sets, as it is on the wire."""
    whose = {} if subject is None else {"subject": subject}
    sets = [
        {"exercise": exercise, "index": 1, "start_s": start_s, "end_s": start_s + 20, "duration_s": 20.0,
         "repetitions": repetitions, "attempts": 0, "time_under_tension_s": 20.0, "tempo_mean_s": 2.5,
         "tempo_spread_s": 0.1, "rest_before_s": None}
        for exercise, start_s, repetitions in (("squat", 5.0, 8), ("t_bar_row", 95.0, 10))
    ]  # fmt: skip
    data = {
        "reason": "finished", "frames": 9, "late_frames": 0, "windows": 3, "exercises": [], "sets": sets,
        "start_s": 0.0, "end_s": 120.0, "duration_s": 120.0, "idle_s": 80.0, "muscle_load_s": {},
    }  # fmt: skip
    events = [("00:00", "session.started", {}), ("02:00", "session.ended", data)]
    return [
        json.dumps(
            {
                "type": f"fitsense.{name}", "source": source, **whose, "id": str(number),
                "time": f"{year}-05-01T16:3{at[1]}:{at[3:]}Z", "data": data,
            }
        )
        for number, (at, name, data) in enumerate(events)
    ]  # fmt: skip


def log(folder: Path, *more: str) -> Path:
    path = folder / "events.ndjson"
    path.write_text("\n".join(more or lines()) + "\n", encoding="utf-8")
    return path


def test_workout_real_session_is_exported(tmp_path: Path, model: fitsense.Model, squats: FigureVideo) -> None:
    config = fitsense.SessionConfig(source="urn:example:squats", started_at=START)
    events = list(fitsense.analyze(squats, model=model, config=config))
    path = log(tmp_path, *(event.to_json() for event in events))
    done = workout(path, "-o", tmp_path / "workout.fit")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (one,) = active_sets((tmp_path / "workout.fit").read_bytes())
    assert one["category"] == "squat"
    assert (one["start_time"] - START).total_seconds() < 6


@pytest.mark.parametrize("name", ["workout.fit", "workout.TCX", "workout.csv", "workout.json"])
def test_workout_suffix_selects_format(name: str, tmp_path: Path) -> None:
    done = workout(log(tmp_path), "-o", tmp_path / name)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    content = (tmp_path / name).read_bytes()
    beginnings = {"fit": b"\x0e\x10", "tcx": b"<?xml", "csv": b"source,", "json": b"{\n"}
    assert content.startswith(beginnings[name[8:].lower()])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["events.ndjson", name])


def test_workout_reads_stdin_and_writes_stdout(tmp_path: Path) -> None:
    done = workout("-", "--format", "fit", "-o", "-", stdin=log(tmp_path).read_bytes())
    assert done.returncode == 0, done.stderr
    squats, rows = active_sets(done.stdout)
    assert (squats["category"], squats["category_subtype"], squats["repetitions"]) == ("squat", 61, 8)
    assert (rows["category"], rows["duration"], rows["repetitions"]) == ("row", 20.0, 10)
    assert str(rows["start_time"]) == "2026-05-01 16:31:35+00:00"


def test_workout_fit_to_terminal_is_refused(tmp_path: Path) -> None:
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "fitsense", "workout", str(log(tmp_path)), "--format", "fit"]
    done = subprocess.run(command, stdout=end, stderr=subprocess.PIPE, check=False)
    os.close(end)
    os.close(terminal)
    assert done.returncode == ExitCode.USAGE
    assert b"give -o FILE" in done.stderr


def test_workout_events_without_date_need_started_at(tmp_path: Path) -> None:
    path = log(tmp_path, *lines(year=1970))
    refused = run(path, "--format", "health-connect")
    assert refused.exit_code == ExitCode.FAILED
    assert f"{path}: the events of urn:a do not say when that was" in refused.stderr
    assert "--started-at" in refused.stderr
    done = run(path, "--format", "health-connect", "--started-at", "2026-05-01T18:30+02:00")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert (record["startTime"], record["startZoneOffset"]["totalSeconds"]) == ("2026-05-01T16:30:00.000Z", 7200)
    # A table does without.
    (first, _) = csv.DictReader(io.StringIO(run(path, "--format", "csv").stdout))
    assert (first["exercise"], first["start_s"], first["started_at"]) == ("squat", "5.0", "")


@pytest.mark.parametrize("format_", ["health-connect", "healthkit"])
def test_workout_device_option_is_exported(format_: str, tmp_path: Path) -> None:
    done = run(log(tmp_path), "--format", format_, "--device", "phone:Google:Pixel 9")
    record = json.loads(done.stdout)
    device = record["metadata"]["device"] if format_ == "health-connect" else record["device"]
    assert (device["manufacturer"], device["model"]) == ("Google", "Pixel 9")
    assert len(record["segments"]) == 3


@pytest.mark.parametrize("format_", ["csv", "tcx", "health-connect", "healthkit"])
def test_workout_names_follow_language(format_: str, tmp_path: Path) -> None:
    done = run(log(tmp_path), "--format", format_, "--lang", "de")
    assert "Kniebeuge" in done.stdout
    assert "Kniebeuge" in active_titles(run(log(tmp_path), "--format", "fit", "--lang", "de").stdout_bytes)
    refused = run(log(tmp_path), "--format", format_, "--lang", "tlh")
    assert refused.exit_code == ExitCode.USAGE
    assert "lang: expected one of en, de" in refused.stderr


def test_workout_several_sessions_are_chosen_by_option(tmp_path: Path) -> None:
    path = log(
        tmp_path, *lines(subject="left"), *lines(subject="right"), '{"type": "x", "source": "urn:x", "data": {}}'
    )
    together = run(path, "--format", "csv", "--started-at", "2026-05-01T18:30Z")
    rows = list(csv.DictReader(io.StringIO(together.stdout)))
    assert [row["subject"] for row in rows] == ["left", "left", "right", "right"]
    refused = run(path, "--format", "fit")
    assert refused.exit_code == ExitCode.USAGE
    assert "choose one by --session\n  1  urn:a of left\n  2  urn:a of right\n" in refused.stderr
    chosen = run(path, "--format", "csv", "--session", "2")
    assert {row["subject"] for row in csv.DictReader(io.StringIO(chosen.stdout))} == {"right"}
    assert len(active_sets(run(path, "--format", "fit", "--session", "1").stdout_bytes)) == 2


def test_workout_unencodable_subject_is_replaced(tmp_path: Path) -> None:
    done = workout(log(tmp_path, *lines(subject="\ud800")), "--format", "csv")
    assert (done.returncode, done.stderr) == (0, b"")
    assert [row["subject"] for row in csv.DictReader(io.StringIO(done.stdout.decode()))] == ["?", "?"]


def test_workout_truncated_log_is_exported(tmp_path: Path) -> None:
    started = {"exercise": "squat", "start_s": 5.0, "confidence": 0.9}
    updated = {**started, "end_s": 12.0, "duration_s": 7.0, "scores": {}}
    events_data = [("exercise.started", started), ("exercise.updated", updated)]
    events = [json.dumps({"type": f"fitsense.{name}", "source": "urn:a", "data": data}) for name, data in events_data]
    path = log(tmp_path, *events, '{"type": "fitsense.exer')
    done = workout(path, "--format", "csv")
    assert done.returncode == 0
    assert b"urn:a breaks off" in done.stderr
    (row,) = csv.DictReader(io.StringIO(done.stdout.decode()))
    assert (row["exercise"], row["start_s"], row["end_s"], row["repetitions"]) == ("squat", "5.0", "12.0", "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], ExitCode.USAGE, "give --format fit|tcx|health-connect|healthkit|csv, or -o FILE"),
        (["-o", "workout.xlsx"], ExitCode.USAGE, "ends in .fit, .tcx, .csv, .json"),
        (["--format", "gpx"], ExitCode.USAGE, "gpx"),
        (["--format", "csv", "--started-at", "noon"], ExitCode.USAGE, "expected a time such as 2026-05-01T18:30+02:00"),
        (["--format", "csv", "--session", "2"], ExitCode.USAGE, "--session 2: there are 1"),
        (["--format", "fit", "--device", "phone"], ExitCode.USAGE, "--device is for health-connect and healthkit, not"),
        (["--format", "healthkit", "--device", "toaster"], ExitCode.USAGE, "expected a type of unknown, watch, phone"),
        (["--format", "csv", "-o", "no/such/folder.csv"], ExitCode.FAILED, "cannot be written"),
        (["--format", "fit", "--started-at", "1990-01-01"], ExitCode.FAILED, "expected a time from 1998 to 2126"),
    ],
)
def test_workout_invalid_arguments_are_explained(
    arguments: list[str], code: ExitCode, message: str, tmp_path: Path
) -> None:
    done = run(log(tmp_path), *arguments)
    assert done.exit_code == code
    assert message in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("frame 1\n", "line 1: expected an event as a JSON object, got 'frame 1'"),
        ("", "expected events, one a line"),
        ('{"type": "x", "source": "urn:x", "data": {}}\n', "expected events of a session"),
        ('{"type": "fitsense.exercise.ended", "source": "urn:x", "data": {}}\n', "exercise.ended: at $"),
    ],
)
def test_workout_invalid_log_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "events").write_text(content)
    done = run(tmp_path / "events", "--format", "csv")
    assert done.exit_code == ExitCode.FAILED
    assert f"{tmp_path / 'events'}: {message}" in done.stderr


def test_workout_output_over_log_is_refused(tmp_path: Path) -> None:
    path = log(tmp_path)
    before = path.read_bytes()
    done = run(path, "--format", "csv", "-o", path)
    assert done.exit_code == ExitCode.USAGE
    assert path.read_bytes() == before


def test_workout_program_of_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = Path(__file__).parents[2] / "docs" / "how-to" / "export-workouts.md"
    (program,) = re.findall(r"^```python\n(.*?)^```", guide.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    log(tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, guide.name, "exec"), {})
    assert capsys.readouterr().out == "squat 8 20 s\nt_bar_row 10 20 s\n"
    assert len(active_sets((tmp_path / "workout.fit").read_bytes())) == 2
