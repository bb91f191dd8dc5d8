"""The pixels of what lies on a slice: layers, the selected parcel, outlines of masks.

A layer is turned once into a table (a parcel map) or a volume of colours (any other map); a
slice then only looks up what lies under each pixel, nearest neighbour, so that edges are sharp.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.arrays import Bools, Floats
from app.core.colour_maps import LayerScale, as_layer_scale, colour_table
from app.gui.widgets.overlay import Overlay

_SELECTED = (255, 235, 59)  # outline of the selected parcel; in no colour table
_HATCH_STEP_PX = 5
_DASH_PX = 4
_HATCH = (120, 124, 130)
_LIGHT = (250, 250, 250)  # line inside parcels below zero, as in the report

AtPixels = Callable[[NDArray[Any]], NDArray[Any]]  # a volume -> what lies under each pixel
Pixels = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Outline:
    """The rim of a mask on the picture's grid; dashed ones stay apart without their colour."""

    mask: Bools  # (x, y, z)
    colour: tuple[int, int, int]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class ParcelPaint:
    """Whole parcels in one colour each, outlined; unstable ones hatched.

    Both ends of a signed map are equally dark: without colour, a light line inside the outline
    tells values below zero from those above.
    """

    table: Pixels  # (parcel + 1,) premultiplied ARGB, entry 0 = no parcel
    hatched: Bools  # (parcel + 1,)
    seam: int  # ARGB of the line between parcels
    mask: Bools | None = None  # (x, y, z) nothing is painted outside
    below: Bools | None = None  # (parcel + 1,) values below zero


@dataclass(frozen=True, slots=True)
class VoxelPaint:
    """A map that is no parcel map: one colour a voxel."""

    argb: Pixels  # (x, y, z) premultiplied, 0 = nothing


Paint = ParcelPaint | VoxelPaint


def overlay_paint(overlay: Overlay, opacity: float, mask: Bools | None = None) -> ParcelPaint:
    """A parcel map as it is painted."""
    count = len(overlay.values)
    alpha = np.zeros(count + 1)
    alpha[1:] = np.where(overlay.shown, opacity, 0.0)
    colour = np.zeros((count + 1, 3))
    colour[1:] = as_layer_scale(overlay.scale).rgb(overlay.values)
    hatched = np.zeros(count + 1, dtype=bool)
    hatched[1:] = overlay.disagreeing & overlay.shown
    below = np.zeros(count + 1, dtype=bool)
    below[1:] = (np.nan_to_num(overlay.values) < 0.0) & overlay.shown
    table, seam = _premultiplied(colour, alpha), argb(10, 12, 16, opacity)
    return ParcelPaint(table, hatched, seam, mask, below if below.any() else None)


def voxel_paint(values: Floats, shown: Bools, scale: LayerScale, opacity: float) -> VoxelPaint:
    """A map of voxels, (x, y, z), as it is painted; only where it is shown."""
    table = _premultiplied(
        colour_table(scale.colour_map).astype(np.float64), np.full(256, float(opacity))
    )
    pixels = np.zeros(np.shape(values), dtype=np.uint32)
    pixels[shown] = table[scale.index(np.asarray(values)[shown])]
    return VoxelPaint(pixels)


def paint_layers(
    paints: tuple[Paint, ...], labels: NDArray[Any] | None, at: AtPixels, thick: int
) -> list[Pixels]:
    """One picture a layer, from the lowest to the highest.

    Parameters
    ----------
    labels
        (x, y, z) 1-based parcels of the grid, for parcel maps.
    thick
        Device pixels of a line.
    """
    found: list[Pixels] = []
    label = edge = None
    for paint in paints:
        if isinstance(paint, VoxelPaint):
            found.append(np.ascontiguousarray(at(paint.argb)))
            continue
        if labels is None:
            continue
        if label is None:
            label = at(labels).astype(np.int32)
            edge = _borders(label, thick)
        assert edge is not None
        found.append(_parcel_pixels(paint, label, edge, at, thick))
    return found


