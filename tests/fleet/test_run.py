"""Analysis of a library on Ray, with workers that are killed."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fitsense
from fitsense.errors import BundleError, InvalidInputError, SourceError, WeightsError
from fitsense.fleet import analyze_library
from fitsense.fleet.outcome import Outcome
from fitsense.fleet.results import Results
from fitsense.fleet.run import share
from fitsense.synthetic.figures import Bout, FigureVideo
from tests.conftest import encode
from tests.helpers.file_server import Films
from tests.helpers.ray_workers import kill_workers, workers

HOP_S = 2.0
PATIENCE_S = 60.0

pytestmark = pytest.mark.usefixtures("cluster")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="finds workers in /proc")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three short videos, and two that are none."""
    folder = tmp_path_factory.mktemp("library")
    for number, name in enumerate(("one.mp4", "two.mp4", "three.mp4")):
        video = FigureVideo(bouts=(Bout("squat", 2, 1.5),), rate_hz=10.0, seed=number)
        encode(folder / name, video)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mov").write_bytes(b"no video")
    return folder


@pytest.fixture(scope="module")
def alone(library: Path) -> dict[str, str]:
    """Outcomes of an analysis on one machine, by name."""
    model = fitsense.load_model()
    return {
        name: "".join(event.to_json() + "\n" for event in fitsense.analyze(library / name, model=model, hop_s=HOP_S))
        for name in ("one.mp4", "two.mp4", "three.mp4")
    }


def events(out: Path) -> dict[str, str]:
    """The events in a folder of results, by their video's name."""
    results = Results(out)
    return {
        outcome.url.rpartition("/")[2]: results.events_of(outcome.id).read_text("utf-8")
        for outcome in results.outcomes.values()
        if outcome.events
    }


def by_name(outcomes: list[Outcome]) -> dict[str, Outcome]:
    return {outcome.url.rpartition("/")[2]: outcome for outcome in outcomes}


@pytest.mark.slow
def test_fleet_matches_analyze_and_skips_done_videos(library: Path, alone: dict[str, str], tmp_path: Path) -> None:
    fleet = analyze_library(library, tmp_path, hop_s=HOP_S)
    assert len(fleet.videos) == len(fleet.todo) == 5
    results = list(fleet)
    assert len(results) == 5
    assert events(tmp_path) == alone
    outcomes = by_name(results)
    assert {name: (one.status, one.reason) for name, one in outcomes.items() if one.reason} == {
        "empty.mp4": ("failed", "is empty (0 bytes)"),
        "text.mov": ("failed", "cannot be opened as video: Invalid data found when processing input"),
    }
    assert sorted(fleet.outcomes, key=lambda one: one.id) == sorted(results, key=lambda one: one.id)
    before = (tmp_path / "outcomes.ndjson").read_bytes()

    again = analyze_library([library], tmp_path, hop_s=HOP_S)
    assert again.todo == ()
    assert list(again) == []
    assert (tmp_path / "outcomes.ndjson").read_bytes() == before
    retried = analyze_library(library, tmp_path, hop_s=HOP_S, retry_failed=True)
    assert {video.name for video in retried.todo} == {"empty.mp4", "text.mov"}
    assert len(analyze_library(library, tmp_path, hop_s=1.0).todo) == 5
    assert len(analyze_library(library, tmp_path, hop_s=HOP_S, bundle="gym").todo) == 5


@pytest.mark.slow
def test_fleet_closed_early_keeps_results_and_resumes(library: Path, alone: dict[str, str], tmp_path: Path) -> None:
    with analyze_library(library / "*.mp4", tmp_path, hop_s=HOP_S, workers=1) as fleet:
        first = next(fleet)
    assert (tmp_path / "tables/sets.parquet").exists()
    with analyze_library(library / "*.mp4", tmp_path, hop_s=HOP_S) as fleet:
        assert len(fleet.videos) == 4
        assert first.id not in {video.id for video in fleet.todo}
        list(fleet)
    assert events(tmp_path) == alone


def films_of(library: Path) -> dict[str, bytes]:
    return {name: (library / name).read_bytes() for name in ("one.mp4", "two.mp4", "three.mp4")}


