"""First use of included bundles: fetching the third-party files that they need."""

from __future__ import annotations

from pathlib import Path

import pytest

import fitsense
from fitsense.bundles.bundle import Bundle
from fitsense.bundles.first_use import FALLBACKS, asset_files, assets_of, bundle_in_use
from fitsense.errors import WeightsError
from fitsense.events.model import SessionWarning
from fitsense.inference.detector import load_detector
from fitsense.inference.observation import load_observer
from fitsense.inference.pose_estimator import load_pose_estimator
from fitsense.plugins import WeightsRef
from fitsense.synthetic.figures import FigureVideo


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache and no network."""
    monkeypatch.setattr("fitsense.bundles.weights.cache_folder", lambda kind: tmp_path / "cache")
    monkeypatch.setenv("FITSENSE_OFFLINE", "1")


def test_bundle_in_use_offline_is_the_fallback_with_a_line_on_stderr(
    offline: None, capsys: pytest.CaptureFixture[str]
) -> None:
    used = bundle_in_use("gym", fitsense.PluginManager.discover())
    assert used.bundle.manifest.name == "gym-video"
    (notice,) = capsys.readouterr().err.splitlines()
    assert notice == used.notice
    assert "gym-video analyses in place of gym" in notice
    assert "FITSENSE_OFFLINE" in notice


def test_session_on_a_fallback_warns_once_right_after_it_started(offline: None, squats: FigureVideo) -> None:
    session = fitsense.Session(fitsense.load_model("gym"))
    events = [event for frame in squats for event in session.push(frame)]
    codes = [(at, event.data.code) for at, event in enumerate(events) if isinstance(event.data, SessionWarning)]
    assert codes == [(1, "bundle_fallback")]
    assert fitsense.load_model("gym-video").notice == ""


def test_bundle_in_use_of_a_folder_is_that_folder(offline: None) -> None:
    plugins = fitsense.PluginManager.discover()
    folder = Bundle.load("gym").folder
    assert bundle_in_use(folder, plugins).bundle.folder == folder
    with pytest.raises(WeightsError, match="fitsense models pull"):
        fitsense.load_model(folder)


def test_bundle_in_use_fetches_missing_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugins, resolved = fitsense.PluginManager.discover(), []
    monkeypatch.delenv("FITSENSE_OFFLINE", raising=False)
    monkeypatch.setattr("fitsense.bundles.first_use.is_fetched", lambda ref: False)
    monkeypatch.setattr("fitsense.bundles.first_use.resolve", lambda ref, *a, **k: resolved.append(ref))
    used = bundle_in_use("gym", plugins)
    assert (used.bundle.manifest.name, used.notice) == ("gym", "")
    assert resolved == assets_of(used.bundle.manifest, plugins)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["Fetching 1 of 2", "Fetching 2 of 2"]
    assert all(" MB, from " in line for line in lines)


def test_asset_files_fetches_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetched(ref: WeightsRef, path: Path, *_: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ref.uri)

    monkeypatch.delenv("FITSENSE_OFFLINE", raising=False)
    monkeypatch.setattr("fitsense.bundles.weights.cache_folder", lambda kind: tmp_path / "cache")
    monkeypatch.setattr("fitsense.bundles.weights._fetch", fetched)
    plugins, local = fitsense.PluginManager.discover(), tmp_path / "local.bin"
    local.write_text("local")
    remote = WeightsRef("https://example.org/remote.bin")
    assets = {"here": WeightsRef(str(local)), "there": remote, "again": remote}
    for lines in (["Fetching 1 of 1: remote.bin, from https://example.org/remote.bin"], []):
        files = asset_files(assets, plugins)
        assert files["here"] == local
        assert files["there"] == files["again"]
        assert files["there"].read_text() == remote.uri
        assert capsys.readouterr().err.splitlines() == lines


class ReachedError(Exception):
    """The network would have been asked."""


@pytest.fixture
def unreachable(offline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and a network that is asked only once."""

    def reached(*_: object) -> None:
        raise ReachedError

    monkeypatch.delenv("FITSENSE_OFFLINE")
    monkeypatch.setattr("fitsense.bundles.weights._fetch", reached)


def test_branch_estimator_and_detector_fetch_third_party_files(unreachable: None) -> None:
    # What trains, evaluates or exports loads these.
    plugins = fitsense.PluginManager.discover()
    branch = next(one for one in Bundle.load("gym").manifest.branches if one.observation)
    with pytest.raises(ReachedError):
        load_observer(branch, plugins)
    with pytest.raises(ReachedError):
        load_pose_estimator("blazepose", plugins)
    with pytest.raises(ReachedError):
        load_detector("people", plugins)


def test_fallbacks_need_no_third_party_files() -> None:
    plugins = fitsense.PluginManager.discover()
    for name, fallback in FALLBACKS.items():
        assert assets_of(Bundle.load(name).manifest, plugins)
        assert not assets_of(Bundle.load(fallback).manifest, plugins)
