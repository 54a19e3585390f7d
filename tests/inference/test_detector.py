"""A plugin's detector, loaded by its name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.inference.detector import load_detector
from fitsense.types import UInt8Array

PICTURE = np.zeros((20, 40, 3), np.uint8)


@attrs.frozen
class Config:
    boxes: int = 1


class Boxes:
    """A plugin with a detector that sees so many people as it is told to.

    :param asset: a file that it needs, and how it begins.
    """

    def __init__(self, asset: fitsense.plugins.WeightsRef | None = None, found: object = None) -> None:
        self.asset = asset
        self.found = found
        self.loaded: list[tuple[Any, Mapping[str, Path], int | None]] = []

    def load(self, config: Config, files: Mapping[str, Path], threads: int | None) -> Callable[[UInt8Array], Any]:
        self.loaded.append((config, files, threads))
        one = self.found or fitsense.Detection(fitsense.Region(0, 0, 1, 1), 0.5)
        return lambda picture: [one] * config.boxes

    @fitsense.hookimpl
    def fitsense_plugin(self) -> fitsense.plugins.PluginInfo:
        return fitsense.plugins.PluginInfo(name="boxes", version="1.0")

    @fitsense.hookimpl
    def fitsense_detectors(self) -> Iterable[fitsense.plugins.DetectorSpec]:
        assets = {"file": self.asset} if self.asset else {}
        yield fitsense.plugins.DetectorSpec("all", Config, self.load, assets, assets_name="boxes")


def host(plugin: Boxes) -> fitsense.PluginManager:
    plugins = fitsense.PluginManager()
    report = plugins.register(plugin)
    assert report.provides == {"detectors": ("boxes/all",)}
    return plugins


@pytest.mark.parametrize("name", ["all", "boxes/all"])
def test_load_detector_passes_configuration_and_files(name: str, tmp_path: Path) -> None:
    file = tmp_path / "network.bin"
    file.write_bytes(b"network")
    plugin = Boxes(fitsense.plugins.WeightsRef(str(file), hashlib.sha256(b"network").hexdigest()))
    detect = load_detector(name, host(plugin), config={"boxes": 3}, threads=1)
    assert plugin.loaded == [(Config(3), {"file": file}, 1)]
    found: Sequence[fitsense.Detection] = detect(PICTURE)
    assert [one.score for one in found] == [0.5] * 3


def test_load_detector_invalid_results_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fitsense.bundles.weights.cache_folder", lambda kind: tmp_path)
    monkeypatch.setenv("FITSENSE_OFFLINE", "1")
    with pytest.raises(fitsense.UnknownNameError, match="unknown detector 'none'; available: boxes/all"):
        load_detector("none", host(Boxes()))
    with pytest.raises(fitsense.InvalidInputError, match="configuration of boxes/all"):
        load_detector("all", host(Boxes()), config={"circles": 3})
    absent = Boxes(fitsense.plugins.WeightsRef("https://example.org/network.bin"))
    with pytest.raises(fitsense.WeightsError, match="FITSENSE_OFFLINE is set; run  fitsense models pull"):
        load_detector("all", host(absent))
    detect = load_detector("all", host(Boxes(found=(0, 0, 1, 1))))
    with pytest.raises(fitsense.PluginError, match="detector boxes/all: expected it to give Detection, got tuple"):
        detect(PICTURE)
