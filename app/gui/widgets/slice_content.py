"""What the canvases of a slice view share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.arrays import Floats, Ints
from app.gui.widgets.layer_pixels import Outline, Paint

__all__ = ["Crosshair", "Outline", "SliceContent"]

Corner = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Crosshair:
    """How the crosshair is drawn; the gap keeps the voxel in sight."""

    gap_px: int = 7
    width_px: int = 1
    colour: tuple[int, int, int] = (96, 220, 130)


@dataclass(frozen=True, slots=True, eq=False)
class SliceContent:
    """What the three canvases of a view share."""

    volume: Ints | Floats  # (x, y, z), RAS+ grid
    affine: Floats  # (4, 4)
    levels: tuple[float, float]  # black and white
    labels: Ints | None = None  # (x, y, z) 1-based parcels on the same grid
    paints: tuple[Paint, ...] = ()  # from the lowest to the highest
    selected: int | None = None  # 0-based parcel
    network: tuple[int, ...] = ()  # 0-based parcels of the selected network
    convention_word: str = "Radiological"
    secondary_letters: bool = True
    orientation_known: bool = True
    storage_codes: str = ""  # of the file whose slices are counted; "" = the grid's own
    box: tuple[Corner, Corner] | None = None  # voxels that should fill the canvas; None = all
    outlines: tuple[Outline, ...] = ()
    colours: NDArray[np.uint8] | None = None  # (256, 3) from low to high level; None = grey
    caption: str = ""  # what the picture is, written on it
    window_text: str = ""  # window and level in numbers
    crosshair: Crosshair = Crosshair()
