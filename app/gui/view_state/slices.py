"""What slices and surfaces show: layers, window and level."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layer:
    """One map over the picture.

    `source` says where it comes from: an attribution ("scan", "branches", "series",
    "connectivity"), a seed map ("seed:<parcel>" or "seed:<x>,<y>,<z>" in mm), or "file:<sha256>"
    for a map that was opened; the file's path is kept by the saved session, not here.
    """

    key: str  # unique among the layers
    source: str
    name: str = ""
    colour_map: str = "RdBu_r"
    limit: float | None = None  # both ends of a symmetric range; None for the robust maximum
    threshold: float = 0.0  # magnitude below which nothing is drawn, in the layer's unit
    opacity: float = 0.85  # 0..1
    smallest_cluster: int = 0  # voxels, or parcels for a parcel map; smaller ones are not drawn
    visible: bool = True


@dataclass(frozen=True, slots=True)
class Slices:
    """Layers from the lowest to the highest, and the picture's grey range."""

    layers: tuple[Layer, ...] = ()
    window: tuple[float, float] | None = None  # black and white in picture units; None automatic
