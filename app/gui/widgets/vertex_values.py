"""Values at the vertices of a surface as colours of its faces, and as a table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.core.arrays import Bools, Floats, Ints
from app.core.colour_maps import LayerScale
from app.gui.widgets.layer_stack import DrawnLayer
from app.gui.widgets.tables import Cell, Table


def face_values(values: Floats, faces: Ints, *, labels: bool) -> Floats:
    """(face,) the mean of a face's vertices that have a value; of labels, one that two share.

    NaN where no vertex has a value, and where all three labels differ.
    """
    corners = np.asarray(values, dtype=np.float64)[faces]
    if labels:
        first, second, third = corners.T
        shared = np.where((first == second) | (first == third), first, np.nan)
        return np.asarray(np.where(second == third, second, shared))
    there = np.isfinite(corners)
    count = there.sum(axis=1)
    total = np.where(there, corners, 0.0).sum(axis=1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def painted(
    values: Floats, grey: NDArray[np.float64], scale: LayerScale, opacity: float
) -> NDArray[np.uint8]:
    """(face, 3) the scale's colour over the surface's own grey, where the value is shown."""
    shown: Bools = scale.shown(values)
    base = np.repeat(grey[:, None], 3, axis=1)
    mixed = opacity * scale.rgb(values).astype(np.float64) + (1.0 - opacity) * base
    return np.where(shown[:, None], mixed, base).astype(np.uint8)


def vertex_table(drawn: DrawnLayer) -> Table:
    """One row a vertex of the map, as it is stored."""
    rows: list[tuple[Cell, ...]] = []
    for side, values in drawn.vertices:
        rows += [(side, index, float(value)) for index, value in enumerate(np.asarray(values))]
    return Table(("hemisphere", "vertex (first = 0)", drawn.scale.unit), rows)