def once(act: Callable[[], object], name: str) -> Callable[[str], None]:
    """Do something when a film is fetched for the first time."""
    left = [name]

    def noticed(fetched: str) -> None:
        if fetched in left:
            left.remove(fetched)
            act()

    return noticed


@pytest.mark.slow
@on_linux
def test_fleet_killed_worker_is_retried(library: Path, alone: dict[str, str], tmp_path: Path) -> None:
    killed: list[int] = []
    with Films(films_of(library), once(lambda: killed.append(kill_workers()), "two.mp4")) as films:
        results = list(analyze_library(films.url, tmp_path, hop_s=HOP_S))
    assert killed[0] >= 1
    assert films.fetched.count("two.mp4") >= 2, "it was begun again"
    assert {one.status for one in results} == {"done"}
    assert events(tmp_path) == alone


@pytest.mark.slow
@on_linux
def test_fleet_video_that_kills_workers_fails_alone(library: Path, alone: dict[str, str], tmp_path: Path) -> None:
    def deadly(name: str) -> None:
        if name == "two.mp4":
            kill_workers()

    with Films(films_of(library), deadly) as films:
        results = by_name(list(analyze_library(films.url, tmp_path, hop_s=HOP_S, workers=1)))
    assert films.fetched.count("two.mp4") == 3
    assert (results["two.mp4"].status, results["two.mp4"].reason) == ("failed", "its worker died, 3 times")
    assert events(tmp_path) == {name: text for name, text in alone.items() if name != "two.mp4"}


@pytest.mark.slow
@on_linux
def test_fleet_leaves_no_temporary_files(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with Films(films_of(library), lambda name: there.append(len(list(scratch.iterdir())))) as films:
        there: list[int] = []
        list(analyze_library(films.url, tmp_path / "out", hop_s=HOP_S))
    assert min(there) >= 1, "that is where it works"
    end_s = time.monotonic() + PATIENCE_S
    while workers() and time.monotonic() < end_s:
        time.sleep(0.1)
    assert workers() == []
    assert list(scratch.iterdir()) == []


@pytest.mark.slow
def test_fleet_unloadable_bundle_raises(library: Path, tmp_path: Path) -> None:
    """The driver does not need the assets of branches; workers of this cluster lack them."""
    with pytest.raises(WeightsError, match=r"a worker cannot load the bundle: .*fitsense models pull"):
        list(analyze_library(library, tmp_path, bundle="gym"))
    assert Results(tmp_path).outcomes == {}


@pytest.mark.slow
def test_fleet_changed_video_is_analysed_again(library: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes((library / "one.mp4").read_bytes())
    other = tmp_path / "other.mp4"
    other.write_bytes(b"")
    list(analyze_library([film, other], tmp_path / "out", hop_s=HOP_S, workers=1))
    film.write_bytes(b"no video any more")
    fleet = analyze_library([film, other], tmp_path / "out", hop_s=HOP_S, workers=1)
    assert [video.name for video in fleet.todo] == ["film.mp4"]
    (outcome,) = fleet
    assert outcome.status == "failed"
    assert events(tmp_path / "out") == {}, "the old result is removed"


def test_analyze_library_invalid_arguments_are_refused(library: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file or folder"):
        analyze_library(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(BundleError, match="no bundle 'nope'"):
        analyze_library(library, tmp_path / "out", bundle="nope")
    with pytest.raises(InvalidInputError, match=r"hop_s: expected a number above 0, got 0"):
        analyze_library(library, tmp_path / "out", hop_s=0)
    with pytest.raises(InvalidInputError, match=r"workers: expected at least 1, got 0"):
        analyze_library(library, tmp_path / "out", workers=0)
    assert not (tmp_path / "out").exists()


@given(
    st.lists(st.integers(0, 64), min_size=1, max_size=6).filter(any),
    st.integers(1, 200),
    st.none() | st.integers(1, 90),
)
def test_share_any_cores_are_divided_among_workers(cores: list[int], videos: int, wanted: int | None) -> None:
    count, threads = share(cores, videos, wanted)
    assert 1 <= count <= videos
    assert count == min(videos, wanted or sum(cores))
    if count <= sum(cores):
        assert sum(machine // threads for machine in cores) >= count, "each has its place"
        assert sum(machine // (threads + 1) for machine in cores) < count, "and no core is idle that need not be"
    else:
        assert threads == 1
