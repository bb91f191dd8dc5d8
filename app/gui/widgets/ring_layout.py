"""Where parcels, networks and connections lie on a ring of radius 1; nothing here draws."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats, Ints
from app.core.colours import network_names

GAP_RAD = 0.035  # between two networks
_POINTS = 25  # of the polyline that stands for a connection


@dataclass(frozen=True, slots=True)
class Segment:
    """One network's part of the ring; angles in radians, clockwise from the top."""

    network: str
    first_rad: float
    last_rad: float

    @property
    def middle_rad(self) -> float:
        """Where its name stands."""
        return (self.first_rad + self.last_rad) / 2.0


@dataclass(frozen=True, slots=True)
class RingLayout:
    """Angles of all parcels, in the matrix's network order."""

    angles_rad: Floats  # (parcel,), clockwise from the top
    segments: tuple[Segment, ...]

    def points(self, radius: float = 1.0) -> Floats:
        """(parcel, 2) x to the right, y down."""
        return radius * np.stack([np.sin(self.angles_rad), -np.cos(self.angles_rad)], axis=1)

    def curves(self, first: Ints, second: Ints) -> Floats:
        """(edge, point, 2) polylines between parcels, bent towards the centre.

        Neighbours are joined by a flat arc near the rim, so that short connections are seen.
        """
        rim = self.points()
        a, b = rim[np.asarray(first)], rim[np.asarray(second)]
        apart = np.linalg.norm(a - b, axis=1, keepdims=True) / 2.0  # 0..1
        control = (a + b) / 2.0 * (1.0 - 0.9 * apart) * (0.55 + 0.45 * apart)
        t = np.linspace(0.0, 1.0, _POINTS)[None, :, None]
        curves: Floats = (
            (1 - t) ** 2 * a[:, None] + 2 * (1 - t) * t * control[:, None] + t**2 * b[:, None]
        )
        return curves

    def parcel_near(self, x: float, y: float) -> int | None:
        """The parcel at the rim that a point of the ring's plane means; None off the rim."""
        if not 0.97 <= float(np.hypot(x, y)) <= 1.16:
            return None
        angle = float(np.arctan2(x, -y)) % (2 * np.pi)
        apart = np.abs((self.angles_rad - angle + np.pi) % (2 * np.pi) - np.pi)
        nearest = int(np.argmin(apart))
        return nearest if apart[nearest] < 2 * GAP_RAD else None


def ring_layout(order: Ints, networks: Sequence[str]) -> RingLayout:
    """Parcels in network order round the ring, clockwise from the top, networks apart.

    Parameters
    ----------
    order
        (parcel,) a network order: parcels of one network stand together.
    networks
        One a parcel, atlas order.
    """
    count, names = len(order), network_names(networks)
    step = (2 * np.pi - GAP_RAD * len(names)) / max(count, 1)
    angles, segments = np.zeros(count), []
    at = GAP_RAD / 2.0
    for network, group in itertools.groupby(order.tolist(), key=lambda parcel: networks[parcel]):
        begin = at
        for parcel in group:
            angles[parcel] = at + step / 2.0
            at += step
        segments.append(Segment(network, begin, at))
        at += GAP_RAD
    return RingLayout(angles, tuple(segments))


def nearest_curve(curves: Floats, x: float, y: float, within: float) -> int | None:
    """Index of the polyline nearest to a point, None where none lies within the distance."""
    if not len(curves):
        return None
    start, end = curves[:, :-1], curves[:, 1:]
    along = end - start
    length = np.maximum(np.square(along).sum(axis=2), 1e-12)
    to_point = np.array([x, y]) - start
    share = np.clip((to_point * along).sum(axis=2) / length, 0.0, 1.0)
    distance = np.linalg.norm(to_point - share[..., None] * along, axis=2).min(axis=1)
    nearest = int(np.argmin(distance))
    return nearest if distance[nearest] <= within else None


def label_places(angles_rad: Sequence[float], radius: float, step: float, room: float) -> Floats:
    """(label, 2) places beside the ring: in two columns, none nearer than `step` in height.

    Parameters
    ----------
    angles_rad
        Of what is named, clockwise from the top.
    radius
        Of the circle that labels stand on.
    step
        Least distance of two labels in one column.
    room
        Half the height that is there.
    """
    angles = np.asarray(angles_rad, dtype=float)
    places = radius * np.stack([np.sin(angles), -np.cos(angles)], axis=1)
    for right in (True, False):
        column = np.flatnonzero((places[:, 0] >= 0) == right)
        column = column[np.argsort(places[column, 1], kind="stable")]
        heights = spread(places[column, 1].tolist(), step, -room, room)
        places[column, 1] = heights
    return places


def spread(places: list[float], step: float, low: float, high: float) -> list[float]:
    """Sorted positions moved as little as need be: at least `step` apart, inside both ends."""
    made = [min(max(place, low), high) for place in places]
    for i in range(1, len(made)):
        made[i] = max(made[i], made[i - 1] + step)
    if made and made[-1] > high:
        made[-1] = high
        for i in range(len(made) - 2, -1, -1):
            made[i] = min(made[i], made[i + 1] - step)
    return made
