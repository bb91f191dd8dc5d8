"""Both hemispheres from outside and inside, drawn as flat polygons from back to front.

No 3-D engine: each triangle is projected orthographically, triangles that face away are left
out and the rest is painted in order of depth (painter's algorithm). The views are true, never
mirrored: words and letters say which side is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.core.arrays import Bools, Floats, Ints
from app.core.colours import HATCH, INK, LIGHT_OUTLINE, OUTLINE, SignedScale
from app.core.sides import UNKNOWN
from app.reporting.theme import axes_mm, bare, new_figure, unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# (title, hemisphere, sign of the viewer's place on the x axis); lateral of the left is from -x
VIEWS = (
    ("Left, lateral", "left", -1),
    ("Right, lateral", "right", 1),
    ("Left, medial", "left", 1),
    ("Right, medial", "right", -1),
)
_UNSIDED = ("One side, lateral", "Other side, lateral", "One side, medial", "Other side, medial")


@dataclass(frozen=True, slots=True)
class Projected:
    """Triangles that face the viewer, farthest first."""

    polygons: Floats  # (triangle, 3, 2), page mm: right, up
    face: Ints  # (triangle,), index into the mesh's faces
    light: Floats  # (triangle,), 0..1, cosine to the viewer


def project(vertices: Floats, faces: Ints, viewer: int) -> Projected:
    """Orthographic view along the x axis, from the left (-1) or the right (+1), up is up.

    Seen from the left the page's right is toward the back (-y), from the right it is toward the
    front (+y): the right-handed rule of a camera, so nothing is mirrored.
    """
    corners = np.asarray(vertices, dtype=np.float64)[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1)
    # faces may be wound either way: outward is away from the middle of the mesh
    outward = np.sign(np.einsum("ij,ij->", normal, corners.mean(1) - corners.mean((0, 1))))
    light = viewer * (outward or 1.0) * normal[:, 0] / np.maximum(length, 1e-12)
    front = np.flatnonzero(light > 0.0)
    depth = viewer * corners[front, :, 0].mean(axis=1)
    order = front[np.argsort(depth, kind="stable")]
    page = np.stack([viewer * corners[order, :, 1], corners[order, :, 2]], axis=-1)
    return Projected(page, order, light[order])


def _face_labels(labels: Ints, faces: Ints) -> tuple[Ints, Bools]:
    """Majority parcel of each triangle, and whether it crosses a border."""
    three = labels[faces]
    majority = np.where(three[:, 1] == three[:, 2], three[:, 1], three[:, 0])
    crossing = (three != three[:, :1]).any(axis=1)
    return majority.astype(np.int64), crossing


def face_colours(
    scene: Projected,
    mesh: Mapping[str, Any],
    side: str,
    values: Floats,
    unstable: Bools,
    scale: SignedScale,
) -> Floats:
    """Flat colour of each projected triangle, (triangle, 3) in 0..1.

    Outlines are dark, and light around a parcel that moved the estimate down: the two signs
    differ without colour.
    """
    labels, faces, sulc = (np.asarray(mesh[f"{key}_{side}"]) for key in ("labels", "faces", "sulc"))
    parcel, crossing = _face_labels(labels, faces)
    parcel, crossing = parcel[scene.face], crossing[scene.face]
    depth = (sulc[faces].mean(axis=1) > 0.0)[scene.face]
    grey = np.where(depth, 0.70, 0.84)
    colours = np.repeat(grey[:, None], 3, axis=1)
    shown = np.concatenate([[False], scale.shown(values)])[parcel]
    table = np.concatenate([[(0, 0, 0)], scale.rgb(values)]) / 255.0
    colours[shown] = table[parcel[shown]]
    middle = scene.polygons.mean(axis=1)
    stripes = np.floor(middle.sum(axis=1) / 3.0).astype(int) % 2 == 0
    striped = shown & stripes & np.concatenate([[False], unstable])[parcel]
    colours[striped] = unit(HATCH)
    sign = np.concatenate([[0], np.where(scale.shown(values), np.sign(np.nan_to_num(values)), 0)])
    corners = sign[labels[faces]][scene.face]
    outline = crossing & (corners != 0).any(axis=1)
    colours[outline] = unit(OUTLINE)
    # where two signs meet, each parcel keeps its own line
    colours[outline & (corners < 0).any(axis=1) & (sign[parcel] <= 0)] = unit(LIGHT_OUTLINE)
    shade = np.where(outline, 1.0, 0.72 + 0.28 * np.sqrt(scene.light))
    return np.asarray(colours * shade[:, None])


def surface_figure(
    mesh: Mapping[str, Any],
    values: Floats,
    unstable: Bools,
    scale: SignedScale,
    width_mm: float,
    height_mm: float,
    *,
    sides_known: bool = True,
) -> Figure:
    """Four views, two by two; subcortical parcels do not lie on this surface.

    No view is called left or right unless `sides_known`.
    """
    figure = new_figure(width_mm, height_mm)
    scenes = [
        project(mesh[f"inflated_{side}"], np.asarray(mesh[f"faces_{side}"]), viewer)
        for _, side, viewer in VIEWS
    ]
    spans = np.array([np.ptp(scene.polygons.reshape(-1, 2), axis=0) for scene in scenes])
    column, row = width_mm / 2, height_mm / 2
    per_mm = min((column - 9.0) / spans[:, 0].max(), (row - 5.0) / spans[:, 1].max())
    for number, (view, scene, span) in enumerate(zip(VIEWS, scenes, spans, strict=True)):
        wide, high = float(span[0]) * per_mm, float(span[1]) * per_mm
        left = (number % 2) * column + (column - wide) / 2
        base = height_mm - (number // 2 + 1) * row
        axes = axes_mm(figure, left, base + (row - 4.5 - high) / 2, wide, high)
        colours = face_colours(scene, mesh, view[1], values, unstable, scale)
        letters = ("A", "P") if view[2] < 0 else ("P", "A")
        _draw(axes, scene, colours, letters if sides_known else (UNKNOWN, UNKNOWN), wide)
        figure.text(
            ((number % 2) + 0.5) * column / width_mm,
            (base + row - 0.3) / height_mm,
            view[0] if sides_known else _UNSIDED[number],
            ha="center",
            va="top",
            fontsize=7.5,
            fontweight="semibold",
        )
    return figure


def _draw(
    axes: Axes, scene: Projected, colours: Floats, letters: tuple[str, str], wide_mm: float
) -> None:
    """One view with its letters at both ends."""
    from matplotlib.collections import PolyCollection

    bare(axes)
    axes.add_collection(
        PolyCollection(
            list(scene.polygons),
            facecolors=colours,
            edgecolors=colours,
            linewidths=0.25,
            antialiaseds=False,
            rasterized=True,
        )
    )
    corners = scene.polygons.reshape(-1, 2)
    axes.set_xlim(corners[:, 0].min(), corners[:, 0].max())
    axes.set_ylim(corners[:, 1].min(), corners[:, 1].max())
    first, last = letters
    for place, letter in ((-1.6 / wide_mm, first), (1 + 1.6 / wide_mm, last)):
        axes.text(
            place,
            0.5,
            letter,
            transform=axes.transAxes,
            fontsize=7.5,
            fontweight="semibold",
            color=unit(INK),
            ha="center",
            va="center",
        )
