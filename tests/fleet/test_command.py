"""``fitsense fleet``, also as a process that is interrupted and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import fitsense
from fitsense.cli import main
from fitsense.cli.exit_codes import ExitCode
from fitsense.fleet.results import Results
from fitsense.synthetic.figures import Bout, FigureVideo
from tests.conftest import encode
from tests.contracts.test_light import HEAVY, modules_after
from tests.helpers.file_server import Films

PATIENCE_S = 300.0

# In a process of its own: an interruption that came late would stop the tests.
LOSING = """
import signal, time
from fitsense.cli.fleet import repeat_interrupts

try:
    with repeat_interrupts():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            print("lost")
        time.sleep(300)
except KeyboardInterrupt:
    print("noticed")
"""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of squats."""
    video = FigureVideo(bouts=(Bout("squat", 2, 1.5),), rate_hz=10.0, seed=1)
    return encode(tmp_path_factory.mktemp("film") / "film.mp4", video)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["fleet", *map(str, arguments)])


@pytest.mark.slow
def test_fleet_command_failures_are_listed_and_set_exit_code(cluster: str, film: Path, tmp_path: Path) -> None:
    bad, out = tmp_path / "bad.mp4", tmp_path / "out"
    bad.write_bytes(b"")
    done = run(film, bad, "--out", out, "--hop", "2")
    assert done.exit_code == ExitCode.DAMAGED_SOURCE, done.output
    assert f"failed: {bad}: is empty (0 bytes)" in done.stderr
    assert "2 videos: 1 done, 1 failed; 3 s of video in" in done.stdout
    assert {row["exercise"] for row in pq.read_table(out / "tables/sets.parquet").to_pylist()} == {"squat"}
    again = run(bad, film, "--out", out, "--hop", "2")
    assert again.exit_code == ExitCode.DAMAGED_SOURCE
    assert "2 videos: 1 done, 1 failed; 2 of them before\n" in again.stdout
    bad.write_bytes(film.read_bytes())
    mended = run(film, bad, "--out", out, "--hop", "2")
    assert mended.exit_code == ExitCode.OK, mended.output
    assert "2 videos: 2 done; 1 of them before; 3 s of video" in mended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_fleet_command_interrupted_resumes(cluster: str, film: Path, tmp_path: Path, kind: signal.Signals) -> None:
    """The first video is done, the second in the middle, the third has not begun."""
    content, second, ended = film.read_bytes(), threading.Event(), threading.Event()

    def noticed(name: str) -> None:
        if len(films.fetched) == 2:
            second.set()
            ended.wait(PATIENCE_S)

    with Films(dict.fromkeys(("a.mp4", "b.mp4", "c.mp4"), content), noticed) as films:
        arguments = [films.url, "--out", str(tmp_path), "--hop", "2", "--workers", "1"]
        command = [sys.executable, "-m", "fitsense", "fleet", *arguments, "--address", cluster]
        # What is killed cannot tidy up.
        (scratch := tmp_path / "scratch").mkdir()
        environment = {**os.environ, "TMPDIR": str(scratch)}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert second.wait(PATIENCE_S)
                kept = tmp_path / "outcomes.ndjson"
                while not kept.read_text():
                    assert process.poll() is None
                os.kill(process.pid, kind)
                said = process.communicate(timeout=PATIENCE_S)[1]
            finally:
                ended.set()
                process.kill()
        if kind == signal.SIGINT:
            assert process.returncode == ExitCode.INTERRUPTED
            assert "1 of 3 done; to go on, run the same command again" in said
            assert (tmp_path / "tables/sets.parquet").exists()
            assert list(scratch.iterdir()) == []
        assert len(Results(tmp_path).outcomes) == 1
        (first,) = Results(tmp_path).outcomes.values()
        before = list(films.fetched)
        done = run(*arguments)
        assert done.exit_code == ExitCode.OK, done.output
        assert "3 videos: 3 done; 1 of them before" in done.stdout
        assert len(films.fetched) - len(before) == 2
        assert first.url.rpartition("/")[2] not in films.fetched[len(before) :]


def test_fleet_command_lost_interrupt_is_repeated() -> None:
    command = [sys.executable, "-c", LOSING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout) == (0, "lost\nnoticed\n"), done.stderr


@pytest.mark.slow
def test_fleet_command_without_cluster_runs_locally(film: Path, tmp_path: Path) -> None:
    """Without a cluster, the command starts and stops Ray."""
    command = [sys.executable, "-W", "error", "-m", "fitsense", "fleet", str(film), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == ExitCode.OK, done.stderr
    model = fitsense.load_model()
    alone = "".join(event.to_json() + "\n" for event in fitsense.analyze(film, model=model))
    (outcome,) = Results(tmp_path).outcomes.values()
    assert Results(tmp_path).events_of(outcome.id).read_text("utf-8") == alone


def test_fleet_command_without_extra_names_it(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    done = run(film, "--out", tmp_path)
    assert done.exit_code == ExitCode.MISSING_EXTRA
    assert "pip install 'fitsense[ray]'" in done.output


def test_fleet_command_missing_library_is_source_error(tmp_path: Path) -> None:
    done = run(tmp_path / "nowhere", "--out", tmp_path / "out")
    assert done.exit_code == ExitCode.NO_SOURCE
    assert run("--out", tmp_path / "out").exit_code == ExitCode.USAGE


def test_fleet_import_loads_no_ray() -> None:
    assert not modules_after("import fitsense.fleet") & {*HEAVY, "av", "ray", "pyarrow", "fsspec", "aiohttp", "pandas"}
