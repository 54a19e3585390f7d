"""Spec of an estimator of body landmarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from fitsense.plugins.specs.weights import WeightsRef
from fitsense.pose.landmarks import LandmarkSet
from fitsense.types import UInt8Array

if TYPE_CHECKING:
    from fitsense.pose.landmarks import BodyDetection, BodyRegion, Pose


class PoseEstimator(Protocol):
    """Finds bodies and their landmarks in single pictures; returned by ``load`` of a :class:`PoseEstimatorSpec`.

    It keeps no state between calls, does not modify its arguments, and must be thread-safe. fitsense tracks people from
    picture to picture.
    """

    def detect(self, picture: UInt8Array) -> Sequence[BodyDetection]:
        """Find the bodies in a picture, in any order.

        :param picture: uint8 (height, width, 3), RGB, of any size.
        """

    def estimate(self, pictures: Sequence[UInt8Array], regions: Sequence[BodyRegion]) -> Sequence[Pose | None]:
        """Find the landmarks of one body in each region.

        :param pictures: one for each region, uint8 (height, width, 3), RGB; the same picture may occur several times.
        :param regions: from ``detect``, from a :class:`fitsense.Pose` of the picture before, or the host's own.
        :returns: one for each region; None where there is no body.
        """


@attrs.frozen
class PoseEstimatorSpec:
    """Estimator of body landmarks in pictures.

    :param name: lower-case letters, digits, ``-`` and ``_``; unique in its plugin.
    :param config: attrs class; every field has a default.
    :param landmark_set: landmarks that it finds, in the order of the rows of :attr:`fitsense.Pose.landmarks`.
    :param load: function of (config, files, threads) that returns the estimator. Files are the assets by name; threads
        is None for all cores.
    :param assets: third-party files that it needs to run, by name; ``fitsense models pull`` fetches them.
    :param assets_name: name of the assets for ``fitsense models pull``.
    :param paper: publication of the method.
    :param summary: one line for ``fitsense plugins``.
    """

    name: str
    config: type[Any]
    landmark_set: LandmarkSet
    load: Callable[[Any, Mapping[str, Path], int | None], PoseEstimator]
    assets: Mapping[str, WeightsRef] = attrs.field(factory=dict)
    assets_name: str = ""
    paper: str = ""
    summary: str = ""
