"""``fitsense report`` as its users run it: in a separate process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.event_logs import WORKOUT, log, ndjson

COMMAND = [sys.executable, "-m", "fitsense", "report"]


def run(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *map(str, arguments)], input=stdin, capture_output=True, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "events.ndjson"
    path.write_bytes(ndjson([*log(), *log(WORKOUT[:1], subject="[bold]Ben[/]", warnings=())]))
    return path


def test_report_terminal_shows_totals_per_session(events: Path) -> None:
    done = run(events)
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "3 exercises, 5 sets, 21 repetitions in 4:45 min",
        "Bench press    2  3:17  12.9 s     5         2  2.6 ± 0.5 s",
        "0:20  nobody is in the picture",
        "Quads         23.7 s  ████",
        "urn:example:gym:1, [bold]Ben[/], 2026-03-01 18:00 UTC",
    ):
        assert words in done.stdout, words


def test_report_html_is_written(events: Path, tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    done = run(events, "--html", page)
    assert (done.returncode, done.stdout) == (0, "")
    assert "The report is in" in done.stderr
    text = page.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "events.ndjson" in text
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]
    piped = run("-", "--html", "-", stdin=events.read_bytes())
    assert piped.stdout.rstrip() == text.replace("events.ndjson", "standard input").rstrip()


def test_report_truncated_log_is_marked(events: Path) -> None:
    done = run("-", stdin=events.read_bytes()[:9000])
    assert done.returncode == 0
    assert "The log breaks off before the session ends." in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "-: expected events, one a line"),
        (b"not a log\nat all\n", "-: line 1: expected an event as a JSON object, got 'not a log'"),
        (b"[1]\n", "-: line 1: expected an event as a JSON object"),
        (b'{"type": "x", "source": "y", "data": {}}\n', "-: expected events of a session"),
        (ndjson(log()[:4]) + b"\xff\n" + ndjson(log()[4:]), "-: line 5: expected an event"),
    ],
)
def test_report_invalid_log_is_refused(content: bytes, said: str) -> None:
    done = run("-", stdin=content)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_report_invalid_arguments_are_refused_early(events: Path, tmp_path: Path) -> None:
    kept = events.read_bytes()
    for arguments, said in (
        ([events, "--html", events], "--html would overwrite the event log"),
        ([events, "--html", tmp_path / "no" / "out.html"], "--html: there is no folder"),
        ([tmp_path / "none.ndjson"], "does not exist"),
    ):
        done = run(*arguments)
        assert done.returncode == 2
        assert said in done.stderr
    assert events.read_bytes() == kept
