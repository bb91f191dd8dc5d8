"""What the canvases of a slice view share, and the pixels of its parcels and outlines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.arrays import Bools, Floats, Ints
from app.gui.widgets.overlay import Overlay

_SELECTED = (255, 235, 59)  # outline of the selected parcel; in no colour table
_HATCH_STEP_PX = 5
_DASH_PX = 4

Corner = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Outline:
    """The rim of a mask on the picture's grid; dashed ones stay apart without their colour."""

    mask: Bools  # (x, y, z)
    colour: tuple[int, int, int]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class SliceContent:
    """What the three canvases of a view share."""

    volume: Ints | Floats  # (x, y, z), RAS+ grid
    affine: Floats  # (4, 4)
    levels: tuple[float, float]  # black and white
    labels: Ints | None = None  # (x, y, z) 1-based parcels on the same grid
    overlay: Overlay | None = None
    opacity: float = 1.0
    selected: int | None = None  # 0-based parcel
    convention_word: str = "Radiological"
    secondary_letters: bool = True
    orientation_known: bool = True
    box: tuple[Corner, Corner] | None = None  # voxels that should fill the canvas; None = all
    outlines: tuple[Outline, ...] = ()
    colours: NDArray[np.uint8] | None = None  # (256, 3) from low to high level; None = grey
    caption: str = ""  # what the picture is, written on it


def parcel_pixels(
    label: NDArray[np.int64], content: SliceContent, thick: int
) -> NDArray[np.uint32]:
    """Premultiplied ARGB of parcels, outlines and hatching; label (row, column) is 1-based."""
    pixels = np.zeros(label.shape, dtype=np.uint32)
    edge = np.zeros(label.shape, dtype=bool)
    edge[:, thick:] |= label[:, thick:] != label[:, :-thick]
    edge[:, :-thick] |= label[:, thick:] != label[:, :-thick]
    edge[thick:] |= label[thick:] != label[:-thick]
    edge[:-thick] |= label[thick:] != label[:-thick]
    overlay = content.overlay
    if overlay is not None:
        count = len(overlay.values)
        alpha = np.zeros(count + 1, dtype=np.float64)
        alpha[1:] = np.where(overlay.shown, content.opacity, 0.0)
        colour = np.zeros((count + 1, 3))
        colour[1:] = overlay.rgb()
        table = _premultiplied(colour, alpha)
        bounded = np.where(label <= count, label, 0)
        pixels = table[bounded]
        shown = alpha[bounded] > 0
        pixels[edge & shown] = _argb(10, 12, 16, content.opacity)
        hatched = np.zeros(count + 1, dtype=bool)
        hatched[1:] = overlay.disagreeing & overlay.shown
        rows, columns = np.indices(label.shape, sparse=True)
        stripe = (rows + columns) % (_HATCH_STEP_PX * thick) < thick
        pixels[hatched[bounded] & stripe] = _argb(120, 124, 130, 1.0)
    if content.selected is not None:
        inside = label == content.selected + 1
        pixels[_rim(inside, 2 * thick)] = _argb(*_SELECTED, 1.0)
    return np.ascontiguousarray(pixels)


def outline_pixels(inside: NDArray[np.bool_], outline: Outline, thick: int) -> NDArray[np.uint32]:
    """Premultiplied ARGB of a mask's rim, on a dark seam that keeps it clear of the picture."""
    pixels = np.zeros(inside.shape, dtype=np.uint32)
    pixels[_rim(inside, 2 * thick)] = _argb(0, 0, 0, 0.45)
    drawn = _rim(inside, thick)
    if outline.dashed:
        rows, columns = np.indices(inside.shape, sparse=True)
        drawn = drawn & ((rows + columns) // (_DASH_PX * thick) % 2 == 0)
    pixels[drawn] = _argb(*outline.colour, 1.0)
    return np.ascontiguousarray(pixels)


def _rim(inside: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """The outer rim of a region, `width` pixels wide, so that small parcels stay visible."""
    grown = inside.copy()
    for _ in range(width):
        last = grown.copy()
        grown[1:] |= last[:-1]
        grown[:-1] |= last[1:]
        grown[:, 1:] |= last[:, :-1]
        grown[:, :-1] |= last[:, 1:]
    return grown & ~inside


def _premultiplied(rgb: NDArray[np.float64], alpha: NDArray[np.float64]) -> NDArray[np.uint32]:
    scaled = np.rint(rgb * alpha[:, None]).astype(np.uint32)
    opaque = np.rint(alpha * 255).astype(np.uint32)
    argb = (opaque << 24) | (scaled[:, 0] << 16) | (scaled[:, 1] << 8) | scaled[:, 2]
    return np.asarray(argb, dtype=np.uint32)


def _argb(red: int, green: int, blue: int, alpha: float) -> int:
    a = round(alpha * 255)
    return a << 24 | round(red * alpha) << 16 | round(green * alpha) << 8 | round(blue * alpha)
