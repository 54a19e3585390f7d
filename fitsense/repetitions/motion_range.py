"""Details of a repetition: its leading joint, range of motion, and the durations of its phases. Pure."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.pose.landmarks import VISIBILITY, WORLD
from fitsense.repetitions.joints import SMOOTHING_S, JointSignal, fill
from fitsense.repetitions.sides import Side
from fitsense.repetitions.trajectory import Path, smooth
from fitsense.types import FloatArray

_Floats = NDArray[np.float64]

ANGLES = {
    "elbow": ("shoulder", "elbow", "wrist"),
    "shoulder": ("elbow", "shoulder", "hip"),
    "hip": ("shoulder", "hip", "knee"),
    "knee": ("hip", "knee", "ankle"),
}
"""The landmarks that a joint's angle is between, by the joint; the middle one is the joint."""
# Phases, from 0 at the start to 1 at the turning point, beyond which a position counts as reached.
_NEAR, _FAR = 0.1, 0.9
# Part of a repetition's length by which its ends may be off.
_MORE = 6
_EPSILON = 1e-9


@attrs.frozen
class JointRange:
    """Range of motion of a joint in a repetition.

    :param joint: ``elbow``, ``shoulder``, ``hip`` or ``knee``.
    :param side: of the joint; None where both sides move, whose mean it is.
    :param range_deg: how far its angle changes, in degrees.
    :param confidence: how visible the joint was, 0..1.
    """

    joint: str
    side: Side | None
    range_deg: float
    confidence: float

    @property
    def clearness(self) -> float:
        """Degrees that are certain to have been seen: the range, weighted by the confidence."""
        return self.range_deg * self.confidence


@attrs.frozen
class Phases:
    """The parts of a repetition, in seconds; a trainer writes them in this order, rounded, as in 3-1-1-0.

    :param out_s: from the start position to the turning point.
    :param far_s: pause at the turning point.
    :param back_s: from the turning point to the start position.
    :param near_s: pause before the next repetition.
    :param confidence: how clear the way out and back is, 0..1.
    """

    out_s: float
    far_s: float
    back_s: float
    near_s: float
    confidence: float

    @property
    def tempo(self) -> str:
        """The four durations in whole seconds, such as ``3-1-1-0``."""
        return "-".join(str(round(part)) for part in (self.out_s, self.far_s, self.back_s, self.near_s))


def joint_angles(signal: JointSignal, samples: FloatArray, rate_hz: float) -> dict[tuple[str, Side], _Floats]:
    """The angle of each joint over time, in degrees: 180 where it is straight.

    :param samples: (moments, joints, 6), evenly spaced in time, as :meth:`JointSignal.sample` gives them.
    :returns: float64 (moments,) by joint and side; nothing where there is no body.
    """
    filled = fill(samples)
    if filled is None:
        return {}
    flat = bool(np.isnan(filled[..., WORLD]).any())
    places = signal.in_picture(filled) if flat else signal.in_metres(filled)
    angles: dict[tuple[str, Side], _Floats] = {}
    sides: tuple[Side, Side] = ("left", "right")
    for joint, names in ANGLES.items():
        for side in sides:
            wanted = [f"{side}_{name}" for name in names]
            if not set(wanted) <= set(signal.names):
                continue
            one, middle, other = (places[:, signal.names.index(name)] for name in wanted)
            angle = _angle(one - middle, other - middle)
            angles[joint, side] = np.asarray(smooth(angle, SMOOTHING_S * rate_hz), np.float64)
    return angles


def joint_ranges(
    signal: JointSignal,
    samples: FloatArray,
    angles: dict[tuple[str, Side], _Floats],
    start: int,
    end: int,
    side: Side | None,
) -> tuple[JointRange, ...]:
    """Ranges of motion of the joints in a repetition, the clearest first: by the change of the angle and visibility.

    :param angles: from :func:`joint_angles`, of the same samples.
    :param start: the repetition's first moment.
    :param end: its last moment.
    :param side: the side that the repetition is of; None for both.
    :returns: nothing where no joint's angle is known.
    """
    visible = np.nan_to_num(np.nanmedian(samples[start : end + 1, :, VISIBILITY], axis=0))
    # A cycle begins shortly after the start position was left, and ends shortly before it is reached again.
    more = (end - start) // _MORE
    whole = slice(max(0, start - more), end + more + 1)
    found: list[JointRange] = []
    for joint in ANGLES:
        sides = [one for one in ("left", "right") if (joint, one) in angles and side in (None, one)]
        if not sides:
            continue
        ranges = [_range(angles[joint, one][whole]) for one in sides]  # type: ignore[index]
        seen = [min(visible[signal.names.index(f"{one}_{name}")] for name in ANGLES[joint]) for one in sides]
        weights = np.array(seen) + _EPSILON
        found.append(JointRange(joint, side, float(np.average(ranges, weights=weights)), float(np.max(seen))))
    return tuple(sorted(found, key=lambda one: one.clearness, reverse=True))


def phases(path: Path, start: int, far: int, end: int, until: int, rate_hz: float) -> Phases:
    """Durations of a repetition's phases.

    :param path: (moments, dimensions), with the repetition as a cycle.
    :param start: first moment of the cycle.
    :param far: turning point of the cycle.
    :param end: last moment of the cycle.
    :param until: the first moment of the next cycle, or the last moment of the path.
    :param rate_hz: moments per second.
    """
    start_place = (path[start] + path[end]) / 2
    way = path[far] - start_place
    length = float(way @ way)
    part = (path[start : until + 1] - start_place) @ way / (length + _EPSILON)
    turn, back = far - start, end - start
    leaves = _last(part[: turn + 1] <= _NEAR, 0)
    arrives = _first(part[leaves : turn + 1] >= _FAR, turn - leaves) + leaves
    returns = _last(part[turn : back + 1] >= _FAR, 0) + turn
    rests = _first(part[returns : back + 1] <= _NEAR, back - returns) + returns
    going = _last(part[rests:] <= _NEAR, 0) + rests
    apart = np.linalg.norm(path[start : end + 1] - path[start], axis=1)
    straight = float(np.sqrt(length) / (apart.max() + _EPSILON))
    out_s, far_s, back_s = (arrives - leaves) / rate_hz, (returns - arrives) / rate_hz, (rests - returns) / rate_hz
    near_s = max(0, going - rests) / rate_hz
    # The ends of a way lie beyond where it was measured; the pauses beside them lose what it gains.
    more_s = (out_s + back_s) * (1 / (_FAR - _NEAR) - 1) / 2
    return Phases(
        out_s=out_s / (_FAR - _NEAR),
        far_s=max(0.0, far_s - more_s),
        back_s=back_s / (_FAR - _NEAR),
        near_s=max(0.0, near_s - more_s),
        confidence=min(1.0, straight),
    )


def _angle(one: _Floats, other: _Floats) -> _Floats:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1) + _EPSILON
    return np.asarray(np.degrees(np.arccos(np.clip((one * other).sum(axis=1) / lengths, -1.0, 1.0))))


def _range(angles: _Floats) -> float:
    return float(angles.max() - angles.min())


def _first(holds: NDArray[Any], otherwise: int) -> int:
    found = np.flatnonzero(holds)
    return int(found[0]) if len(found) else otherwise


def _last(holds: NDArray[Any], otherwise: int) -> int:
    found = np.flatnonzero(holds)
    return int(found[-1]) if len(found) else otherwise