def _parcel_pixels(
    paint: ParcelPaint, label: NDArray[Any], edge: Bools, at: AtPixels, thick: int
) -> Pixels:
    bounded = np.where(label < len(paint.table), label, 0)
    pixels = paint.table[bounded]
    shown = pixels != 0
    if paint.mask is not None:
        shown &= at(paint.mask).astype(bool)
        pixels[~shown] = 0
        edge = edge | _borders(shown, thick)
    if paint.below is not None:
        inner = paint.below[bounded] & shown
        if inner.any():  # one line wide: a small parcel keeps its colour
            pixels[inner & _borders(label, 2 * thick)] = argb(*_LIGHT, 1.0)
    pixels[edge & shown] = paint.seam
    if paint.hatched.any():
        rows, columns = np.indices(label.shape, sparse=True)
        stripe = (rows + columns) % (_HATCH_STEP_PX * thick) < thick
        pixels[paint.hatched[bounded] & stripe & shown] = argb(*_HATCH, 1.0)
    return np.ascontiguousarray(pixels)


def selected_pixels(inside: Bools, thick: int) -> Pixels:
    """The rim of what is selected: a parcel, or a network as a whole."""
    pixels = np.zeros(inside.shape, dtype=np.uint32)
    pixels[_rim(inside, 2 * thick)] = argb(*_SELECTED, 1.0)
    return pixels


def outline_pixels(inside: Bools, outline: Outline, thick: int) -> Pixels:
    """Premultiplied ARGB of a mask's rim, on a dark seam that keeps it clear of the picture."""
    pixels = np.zeros(inside.shape, dtype=np.uint32)
    pixels[_rim(inside, 2 * thick)] = argb(0, 0, 0, 0.45)
    drawn = _rim(inside, thick)
    if outline.dashed:
        rows, columns = np.indices(inside.shape, sparse=True)
        drawn = drawn & ((rows + columns) // (_DASH_PX * thick) % 2 == 0)
    pixels[drawn] = argb(*outline.colour, 1.0)
    return np.ascontiguousarray(pixels)


def _borders(label: NDArray[Any], thick: int) -> Bools:
    """Pixels on both sides of a change of value."""
    edge = np.zeros(label.shape, dtype=bool)
    across = label[:, thick:] != label[:, :-thick]
    down = label[thick:] != label[:-thick]
    edge[:, thick:] |= across
    edge[:, :-thick] |= across
    edge[thick:] |= down
    edge[:-thick] |= down
    return edge


def _rim(inside: Bools, width: int) -> Bools:
    """The outer rim of a region, `width` pixels wide, so that small parcels stay visible."""
    grown: Bools = inside.copy()
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if rows.size == 0:
        return grown  # most often: the region is not on this slice
    # Only around the region: most of a picture is far from it.
    part = np.s_[
        max(rows[0] - width, 0) : rows[-1] + width + 1,
        max(columns[0] - width, 0) : columns[-1] + width + 1,
    ]
    near = grown[part]
    for _ in range(width):
        last = near.copy()
        near[1:] |= last[:-1]
        near[:-1] |= last[1:]
        near[:, 1:] |= last[:, :-1]
        near[:, :-1] |= last[:, 1:]
    return grown & ~inside


def _premultiplied(rgb: NDArray[np.float64], alpha: NDArray[np.float64]) -> Pixels:
    scaled = np.rint(rgb * alpha[:, None]).astype(np.uint32)
    opaque = np.rint(alpha * 255).astype(np.uint32)
    packed = (opaque << 24) | (scaled[:, 0] << 16) | (scaled[:, 1] << 8) | scaled[:, 2]
    return np.asarray(packed, dtype=np.uint32)


def argb(red: int, green: int, blue: int, alpha: float) -> int:
    """One colour, premultiplied."""
    a = round(alpha * 255)
    return a << 24 | round(red * alpha) << 16 | round(green * alpha) << 8 | round(blue * alpha)
