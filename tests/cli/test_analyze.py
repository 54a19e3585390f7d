"""``fitsense analyze`` as its users run it, in a separate process; variants of what one showed, in this process."""

from __future__ import annotations

import itertools
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import fitsense
from fitsense.cli import main
from fitsense.cli.exit_codes import ExitCode
from fitsense.events.log import load_log
from fitsense.events.schema import validate_event
from fitsense.synthetic.figures import FigureVideo
from fitsense.video.source import VideoSource
from tests.conftest import encode

COMMAND = [sys.executable, "-m", "fitsense", "analyze"]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)


def run_here(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["analyze", *map(str, arguments)])


def events_of(text: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in text.splitlines()]
    for event in events:
        validate_event(event)
    assert events[0]["type"] == "fitsense.session.started"
    assert events[-1]["type"] == "fitsense.session.ended"
    return events


def test_analyze_piped_prints_one_event_per_line(squats_file: Path) -> None:
    done = run(squats_file)
    assert (done.returncode, done.stderr) == (0, "")
    events = events_of(done.stdout)
    assert events[0]["source"].startswith("file:squats.mp4;digest=")
    ended = next(event["data"] for event in events if event["type"] == "fitsense.exercise.ended")
    assert ended["exercise"] == "squat"
    assert ended["muscles"]["quads"] > 0.5
    assert done.stdout == run_here(squats_file).stdout


def test_analyze_sample_needs_no_file(tmp_path: Path) -> None:
    done = run_here("--sample", "--events", tmp_path / "events.ndjson")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    events = events_of((tmp_path / "events.ndjson").read_text("utf-8"))
    named = [e["data"]["exercise"] for e in events if e["type"] == "fitsense.exercise.ended"]
    assert [name for name in named if name != "unknown"] == ["squat", "push_up", "jumping_jack"]


def test_analyze_snapshot_of_killed_process_is_continued(squats_file: Path, tmp_path: Path) -> None:
    whole = run_here(squats_file).stdout
    snapshot, log = tmp_path / "snapshot", tmp_path / "events.ndjson"
    killed = fitsense.analyze(str(squats_file), snapshot_to=snapshot, snapshot_interval_s=0.0)
    before = [event.to_json() for event in itertools.islice(killed, 3)]
    killed.close()
    log.write_text("\n".join([*before, '{"specversion":"1.']), "utf-8")
    done = run_here(squats_file, "--events", log, "--snapshot", snapshot)
    assert (done.exit_code, done.stderr) == (0, "")
    (session,) = load_log(log)
    assert [dict(event) for event in session.events] == events_of(whole)
    assert not snapshot.exists()


def test_analyze_overlay_is_written(squats_file: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.mp4"
    done = run_here(squats_file, "--overlay", overlay, "--hop", "0.5")
    assert done.exit_code == 0
    assert events_of(done.stdout)[0]["data"]["hop_s"] == 0.5
    with VideoSource(overlay) as source:
        assert len(list(source)) == 60
    assert "60 frames" in done.stderr


def test_analyze_error_of_a_process_prints_one_line_and_sets_code() -> None:
    done = run("missing.mp4")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("fitsense: missing.mp4: no such file")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.mp4"], 3, "fitsense: missing.mp4: no such file"),
        ([], 2, "give either a SOURCE or --sample"),
        (["x.mp4", "--sample"], 2, "give either a SOURCE or --sample"),
        (["--sample", "--hop", "0"], 2, "--hop"),
        (["--sample", "--overlay", "x.mp4", "--snapshot", "x"], 2, "leave out --snapshot"),
        (["--sample", "--overlay", "x.txt"], 2, "writes .mp4, .mov or .mkv"),
        (["--sample", "--overlay", "no/such/folder/x.mp4"], 2, "there is no folder"),
        (["--sample", "--events", "no/such/folder/x"], 2, "there is no folder"),
        (["--sample", "--events", "x.mp4", "--overlay", "x.mp4"], 2, "name the same file"),
        (["rtsp://localhost/1", "--overlay", "x.mp4"], 2, "needs a file"),
        (["--sample", "--bundle", "nope"], 5, "no bundle 'nope'"),
    ],
)
def test_analyze_error_prints_one_line_and_sets_code(arguments: list[str], code: int, message: str) -> None:
    done = run_here(*arguments)
    assert done.exit_code == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("option", ["--overlay", "--events"])
