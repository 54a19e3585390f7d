"""``fitsense models``, and fetching what others publish."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner, Result

import fitsense
from fitsense.cli import main
from fitsense.cli.exit_codes import ExitCode
from fitsense.cli.models import _needed_by_shipped
from tests.bundles.test_wheels import index, make_wheel

# From servers and folders of this machine.
pytestmark = pytest.mark.usefixtures("online")

__all__ = ["index"]

FILES = {"toy/nets/a.bin": b"first", "toy/nets/b.bin": b"second"}


class Toy:
    """A plugin with two backbones and a detector that need third-party files."""

    @fitsense.hookimpl
    def fitsense_plugin(self) -> fitsense.plugins.PluginInfo:
        return fitsense.plugins.PluginInfo(name="toy", version="1.0")

    @fitsense.hookimpl
    def fitsense_backbones(self) -> Iterable[fitsense.plugins.BackboneSpec]:
        like = fitsense.PluginManager.discover().backbone("x3d/xs")
        refs = {
            name: fitsense.plugins.WeightsRef(f"pypi:toy==1.0#{name}", hashlib.sha256(content).hexdigest(), "MIT")
            for name, content in FILES.items()
        }
        yield attrs.evolve(like, name="both", assets=refs, assets_name="toys")
        yield attrs.evolve(like, name="one", assets=dict(list(refs.items())[:1]), assets_name="toys")

    @fitsense.hookimpl
    def fitsense_detectors(self) -> Iterable[fitsense.plugins.DetectorSpec]:
        like = fitsense.PluginManager.discover().detector("pose/people")
        ref = fitsense.plugins.WeightsRef("pypi:toy==1.0#toy/nets/eyes.bin", hashlib.sha256(b"eyes").hexdigest(), "MIT")
        yield attrs.evolve(like, name="eyes", assets={"eyes": ref}, assets_name="eyes")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, with a host that has the toy plugin."""
    host = fitsense.PluginManager.discover()
    assert host.register(Toy()).status == "loaded"
    monkeypatch.setattr("fitsense.plugins._manager.PluginManager.discover", lambda: host)
    monkeypatch.setattr("fitsense.bundles.weights.cache_folder", lambda kind: tmp_path / "cache")
    return tmp_path / "cache"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["models", *arguments])


def kept(cache: Path) -> set[str]:
    return {file.name for file in cache.rglob("*") if file.is_file()}


def test_models_lists_bundles_without_subcommand() -> None:
    for arguments in ((), ("gym",), ("show",), ("show", "gym")):
        assert "gym" in run(*arguments).output
    assert "gym-video (default)" in run().output
    assert json.loads(run("--json", "gym").output)["gym"]["name"] == "gym"
    assert run("gym", "--card").output == run("show", "--card", "gym").output
    assert run("nope").exit_code == ExitCode.BAD_BUNDLE
    for word in ("pull", "show"):
        assert word in run("--help").output


def test_pull_downloads_files_once(cache: Path, index: Path) -> None:
    wheel = make_wheel(index, FILES)
    done = run("pull", "toys")
    assert done.exit_code == 0, done.output
    assert done.stdout.count("a.bin  0.0 MB  MIT  sha256 ok") == 1
    assert str(cache) in done.stdout
    assert "is   pypi:toy==1.0#toy/nets/b.bin" in done.stdout
    assert kept(cache) == {"a.bin", "b.bin"}
    wheel.unlink()
    assert run("pull", "toys").stdout == done.stdout


def test_pull_fetches_assets_of_detector(cache: Path, index: Path) -> None:
    make_wheel(index, {"toy/nets/eyes.bin": b"eyes"})
    assert run("pull", "eyes").exit_code == 0
    assert kept(cache) == {"eyes.bin"}


def test_pull_unknown_name_lists_available_ones(cache: Path) -> None:
    done = run("pull", "nope")
    assert done.exit_code == ExitCode.FAILED
    assert "unknown assets 'nope'; available:" in done.output
    assert "toys" in done.output


def test_pull_failed_download_prints_one_line(cache: Path, index: Path) -> None:
    done = run("pull", "toys")
    assert done.exit_code == ExitCode.BAD_BUNDLE
    assert "fitsense: toy==1.0: pip cannot download a wheel of it" in done.stderr
    assert "--from" in done.stderr
    assert kept(cache) == set()


def test_pull_from_takes_wheel_or_single_files(cache: Path, tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / Path(name).name).write_bytes(content)
    done = run("pull", "toys", "--from", str(tmp_path / "b.bin"))
    assert done.exit_code == ExitCode.BAD_BUNDLE
    assert "b.bin: expected a.bin, or a folder, wheel or zip that contains them" in done.stderr
    assert kept(cache) == {"b.bin"}
    assert run("pull", "toys", "--from", str(tmp_path / "a.bin")).exit_code == 0
    assert kept(cache) == {"a.bin", "b.bin"}
    assert run("pull", "toys", "--from", str(make_wheel(tmp_path / "wheels", FILES))).exit_code == 0


@pytest.mark.parametrize("content", [None, b"wrong"])
def test_pull_from_missing_or_wrong_file_is_refused(cache: Path, tmp_path: Path, content: bytes | None) -> None:
    assert run("pull", "toys", "--from", str(make_wheel(tmp_path / "wheels", FILES))).exit_code == 0
    if content is not None:
        (tmp_path / "a.bin").write_bytes(content)
    done = run("pull", "toys", "--from", str(tmp_path / "a.bin"))
    assert done.exit_code == ExitCode.BAD_BUNDLE
    assert ("expected sha256" if content else "no such file or folder") in done.stderr


def test_pull_without_name_fetches_assets_of_shipped_bundles(
    cache: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, {**FILES, "toy/nets/eyes.bin": b"eyes"})
    monkeypatch.setattr("fitsense.cli.models._needed_by_shipped", lambda plugins: ["eyes", "toys"])
    done = run("pull")
    assert done.exit_code == 0, done.output
    assert kept(cache) == {"a.bin", "b.bin", "eyes.bin"}
    assert "Fetching 1 of 3: eyes.bin, from toy==1.0 by pip" in done.stderr
    assert "Fetching 3 of 3: b.bin" in done.stderr
    assert "Fetching" not in run("pull").stderr


def test_pull_without_name_fetches_assets_of_gym() -> None:
    assert _needed_by_shipped(fitsense.PluginManager.discover()) == ["blazepose"]


def test_pull_offline_names_missing_files_and_remedy(cache: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(index, FILES)
    monkeypatch.setenv("FITSENSE_OFFLINE", "1")
    done = run("pull", "toys")
    assert done.exit_code == ExitCode.BAD_BUNDLE
    assert "weights pypi:toy==1.0#toy/nets/a.bin: not downloaded, because FITSENSE_OFFLINE is set" in done.stderr
    assert "--from" in done.stderr
    monkeypatch.delenv("FITSENSE_OFFLINE")
    assert run("pull", "toys").exit_code == 0
    monkeypatch.setenv("FITSENSE_OFFLINE", "1")
    assert run("pull", "toys").exit_code == 0
