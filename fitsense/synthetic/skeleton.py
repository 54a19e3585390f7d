"""Kinematics of an articulated figure: joint positions by exercise and phase.

Units are metres; y is up, the figure faces +z, its left is +x. The floor is y = 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Pose = Mapping[str, Vector]
"""Joint positions by name; names of left and right joints end in ``_l`` and ``_r``."""

SIDES = (("l", 1.0), ("r", -1.0))


@attrs.frozen
class Proportions:
    """Lengths of a body, as shares of its height; the defaults are average.

    :param height_m: height in metres.
    :param shoulders: half the distance between the shoulders.
    :param hips: half the distance between the hips.
    """

    height_m: float = 1.75
    shoulders: float = 0.108
    hips: float = 0.057
    thigh: float = 0.246
    shin: float = 0.246
    torso: float = 0.297
    upper_arm: float = 0.166
    forearm: float = 0.191

    def metres(self, part: str) -> float:
        """A part's length in metres."""
        return float(getattr(self, part)) * self.height_m


def stand(body: Proportions, sway: float = 0.0, gesture: float = 0.0) -> Pose:
    """Pose of standing upright with hanging arms.

    :param sway: shift of weight, in metres to the left.
    :param gesture: 0 for hanging arms, 1 for a raised right forearm, as in a conversation.
    """
    pelvis = np.array([sway, _ankle(body) + _leg(body) * 0.985, 0.0])
    arms = {"l": math.radians(6), "r": math.radians(6)}
    pose = _upper_body(body, pelvis, lean=0.03, spread=arms, forward=0.1)
    if gesture > 0:
        hand = pose["shoulder_r"] + np.array([-0.08, -0.12, 0.30]) * body.height_m
        hand = (1 - gesture) * pose["hand_r"] + gesture * hand
        pose |= _arm(body, pose["shoulder_r"], hand, "r", pole=np.array([-0.3, -1.0, -0.5]))
    return pose | _legs_to(body, pelvis, stance=0.075 * body.height_m)


def squat(body: Proportions, depth: float) -> Pose:
    """Pose of a squat: `depth` 0 is standing, 1 is thighs below horizontal; arms rise to the front."""
    leg = _leg(body)
    pelvis = np.array([0.0, _ankle(body) + leg * (0.98 - 0.53 * depth), -0.24 * depth * leg])
    lean = 0.05 + 0.72 * depth
    pose = _upper_body(body, pelvis, lean=lean, spread={"l": 0.08, "r": 0.08}, forward=0.25 + 1.25 * depth)
    return pose | _legs_to(body, pelvis, stance=0.105 * body.height_m)


def jumping_jack(body: Proportions, openness: float) -> Pose:
    """Pose of a jumping jack: `openness` 0 is feet together and arms down, 1 is feet apart and arms overhead."""
    leg = _leg(body)
    abduction = math.radians(3 + 24 * openness)
    hop = 0.05 * math.sin(math.pi * openness) ** 2
    pelvis = np.array([0.0, _ankle(body) + leg * math.cos(abduction) * 0.985 + hop, 0.0])
    spread = math.radians(8 + 160 * openness)
    pose = _upper_body(body, pelvis, lean=0.02, spread={"l": spread, "r": spread}, forward=0.05)
    return pose | _legs_to(body, pelvis, stance=body.metres("hips") + leg * math.sin(abduction), floor=hop)


def push_up(body: Proportions, depth: float) -> Pose:
    """Pose of a push-up: `depth` 0 is straight arms, 1 is the chest near the floor. The head points to +z."""
    length = _leg(body) + body.metres("torso")
    toes_z = -0.62 * length
    ankle = np.array([0.0, 0.065 * body.height_m, toes_z])
    straight = body.metres("upper_arm") + body.metres("forearm") * 0.86
    height = straight * (0.98 - 0.68 * depth)
    reach = math.sqrt(length**2 - (height - ankle[1]) ** 2)
    neck = np.array([0.0, height, toes_z + reach])
    along = (neck - ankle) / np.linalg.norm(neck - ankle)
    pelvis = ankle + along * _leg(body)
    hands_z = toes_z + math.sqrt(length**2 - (straight * 0.9 - ankle[1]) ** 2)
    pose: dict[str, Vector] = {"pelvis": pelvis, "neck": neck}
    pose["head"] = neck + (along + np.array([0.0, 0.25, 0.0])) * 0.12 * body.height_m
    for side, sign in SIDES:
        out = np.array([sign, 0.0, 0.0])
        shoulder = neck + out * body.metres("shoulders") - along * 0.03
        hand = np.array([sign * 0.155 * body.height_m, 0.03, hands_z])
        pose[f"shoulder_{side}"] = shoulder
        pose |= _arm(body, shoulder, hand, side, pole=np.array([sign * 0.8, 0.3, -1.0]))
        hip = pelvis + out * body.metres("hips")
        foot = ankle + out * 0.05 * body.height_m
        pose[f"hip_{side}"], pose[f"ankle_{side}"] = hip, foot
        pose[f"knee_{side}"] = (hip + foot) / 2 - np.array([0.0, 0.01, 0.0])
        pose[f"toe_{side}"] = np.array([foot[0], 0.02, foot[2] - 0.02])
    return pose


