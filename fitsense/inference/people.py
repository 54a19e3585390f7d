"""Loading of pose estimators and detectors that find the people in a picture, from plugins."""

from __future__ import annotations

from fitsense.errors import UnknownNameError
from fitsense.inference.detector import Detector, load_detector
from fitsense.inference.pose_estimator import LoadedPoseEstimator, load_pose_estimator
from fitsense.plugins._manager import PluginManager

PeopleSource = LoadedPoseEstimator | Detector


def load_people(name: str, plugins: PluginManager | None = None, *, threads: int | None = None) -> PeopleSource:
    """Load the finder of people of a :class:`fitsense.TrackedSession`: a pose estimator or, if none has the name, a
    detector.

    :param name: its name, in full (``pose/people``) or, if it is unique, in short.
    :param plugins: None for the installed ones.
    :param threads: CPU threads; None for all cores.
    :raises UnknownNameError: no plugin provides a pose estimator or a detector of that name.
    :raises WeightsError: it needs third-party files that cannot be fetched.
    """
    plugins = plugins or PluginManager.discover()
    try:
        plugins.full_name("pose estimator", name)
    except UnknownNameError:
        return load_detector(name, plugins, threads=threads)
    return load_pose_estimator(name, plugins, threads=threads)
