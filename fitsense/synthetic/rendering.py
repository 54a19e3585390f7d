"""Renderer of an articulated figure: shaded capsules in front of a wall, ray cast with NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.synthetic.skeleton import SIDES, Pose
from fitsense.types import UInt8Array

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]


@attrs.frozen
class Camera:
    """Position and direction of the camera.

    :param azimuth_deg: 0 is in front of the figure, 90 at its left side.
    :param elevation_deg: angle above the horizon.
    :param distance_m: distance from `target`.
    :param field_of_view_deg: field of view along the picture's short side.
    :param target: point in the middle of the picture, in metres.
    """

    azimuth_deg: float = 35.0
    elevation_deg: float = 10.0
    distance_m: float = 3.9
    field_of_view_deg: float = 42.0
    target: tuple[float, float, float] = (0.0, 0.8, 0.0)


@attrs.frozen
class Appearance:
    """Colours of figure and room, RGB in 0..1, and girth.

    :param girth: 1 for average build.
    """

    skin: Colour = (0.80, 0.60, 0.47)
    hair: Colour = (0.20, 0.14, 0.10)
    shirt: Colour = (0.16, 0.42, 0.62)
    trousers: Colour = (0.17, 0.17, 0.20)
    shoes: Colour = (0.85, 0.85, 0.87)
    wall: Colour = (0.72, 0.72, 0.69)
    floor: Colour = (0.48, 0.40, 0.33)
    girth: float = 1.0


class Renderer:
    """Draws poses from one camera.

    :param size: (width, height) in pixels.
    :param height_m: height of the figure; girth scales with it.
    :param seed: seed of the textures of wall and floor.
    """

    def __init__(
        self, camera: Camera, appearance: Appearance, size: tuple[int, int], height_m: float = 1.75, seed: int = 0
    ) -> None:
        self._appearance = appearance
        self._scale = height_m / 1.75
        width, height = size
        azimuth, elevation = math.radians(camera.azimuth_deg), math.radians(camera.elevation_deg)
        back = np.array(
            [
                math.sin(azimuth) * math.cos(elevation),
                math.sin(elevation),
                math.cos(azimuth) * math.cos(elevation),
            ]
        )
        target = np.array(camera.target)
        self._eye: Floats = (target + back * camera.distance_m).astype(np.float32)
        right = np.cross([0.0, 1.0, 0.0], back)
        right /= np.linalg.norm(right)
        self._axes: Floats = np.stack([right, np.cross(back, right), -back]).astype(np.float32)
        self._focal = min(width, height) / 2 / math.tan(math.radians(camera.field_of_view_deg) / 2)
        columns = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / self._focal
        rows = (height / 2 - np.arange(height, dtype=np.float32) - 0.5) / self._focal
        rays = columns[None, :, None] * self._axes[0] + rows[:, None, None] * self._axes[1] + self._axes[2]
        self._rays: Floats = (rays / np.linalg.norm(rays, axis=-1, keepdims=True)).astype(np.float32)
        # Over the viewer's right shoulder.
        light = back + 0.9 * np.array([0.0, 1.0, 0.0]) + 0.5 * right
        self._light: Floats = (light / np.linalg.norm(light)).astype(np.float32)
        self._backdrop, self._ground = self._draw_backdrop(back, seed)

    def draw(self, pose: Pose) -> UInt8Array:
        """Draw the figure in `pose`: uint8 (height, width, 3)."""
        capsules = list(self._capsules(pose))
        picture = self._backdrop.copy()
        self._shade_ground(picture, capsules)
        depth = np.full(picture.shape[:2], np.inf, dtype=np.float32)
        for start, end, radius, colour in capsules:
            self._draw_capsule(picture, depth, start, end, radius, colour)
        return np.asarray(np.clip(picture, 0.0, 1.0) * 255.0 + 0.5, dtype=np.uint8)

    def _capsules(self, pose: Pose) -> Iterator[tuple[Floats, Floats, float, Colour]]:
        appearance = self._appearance

        def capsule(
            start: NDArray[np.float64], end: NDArray[np.float64], radius: float, colour: Colour
        ) -> tuple[Floats, Floats, float, Colour]:
            girth = 1.0 if colour == appearance.hair else appearance.girth
            return start.astype(np.float32), end.astype(np.float32), radius * self._scale * girth, colour

        pelvis, neck, head = pose["pelvis"], pose["neck"], pose["head"]
        up = (neck - pelvis) / np.linalg.norm(neck - pelvis)
        yield capsule(pelvis + up * 0.12, neck - up * 0.12, 0.125, appearance.shirt)
        yield capsule(pose["shoulder_l"] - up * 0.07, pose["shoulder_r"] - up * 0.07, 0.095, appearance.shirt)
        yield capsule(pose["hip_l"], pose["hip_r"], 0.105, appearance.trousers)
        yield capsule(neck - up * 0.05, head, 0.05, appearance.skin)
        yield capsule(head, head + (head - neck) * 0.25, 0.095, appearance.skin)
        yield capsule(head + (head - neck) * 0.32, head + (head - neck) * 0.42, 0.085, appearance.hair)
        for side, _ in SIDES:
            shoulder, elbow, hand = (pose[f"{joint}_{side}"] for joint in ("shoulder", "elbow", "hand"))
            hip, knee, ankle, toe = (pose[f"{joint}_{side}"] for joint in ("hip", "knee", "ankle", "toe"))
            sleeve = shoulder + (elbow - shoulder) * 0.5
            wrist = elbow + (hand - elbow) * 0.78
            shorts = hip + (knee - hip) * 0.6
            yield capsule(shoulder, sleeve, 0.055, appearance.shirt)
            yield capsule(sleeve, elbow, 0.044, appearance.skin)
            yield capsule(elbow, wrist, 0.037, appearance.skin)
            yield capsule(wrist, hand, 0.040, appearance.skin)
            yield capsule(hip, shorts, 0.082, appearance.trousers)
            yield capsule(shorts, knee, 0.064, appearance.skin)
            yield capsule(knee, ankle, 0.052, appearance.skin)
            yield capsule(ankle, toe, 0.045, appearance.shoes)

    def _draw_backdrop(self, back: NDArray[np.float64], seed: int) -> tuple[Floats, tuple[Floats, Floats, Floats]]:
        """Draw the empty room; also return the floor: indices of its pixels, and their x and z in metres."""
        random = np.random.default_rng(seed)
        appearance, rays = self._appearance, self._rays
        behind = 2.2 + random.uniform(0.0, 1.2)
        away = np.array([back[0], 0.0, back[2]]) / math.hypot(back[0], back[2])
        with np.errstate(divide="ignore", invalid="ignore"):
            to_floor = np.where(rays[..., 1] < -1e-6, -self._eye[1] / rays[..., 1], np.inf)
            to_wall = (-behind - float(self._eye @ away)) / (rays @ away.astype(np.float32))
        to_wall = np.where(to_wall > 0, to_wall, np.inf)
        is_floor = to_floor < to_wall
        points = self._eye + rays * np.minimum(np.minimum(to_floor, to_wall), 50.0)[..., None]
        boards = 0.5 + 0.5 * np.sign(
            np.sin(points[..., 0] * random.uniform(5, 14) + points[..., 2] * random.uniform(0, 6))
        )
        floor = np.array(appearance.floor) * (0.88 + 0.12 * boards)[..., None]
        # The wall's stripes, shelf or window frames: a few random rectangles.
        along = points @ np.cross([0.0, 1.0, 0.0], away).astype(np.float32)
        wall = np.array(appearance.wall) * (0.82 + 0.09 * np.clip(points[..., 1], 0, 3))[..., None]
        for _ in range(random.integers(0, 5)):
            left, bottom = random.uniform(-3, 2.5), random.uniform(0.0, 1.8)
            inside = (along > left) & (along < left + random.uniform(0.3, 1.4))
            inside &= (points[..., 1] > bottom) & (points[..., 1] < bottom + random.uniform(0.3, 1.5))
            wall[inside] = wall[inside] * 0.5 + 0.5 * random.uniform(0.1, 0.9, 3)
        picture = np.where(is_floor[..., None], floor, wall)
        picture += random.normal(0.0, 0.012, picture.shape[:2])[..., None]
        ground = (
            np.flatnonzero(is_floor),
            points[..., 0][is_floor].astype(np.float32),
            points[..., 2][is_floor].astype(np.float32),
        )
        return picture.astype(np.float32), ground  # type: ignore[return-value]

    def _shade_ground(self, picture: Floats, capsules: list[tuple[Floats, Floats, float, Colour]]) -> None:
        """Draw a soft shadow below the figure."""
        where, x, z = self._ground
        heights = [max(0.0, float(start[1] + end[1]) / 2 - radius) for start, end, radius, _ in capsules]
        reaches = [radius * 1.3 + 0.25 * height for (_, _, radius, _), height in zip(capsules, heights, strict=True)]
        # Most of the floor is far from all of them.
        around = _near(x, z, np.stack([point for start, end, _, _ in capsules for point in (start, end)]), max(reaches))
        where, x, z = where[around], x[around], z[around]
        light = np.ones_like(x)
        for (start, end, _, _), height, reach in zip(capsules, heights, reaches, strict=True):
            near = _near(x, z, np.stack([start, end]), reach)
            if not near.any():
                continue
            px, pz = x[near] - start[0], z[near] - start[2]
            dx, dz = float(end[0] - start[0]), float(end[2] - start[2])
            along = np.clip((px * dx + pz * dz) / max(dx * dx + dz * dz, 1e-6), 0.0, 1.0)
            distance = np.hypot(px - along * dx, pz - along * dz)
            shade = np.clip(1.0 - distance / reach, 0.0, 1.0) * 0.55 / (1.0 + 1.5 * height)
            light[near] = np.minimum(light[near], 1.0 - shade)
        flat = picture.reshape(-1, 3)
        flat[where] *= light[:, None]

    def _draw_capsule(
        self, picture: Floats, depth: Floats, start: Floats, end: Floats, radius: float, colour: Colour
    ) -> None:
        box = self._bounds(start, end, radius, depth.shape)
        if box is None:
            return
        rays = self._rays[box]
        # Ray against capsule: the cylinder first, then whichever cap is hit beyond its ends.
        axis = end - start
        from_start, from_end = self._eye - start, self._eye - end
        axis_axis = float(axis @ axis)
        axis_ray = rays @ axis
        axis_from = float(axis @ from_start)
        ray_start, ray_end = rays @ from_start, rays @ from_end
        a = axis_axis - axis_ray * axis_ray
        b = axis_axis * ray_start - axis_from * axis_ray
        c = axis_axis * float(from_start @ from_start) - axis_from**2 - radius * radius * axis_axis
        root = b * b - a * c
        start_gap = ray_start * ray_start - float(from_start @ from_start) + radius * radius
        end_gap = ray_end * ray_end - float(from_end @ from_end) + radius * radius
        # The rest of the box does not meet the capsule.
        visible = (root >= 0) | (start_gap > 0) | (end_gap > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (-b[visible] - np.sqrt(np.maximum(root[visible], 0.0))) / np.maximum(a[visible], 1e-9)
        along = axis_from + distance * axis_ray[visible]
        inside = (root[visible] >= 0) & (along > 0) & (along < axis_axis)
        best = np.where(inside, distance, np.float32(np.inf))
        for toward, gap in ((ray_start[visible], start_gap[visible]), (ray_end[visible], end_gap[visible])):
            hit = np.where(gap > 0, -toward - np.sqrt(np.maximum(gap, 0.0)), np.inf)
            best = np.minimum(best, hit)
        nearest = (best > 0.05) & (best < depth[box][visible])
        best = best[nearest]
        if not best.size:
            return
        visible[visible] = nearest
        reach = best[:, None]
        points = self._eye + rays[visible] * reach
        share = np.clip((points - start) @ axis / max(axis_axis, 1e-9), 0.0, 1.0)
        normals = (points - start - share[:, None] * axis) / radius
        facing = normals @ self._light
        rim = 1.0 + (normals * rays[visible]).sum(axis=1)
        shade = 0.42 + 0.55 * np.clip(facing, 0.0, 1.0) - 0.18 * rim * rim
        depth[box][visible] = best
        picture[box][visible] = np.asarray(colour, dtype=np.float32) * shade[:, None]

    def _bounds(self, start: Floats, end: Floats, radius: float, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
        """The pixels that a capsule can cover; None if it is out of the picture."""
        corners = []
        for point in (start, end):
            x, y, z = self._axes @ (point - self._eye)
            if z <= radius:
                return (slice(0, shape[0]), slice(0, shape[1]))
            column, row = shape[1] / 2 + self._focal * x / z, shape[0] / 2 - self._focal * y / z
            # A sphere's picture is a little larger than its radius over its distance.
            spread = 1.3 * self._focal * radius / (z - radius) + 1
            corners.append((row - spread, row + spread, column - spread, column + spread))
        top, bottom = min(c[0] for c in corners), max(c[1] for c in corners)
        left, right = min(c[2] for c in corners), max(c[3] for c in corners)
        rows = slice(max(0, int(top)), min(shape[0], int(bottom) + 1))
        columns = slice(max(0, int(left)), min(shape[1], int(right) + 1))
        return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def _near(x: Floats, z: Floats, points: Floats, reach: float) -> NDArray[np.bool_]:
    """Mask of the floor positions within `reach` of the bounding rectangle of `points`, with the shape of `x`."""
    lowest, highest = points.min(axis=0), points.max(axis=0)
    return np.asarray(
        (x > lowest[0] - reach) & (x < highest[0] + reach) & (z > lowest[2] - reach) & (z < highest[2] + reach)
    )