def test_analyze_output_over_source_is_refused(option: str, squats_file: Path) -> None:
    before = squats_file.read_bytes()
    done = run_here(squats_file, option, squats_file)
    assert done.exit_code == 2
    assert "would overwrite the source" in done.stderr
    assert squats_file.read_bytes() == before


def test_analyze_truncated_file_keeps_events_and_sets_code(squats: FigureVideo, tmp_path: Path) -> None:
    path = encode(tmp_path / "whole.mkv", squats, rate=10)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    done = run_here(path)
    assert done.exit_code == 4
    assert done.stderr.startswith("fitsense: the source ")
    events = events_of(done.stdout)
    warning = next(event["data"] for event in events if event["type"] == "fitsense.session.warning")
    assert warning["code"] in ("source_truncated", "source_damaged")
    assert any(event["type"] == "fitsense.exercise.ended" for event in events)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_analyze_interrupt_ends_session(number: signal.Signals) -> None:
    process = subprocess.Popen([*COMMAND, "--sample"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    # Lines come as they happen: the first one long before the end.
    first = process.stdout.readline()
    process.send_signal(number)
    rest, errors = process.communicate()
    assert process.returncode == 130
    assert errors == ""
    assert events_of(first + rest)[-1]["data"]["reason"] == "interrupted"


def test_analyze_unusual_file_name_is_read(squats_file: Path, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/bad\xff name.mp4"
    shutil.copy(squats_file, os.fsdecode(path))
    done = subprocess.run([*map(os.fsencode, COMMAND), path], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert events_of(done.stdout.decode())[0]["source"].startswith("file:bad%FF%20name.mp4;digest=")


def test_analyze_closed_pipe_exits_quietly() -> None:
    with subprocess.Popen([*COMMAND, "--sample"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141


def test_analyze_terminal_shows_live_view_and_summary(squats_file: Path, tmp_path: Path) -> None:
    """On a real pseudo-terminal."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    command = [*COMMAND, str(squats_file), "--events", str(tmp_path / "events.ndjson")]
    process = subprocess.Popen(command, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    shown = b""
    while True:
        if select.select([master], [], [], 0.2)[0]:
            try:
                block = os.read(master, 65536)
            except OSError:
                break
            if not block:
                break
            shown += block
        elif process.poll() is not None:
            break
    os.close(master)
    assert process.wait() == 0
    text = shown.decode()
    for words in ("Squat", "confidence", "Muscle group", "Quads", "Load"):
        assert words in text, words
    assert "specversion" not in text
    events_of((tmp_path / "events.ndjson").read_text("utf-8"))


def test_analyze_region_is_applied(squats_file: Path) -> None:
    events = events_of(run_here(squats_file, "--region", "0,0,1,1").stdout)
    assert any(event["data"].get("exercise") == "squat" for event in events)
    for wrong, reason in (("0,0,1", "expected four numbers"), ("0.5,0,0.5,1", "shows some of the picture")):
        done = run_here(squats_file, "--region", wrong)
        assert done.exit_code == 2
        assert reason in done.stderr
    assert run_here(squats_file, "--people", "--region", "0,0,1,1").exit_code == 2


def test_analyze_people_without_weights_names_remedy(
    squats_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where there is no cache, nothing has been fetched.
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    done = run_here(squats_file, "--people")
    assert done.exit_code == ExitCode.BAD_BUNDLE
    assert "not downloaded, because FITSENSE_OFFLINE is set; run  fitsense models pull" in done.stderr
    assert done.stdout == ""


def test_analyze_exercises_option_restricts_names(squats_file: Path) -> None:
    done = run_here(squats_file, "--exercises", "squat, push_up", "--expected", "squat")
    assert done.exit_code == 0, done.stderr
    events = events_of(done.stdout)
    assert events[0]["data"]["exercises"] == ["push_up", "squat"]
    refused = run_here(squats_file, "--exercises", "sqaut")
    assert refused.exit_code != 0
    assert "exercises: expected an exercise that the bundle knows, got 'sqaut'; did you mean squat?" in refused.stderr
