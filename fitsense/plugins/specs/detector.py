"""Spec of a detector of people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from fitsense.plugins.specs.weights import WeightsRef
from fitsense.types import UInt8Array

if TYPE_CHECKING:
    from fitsense.geometry import Detection


@attrs.frozen
class DetectorSpec:
    """Finds the people in a picture. Detection only; fitsense does the tracking.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param config: attrs class; every field has a default.
    :param load: function of (config, files, threads) that returns a callable from a picture, uint8 (height, width, 3),
        to detections in any order, without state between calls. Files are the assets by name; threads is None for all
        cores.
    :param assets: third-party files that the detector needs to run, by name; ``fitsense models pull`` fetches them.
    :param assets_name: name of the assets for ``fitsense models pull``.
    :param paper: publication of the method.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    config: type[Any]
    load: Callable[[Any, Mapping[str, Path], int | None], Callable[[UInt8Array], Sequence[Detection]]]
    assets: Mapping[str, WeightsRef] = attrs.field(factory=dict)
    assets_name: str = ""
    paper: str = ""
    summary: str = ""
