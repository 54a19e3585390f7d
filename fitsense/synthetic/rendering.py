"""Renderer of an articulated figure: shaded capsules in front of a wall, ray cast with NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

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


@attrs.frozen(eq=False)
class _Capsules:
    """Capsules of a figure, float32: axes from `starts` to `ends`, (capsules, 3), `radii`, and `colours`."""

    starts: Floats
    ends: Floats
    radii: Floats
    colours: Floats

    @classmethod
    def of(cls, capsules: Iterable[tuple[NDArray[np.float64], NDArray[np.float64], float, Colour]]) -> _Capsules:
        return cls(*(np.array(part, np.float32) for part in zip(*capsules, strict=True)))


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
        capsules = _Capsules.of(self._capsules(pose))
        picture = self._backdrop.copy()
        self._shade_ground(picture, capsules)
        self._draw_capsules(picture, capsules)
        return np.asarray(np.clip(picture, 0.0, 1.0) * 255.0 + 0.5, dtype=np.uint8)

    def _capsules(self, pose: Pose) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], float, Colour]]:
        appearance = self._appearance

        def capsule(
            start: NDArray[np.float64], end: NDArray[np.float64], radius: float, colour: Colour
        ) -> tuple[NDArray[np.float64], NDArray[np.float64], float, Colour]:
            girth = 1.0 if colour == appearance.hair else appearance.girth
            return start, end, radius * self._scale * girth, colour

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

    def _shade_ground(self, picture: Floats, capsules: _Capsules) -> None:
        """Draw a soft shadow below the figure."""
        where, x, z = self._ground
        heights = np.maximum(0.0, (capsules.starts[:, 1] + capsules.ends[:, 1]) / 2 - capsules.radii)
        reaches = capsules.radii * 1.3 + 0.25 * heights
        lowest = np.minimum(capsules.starts, capsules.ends) - reaches[:, None]
        highest = np.maximum(capsules.starts, capsules.ends) + reaches[:, None]
        # Most of the floor is far from all of them.
        around = np.flatnonzero(_inside(x, z, lowest.min(axis=0), highest.max(axis=0)))
        where, x, z = (each.take(around) for each in (where, x, z))
        # Pairs of a capsule and a place near it.
        which, at = np.nonzero(_inside(x, z, lowest[:, :, None], highest[:, :, None]))
        # `take` is several times as fast as indexing.
        start_x, _, start_z = capsules.starts.T.take(which, axis=1)
        dx, _, dz = (capsules.ends - capsules.starts).T.take(which, axis=1)
        px, pz = x.take(at) - start_x, z.take(at) - start_z
        along = _clipped((px * dx + pz * dz) / np.maximum(dx * dx + dz * dz, 1e-6))
        distance = np.hypot(px - along * dx, pz - along * dz)
        shade = _clipped(1.0 - distance / reaches.take(which)) * 0.55 / (1.0 + 1.5 * heights).take(which)
        light = np.ones_like(x)
        np.minimum.at(light, at, 1.0 - shade)
        picture.reshape(-1, 3)[where] *= light[:, None]

    def _draw_capsules(self, picture: Floats, capsules: _Capsules) -> None:
        """Draw the figure: in each pixel, the capsule that its ray meets first."""
        pixels, which = self._candidates(capsules)
        rays = self._rays.reshape(-1, 3).take(pixels, axis=0)
        # Ray against capsule: the cylinder first, then whichever cap is hit beyond its ends.
        axes = capsules.ends - capsules.starts
        from_start, from_end = self._eye - capsules.starts, self._eye - capsules.ends
        axis_axis, axis_from = _dot(axes, axes), _dot(axes, from_start)
        start_start, end_end = _dot(from_start, from_start), _dot(from_end, from_end)
        square = capsules.radii * capsules.radii
        # A small difference of large numbers.
        exactly = axis_axis.astype(np.float64)
        c = (exactly * start_start - axis_from.astype(np.float64) ** 2 - exactly * square).astype(np.float32)
        axis_ray, ray_start, ray_end = (
            _dot(rays, vectors.take(which, axis=0)) for vectors in (axes, from_start, from_end)
        )
        length, offset, square = axis_axis.take(which), axis_from.take(which), square.take(which)
        a = length - axis_ray * axis_ray
        b = length * ray_start - offset * axis_ray
        root = b * b - a * c.take(which)
        start_gap = ray_start * ray_start - start_start.take(which) + square
        end_gap = ray_end * ray_end - end_end.take(which) + square
        distance = (-b - np.sqrt(np.maximum(root, 0.0))) / np.maximum(a, 1e-9)
        along = offset + distance * axis_ray
        best = np.where((root >= 0) & (along > 0) & (along < length), distance, np.float32(np.inf))
        for toward, gap in ((ray_start, start_gap), (ray_end, end_gap)):
            best = np.minimum(best, np.where(gap > 0, -toward - np.sqrt(np.maximum(gap, 0.0)), np.float32(np.inf)))
        hit = np.flatnonzero((best > 0.05) & np.isfinite(best))
        # The first of each pixel, from near to far.
        hit = hit.take(np.lexsort((best.take(hit), pixels.take(hit))))
        hit = hit[np.diff(pixels.take(hit), prepend=-1) != 0]
        pixels, which, rays = pixels.take(hit), which.take(hit), rays.take(hit, axis=0)
        offsets = rays * best.take(hit)[:, None] + from_start.take(which, axis=0)
        axis = axes.take(which, axis=0)
        share = _clipped(_dot(offsets, axis) / np.maximum(axis_axis, 1e-9).take(which))
        normals = (offsets - share[:, None] * axis) / capsules.radii.take(which)[:, None]
        rim = 1.0 + _dot(normals, rays)
        shade = 0.42 + 0.55 * _clipped(normals @ self._light) - 0.18 * rim * rim
        picture.reshape(-1, 3)[pixels] = capsules.colours.take(which, axis=0) * shade[:, None]

    def _candidates(self, capsules: _Capsules) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Pixels that capsules can cover, as indices into the flat picture, and the capsule of each."""
        height, width, _ = self._backdrop.shape
        x, y, z = ((np.stack([capsules.starts, capsules.ends]) - self._eye) @ self._axes.T).transpose(2, 0, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            columns, rows = width / 2 + self._focal * x / z, height / 2 - self._focal * y / z
            # A sphere's picture is a little larger than its radius over its distance.
            spreads = 1.3 * self._focal * capsules.radii / (z - capsules.radii) + 1
        # A capsule beside the camera may be anywhere.
        everywhere = (z <= capsules.radii).any(axis=0)
        sides = []
        for middles, length in ((rows, height), (columns, width)):
            first = np.where(everywhere, 0, (middles - spreads).min(axis=0)).clip(0, length)
            last = np.where(everywhere, length, (middles + spreads).max(axis=0) + 1).clip(0, length)
            sides.append(zip(first.astype(int).tolist(), last.astype(int).tolist(), strict=True))
        places = np.arange(height * width).reshape(height, width)
        boxes = [places[top:bottom, left:right].ravel() for (top, bottom), (left, right) in zip(*sides, strict=True)]
        return np.concatenate(boxes), np.repeat(np.arange(len(boxes)), [box.size for box in boxes])


def _inside(
    x: Floats, z: Floats, lowest: NDArray[np.floating[Any]], highest: NDArray[np.floating[Any]]
) -> NDArray[np.bool_]:
    """Mask of the floor positions between corners, (3, ...) or (capsules, 3, ...), with the shape of `x`."""
    axis = 0 if lowest.ndim == 1 else 1
    (left, _, back), (right, _, front) = np.moveaxis(lowest, axis, 0), np.moveaxis(highest, axis, 0)
    return np.asarray((x > left) & (x < right) & (z > back) & (z < front))


def _dot(one: Floats, other: Floats) -> Floats:
    """Scalar products of vectors, (vectors, 3)."""
    products: Floats = one * other
    return np.asarray(products[:, 0] + products[:, 1] + products[:, 2])


def _clipped(values: Floats) -> Floats:
    """Values limited to 0..1; faster than `np.clip` where there are few."""
    return np.minimum(np.maximum(values, 0.0), 1.0)
