"""The laws of plugins, as classes of pytest tests.

A plugin's author derives from a class, defines the required fixtures, and runs pytest. Fixtures with a default state
the properties of the plugin; ``docs/plugins/conformance.md`` lists them. ``fitsense plugins check`` runs the same
classes.
"""

from fitsense.errors import MissingExtraError

try:
    import pytest
except ImportError as error:
    raise MissingExtraError("the conformance kit", "testing", error) from error

# Before the imports, so that failed assertions show their values.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{name}"
        for name in (
            "backbone",
            "detector",
            "fusion",
            "head",
            "networks",
            "observer",
            "offer",
            "plugin",
            "pose_estimator",
            "session",
            "streaming",
            "task",
        )
    )
)

from fitsense.testing.contracts.backbone import BackboneContract  # noqa: E402
from fitsense.testing.contracts.detector import DetectorContract  # noqa: E402
from fitsense.testing.contracts.fusion import FusionContract  # noqa: E402
from fitsense.testing.contracts.head import DerivedHeadContract, HeadContract  # noqa: E402
from fitsense.testing.contracts.observer import ObserverContract  # noqa: E402
from fitsense.testing.contracts.plugin import PluginContract  # noqa: E402
from fitsense.testing.contracts.pose_estimator import PoseEstimatorContract  # noqa: E402
from fitsense.testing.contracts.session import SessionContract  # noqa: E402
from fitsense.testing.contracts.task import TaskContract  # noqa: E402

__all__ = [
    "BackboneContract",
    "DerivedHeadContract",
    "DetectorContract",
    "FusionContract",
    "HeadContract",
    "ObserverContract",
    "PluginContract",
    "PoseEstimatorContract",
    "SessionContract",
    "TaskContract",
]
