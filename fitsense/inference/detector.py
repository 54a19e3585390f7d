"""A plugin's detector of people, ready to run."""

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
    """What finds the people in a picture, uint8 (height, width, 3).

    :param name: in full (``pose/people``) or, where only one has it, in short.
    :param plugins: who offers detectors; None for the installed ones.
    :param config: what differs from its defaults.
    :param threads: CPU threads; None for all cores.
    :raises UnknownNameError: nobody offers it.
    :raises WeightsError: it needs files of others, which have not been fetched.
    """
    from fitsense.bundles.weights import resolve

    plugins = plugins or PluginManager.discover()
    name = plugins.full_name("detector", name)
    spec = plugins.detector(name)
    settings = config_from_json(spec.config, config or {}, name)
    files = {
        asset: resolve(ref, plugins, fetch=False, assets_name=spec.assets_name) for asset, ref in spec.assets.items()
    }
    find = spec.load(settings, files, threads)

    def detect(picture: UInt8Array) -> Sequence[Detection]:
        found = tuple(find(picture))
        for one in found:
            if not isinstance(one, Detection):
                raise PluginError(f"detector {name}: expected it to give Detection, got {type(one).__name__}")
        return found

    return detect
