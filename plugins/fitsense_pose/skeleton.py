"""The landmarks that BlazePose finds, by name."""

from __future__ import annotations

from fitsense import LandmarkSet

_SIDED = (
    ("eye_inner", "eye", "eye_outer"),
    ("ear",),
    ("shoulder", "elbow", "wrist", "pinky", "index", "thumb", "hip", "knee", "ankle", "heel", "foot_index"),
)
_EYES, _EARS, _LIMBS = _SIDED


def _both(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{side}_{name}" for name in names for side in ("left", "right"))


_NAMES = (
    "nose",
    *(f"left_{name}" for name in _EYES),
    *(f"right_{name}" for name in _EYES),
    *_both(_EARS),
    "mouth_left",
    "mouth_right",
    *_both(_LIMBS),
)
_BONES = (
    ("shoulder", "elbow"),
    ("elbow", "wrist"),
    ("wrist", "index"),
    ("shoulder", "hip"),
    ("hip", "knee"),
    ("knee", "ankle"),
    ("ankle", "heel"),
    ("heel", "foot_index"),
    ("ankle", "foot_index"),
)

BLAZEPOSE_33 = LandmarkSet(
    name="blazepose33",
    landmarks=_NAMES,
    mirror_pairs=(
        *((f"left_{name}", f"right_{name}") for names in _SIDED for name in names),
        ("mouth_left", "mouth_right"),
    ),
    edges=(
        *((f"{side}_{one}", f"{side}_{other}") for side in ("left", "right") for one, other in _BONES),
        ("left_shoulder", "right_shoulder"),
        ("left_hip", "right_hip"),
        ("left_ear", "left_eye"),
        ("left_eye", "nose"),
        ("nose", "right_eye"),
        ("right_eye", "right_ear"),
    ),
)
