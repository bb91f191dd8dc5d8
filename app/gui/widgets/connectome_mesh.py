"""Connections in space as plain triangles: spheres for parcels, tubes between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.arrays import Bools, Floats, Ints

NODE_RADIUS_MM = (1.6, 4.5)  # of a parcel with one connection, and with the most
TUBE_RADIUS_MM = (0.35, 1.4)  # of the weakest connection that is shown, and the strongest
_SIDES = 6  # of a tube


@dataclass(frozen=True, slots=True, eq=False)
class Connections:
    """The connections that are drawn in space."""

    centres_mm: Floats  # (parcel, 3), template mm; NaN where a parcel has no place
    first: Ints  # (edge,) 0-based parcels
    second: Ints
    values: Floats  # (edge,)
    edge_rgb: NDArray[np.uint8]  # (edge, 3)
    node_rgb: NDArray[np.uint8]  # (parcel, 3)

    @property
    def degree(self) -> Ints:
        """(parcel,) how many of the drawn connections touch each parcel."""
        ends = np.concatenate([self.first, self.second])
        counts: Ints = np.bincount(ends, minlength=len(self.centres_mm))
        return counts

    @property
    def nodes(self) -> Ints:
        """Parcels that at least one drawn connection touches and that have a place."""
        found: Ints = np.flatnonzero((self.degree > 0) & self._placed())
        return found

    @property
    def edges(self) -> Ints:
        """Indices of the connections whose two ends have a place."""
        there = self._placed()
        found: Ints = np.flatnonzero(there[self.first] & there[self.second])
        return found

    def _placed(self) -> Bools:
        """(parcel,) whether a parcel has a place."""
        return np.asarray(np.isfinite(self.centres_mm).all(axis=1), dtype=np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Triangles:
    """A mesh whose faces belong to something that can be picked."""

    points: Floats  # (point, 3)
    faces: Ints  # (face, 3)
    owner: Ints  # (face,) parcel or connection


def node_radius(degree: Ints) -> Floats:
    """Radius in mm: the area of a node grows with its number of connections."""
    most = max(int(np.max(degree, initial=1)), 1)
    low, high = NODE_RADIUS_MM
    share = (np.asarray(degree, dtype=float) - 1.0) / max(most - 1, 1)
    radius: Floats = np.sqrt(low**2 + np.clip(share, 0.0, 1.0) * (high**2 - low**2))
    return radius


def tube_radius(values: Floats) -> Floats:
    """Radius in mm: linear from the weakest to the strongest magnitude."""
    magnitude = np.abs(np.asarray(values, dtype=float))
    if magnitude.size == 0:
        return np.zeros(0)
    span = float(magnitude.max() - magnitude.min())
    low, high = TUBE_RADIUS_MM
    share = (magnitude - magnitude.min()) / span if span > 0 else np.full(magnitude.shape, 0.5)
    radius: Floats = low + share * (high - low)
    return radius


def node_spheres(connections: Connections) -> Triangles:
    """One sphere for each parcel of `Connections.nodes`."""
    nodes = connections.nodes
    return spheres(
        connections.centres_mm[nodes], node_radius(connections.degree[nodes]), owner=nodes
    )


def edge_tubes(connections: Connections) -> Triangles:
    """One straight tube for each connection of `Connections.edges`."""
    edges = connections.edges
    begin = connections.centres_mm[connections.first[edges]]
    end = connections.centres_mm[connections.second[edges]]
    return tubes(begin, end, tube_radius(connections.values[edges]), owner=edges)


def spheres(centres: Floats, radii: Floats, *, owner: Ints) -> Triangles:
    """A small ball at each centre, (n, 3), with its own radius."""
    unit, faces = _unit_sphere()
    count, corners = len(centres), len(unit)
    points = centres[:, None, :] + radii[:, None, None] * unit[None]
    shifted = faces[None] + corners * np.arange(count)[:, None, None]
    return Triangles(
        points.reshape(-1, 3), shifted.reshape(-1, 3), np.repeat(np.asarray(owner), len(faces))
    )


def tubes(begin: Floats, end: Floats, radii: Floats, *, owner: Ints) -> Triangles:
    """An open cylinder from each begin to each end, (n, 3)."""
    count = len(begin)
    along = np.asarray(end, dtype=float) - np.asarray(begin, dtype=float)
    length = np.linalg.norm(along, axis=1, keepdims=True)
    along = np.divide(along, length, out=np.tile([1.0, 0.0, 0.0], (count, 1)), where=length > 0)
    # Any direction that is not parallel gives the first of two that stand across.
    helper = np.where(np.abs(along[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    across = np.cross(along, helper)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    other = np.cross(along, across)
    angle = 2.0 * np.pi * np.arange(_SIDES) / _SIDES
    ring = (
        np.cos(angle)[None, :, None] * across[:, None]
        + np.sin(angle)[None, :, None] * other[:, None]
    ) * radii[:, None, None]
    points = np.concatenate([begin[:, None] + ring, end[:, None] + ring], axis=1)
    here = np.arange(_SIDES)
    following = (here + 1) % _SIDES
    faces = np.concatenate(
        [
            np.stack([here, following, here + _SIDES], axis=1),
            np.stack([following, following + _SIDES, here + _SIDES], axis=1),
        ]
    )
    shifted = faces[None] + 2 * _SIDES * np.arange(count)[:, None, None]
    return Triangles(
        points.reshape(-1, 3), shifted.reshape(-1, 3), np.repeat(np.asarray(owner), len(faces))
    )


def joined(parts: list[Triangles]) -> Triangles:
    """Several meshes as one."""
    counts = np.cumsum([0, *(len(part.points) for part in parts[:-1])])
    return Triangles(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.faces + n for part, n in zip(parts, counts, strict=True)]),
        np.concatenate([part.owner for part in parts]),
    )


def _unit_sphere() -> tuple[Floats, Ints]:
    """An octahedron whose faces were halved twice, its corners pushed onto the sphere."""
    points = np.array(
        [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float
    )
    faces = np.array(
        [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    )
    for _ in range(2):
        a, b, c = points[faces[:, 0]], points[faces[:, 1]], points[faces[:, 2]]
        middles = np.stack([a + b, b + c, c + a], axis=1)
        middles /= np.linalg.norm(middles, axis=2, keepdims=True)
        new = len(points) + np.arange(3 * len(faces)).reshape(-1, 3)
        points = np.concatenate([points, middles.reshape(-1, 3)])
        ab, bc, ca = new[:, 0], new[:, 1], new[:, 2]
        faces = np.concatenate(
            [
                np.stack([faces[:, 0], ab, ca], axis=1),
                np.stack([ab, faces[:, 1], bc], axis=1),
                np.stack([ca, bc, faces[:, 2]], axis=1),
                np.stack([ab, bc, ca], axis=1),
            ]
        )
    return points, faces