def blend(start: Pose, end: Pose, amount: float) -> Pose:
    """Interpolate between two poses with easing: `amount` 0 is `start`, 1 is `end`."""
    eased = amount * amount * (3 - 2 * amount)
    return {joint: (1 - eased) * start[joint] + eased * end[joint] for joint in start}


def _leg(body: Proportions) -> float:
    return body.metres("thigh") + body.metres("shin")


def _ankle(body: Proportions) -> float:
    """Height of the ankle above the floor."""
    return 0.035 * body.height_m


def _upper_body(
    body: Proportions, pelvis: Vector, *, lean: float, spread: Mapping[str, float], forward: float
) -> dict[str, Vector]:
    """Torso, head and nearly straight arms above a pelvis.

    :param lean: angle of the torso to the front, in radians.
    :param spread: angle of each arm to its side, in radians from hanging.
    :param forward: angle of both arms to the front, in radians from hanging.
    """
    up = np.array([0.0, math.cos(lean), math.sin(lean)])
    neck = pelvis + up * body.metres("torso")
    head_up = np.array([0.0, math.cos(lean * 0.5), math.sin(lean * 0.5)])
    pose: dict[str, Vector] = {"pelvis": pelvis, "neck": neck, "head": neck + head_up * 0.11 * body.height_m}
    for side, sign in SIDES:
        shoulder = neck + np.array([sign * body.metres("shoulders"), 0.0, 0.0]) - up * 0.03
        angle = spread[side]
        direction = np.array(
            [
                sign * math.sin(angle),
                -math.cos(angle) * math.cos(forward),
                abs(math.cos(angle)) * math.sin(forward),
            ]
        )
        reach = (body.metres("upper_arm") + body.metres("forearm")) * 0.985
        pose[f"shoulder_{side}"] = shoulder
        pose |= _arm(body, shoulder, shoulder + direction * reach, side, pole=np.array([sign, -0.4, -1.0]))
    return pose


def _arm(body: Proportions, shoulder: Vector, hand: Vector, side: str, pole: Vector) -> dict[str, Vector]:
    elbow, hand = _two_bones(shoulder, hand, body.metres("upper_arm"), body.metres("forearm"), pole)
    return {f"elbow_{side}": elbow, f"hand_{side}": hand}


def _legs_to(body: Proportions, pelvis: Vector, *, stance: float, floor: float = 0.0) -> dict[str, Vector]:
    """Legs from a pelvis to feet `stance` metres to each side, at height `floor`."""
    legs: dict[str, Vector] = {}
    for side, sign in SIDES:
        hip = pelvis + np.array([sign * body.metres("hips"), 0.0, 0.0])
        foot = np.array([sign * stance, floor + _ankle(body), 0.0])
        knee, ankle = _two_bones(
            hip, foot, body.metres("thigh"), body.metres("shin"), np.array([sign * 0.35, 0.0, 1.0])
        )
        legs[f"hip_{side}"], legs[f"knee_{side}"], legs[f"ankle_{side}"] = hip, knee, ankle
        legs[f"toe_{side}"] = ankle + np.array([sign * 0.03, -0.025, 0.11]) * (body.height_m / 1.75)
    return legs


def _two_bones(root: Vector, end: Vector, first: float, second: float, pole: Vector) -> tuple[Vector, Vector]:
    """Positions of the joint between two bones and of their end, which is nearer than `end` if that is out of reach."""
    span = end - root
    distance = float(np.linalg.norm(span))
    along = span / distance
    distance = min(distance, (first + second) * 0.999)
    bend = (first**2 - second**2 + distance**2) / (2 * distance)
    aside = pole - along * float(pole @ along)
    aside /= np.linalg.norm(aside)
    joint = root + along * bend + aside * math.sqrt(max(first**2 - bend**2, 0.0))
    return joint, root + along * distance
