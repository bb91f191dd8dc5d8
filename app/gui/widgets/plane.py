"""How a plane of a volume lies on the screen: which axis goes where, which letters stand around it.

Data are never flipped; a plane tells how voxel indices map to the screen, and its letters come
from the affine. The same rules serve the window's canvases and the pictures made of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats

PLANES = ("sagittal", "coronal", "axial")
_ACROSS = {"sagittal": 1, "coronal": 0, "axial": 0}
_UP = {"sagittal": 2, "coronal": 2, "axial": 1}
_THROUGH = {"sagittal": 0, "coronal": 1, "axial": 2}
_LETTERS = (("R", "L"), ("A", "P"), ("S", "I"))
_SECOND_LETTER_DEG = 20.0  # an axis tilted more than this carries two letters


@dataclass(frozen=True, slots=True)
class Plane:
    """One orthogonal plane of a grid in closest-canonical (RAS+) order."""

    name: str
    across: int  # voxel axis that runs along the screen's rows
    up: int  # voxel axis that runs up the screen
    through: int  # voxel axis that the slice number counts
    mirrored: bool  # the across axis runs from right to left


def plane(name: str, *, convention: str, nose: str) -> Plane:
    """Lay one of `PLANES` on the screen.

    Radiological: the participant's left is on the right of coronal and axial pictures, so the
    x axis (which grows to the right of the participant) runs from right to left. The sagittal
    nose is a setting of its own.
    """
    mirrored = nose == "left" if name == "sagittal" else convention == "radiological"
    return Plane(name, _ACROSS[name], _UP[name], _THROUGH[name], mirrored)


def axis_letters(affine: Floats, axis: int) -> tuple[str, str]:
    """Letters at the high and the low end of a voxel axis, one or two of them each.

    The first names the world axis that the voxel axis follows most; a second is added where the
    tilt towards another exceeds 20 degrees.
    """
    direction = np.asarray(affine, dtype=float)[:3, axis]
    norm = float(np.linalg.norm(direction))
    if norm == 0.0 or not np.isfinite(norm):
        return "?", "?"
    direction = direction / norm
    order = np.argsort(-np.abs(direction), kind="stable")
    high = low = ""
    for rank, world in enumerate(order[:2]):
        part = float(direction[world])
        if rank == 1 and abs(part) < np.sin(np.deg2rad(_SECOND_LETTER_DEG)):
            break
        positive, negative = _LETTERS[world]
        high += positive if part > 0 else negative
        low += negative if part > 0 else positive
    return high, low


def edge_letters(shown: Plane, affine: Floats, *, known: bool = True) -> dict[str, str]:
    """Letters for the left, right, top and bottom of the screen; "?" if not known."""
    if not known:
        return dict.fromkeys(("left", "right", "top", "bottom"), "?")
    high, low = axis_letters(affine, shown.across)
    top, bottom = axis_letters(affine, shown.up)
    left, right = (high, low) if shown.mirrored else (low, high)
    return {"left": left, "right": right, "top": top, "bottom": bottom}


def voxel_size_mm(affine: Floats) -> Floats:
    """(3,) edge lengths of a voxel."""
    size: Floats = np.linalg.norm(np.asarray(affine, dtype=float)[:3, :3], axis=0)
    return size
