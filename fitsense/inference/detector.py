"""Loading of person detectors from plugins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fitsense._internal.configs import config_from_json
from fitsense.errors import PluginError
from fitsense.geometry import Detection
from fitsense.plugins._manager import PluginManager
from fitsense.types import UInt8Array

Detector = Callable[[UInt8Array], Sequence[Detection]]


def load_detector(
    name: str,
    plugins: PluginManager | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    threads: int | None = None,
) -> Detector:
    """Load a detector of people: a function of a picture, uint8 (height, width, 3).

    :param name: name of the detector, in full (``pose/people``) or, if it is unique, in short.
    :param plugins: None for the installed ones.
    :param config: fields of the detector's configuration that differ from its defaults.
    :param threads: CPU threads; None for all cores.
    :raises UnknownNameError: no plugin provides the detector.
    :raises WeightsError: the detector needs third-party files that cannot be fetched.
    """
    from fitsense.bundles.first_use import asset_files

    plugins = plugins or PluginManager.discover()
    name = plugins.full_name("detector", name)
    spec = plugins.detector(name)
    settings = config_from_json(spec.config, config or {}, name)
    files = asset_files(spec.assets, plugins)
    find = spec.load(settings, files, threads)

    def detect(picture: UInt8Array) -> Sequence[Detection]:
        found = tuple(find(picture))
        for one in found:
            if not isinstance(one, Detection):
                raise PluginError(f"detector {name}: expected it to give Detection, got {type(one).__name__}")
        return found

    return detect
