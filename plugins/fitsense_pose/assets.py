"""Origins of the BlazePose networks, which are not part of fitsense."""

from collections.abc import Mapping

from fitsense.plugins import WeightsRef

_WHEEL = "pypi:mediapipe==0.10.21#mediapipe/modules"

ASSETS: Mapping[str, WeightsRef] = {
    "detector": WeightsRef(
        f"{_WHEEL}/pose_detection/pose_detection.tflite",
        sha256="9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        license="Apache-2.0",
        bytes=2_959_046,
    ),
    "landmarks": WeightsRef(
        f"{_WHEEL}/pose_landmark/pose_landmark_full.tflite",
        sha256="e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        license="Apache-2.0",
        bytes=6_440_512,
    ),
}
"""BlazePose GHUM (full), by the parameter of :class:`fitsense_pose.estimator.BlazePoseEstimator` for the file."""
