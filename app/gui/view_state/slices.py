"""What slices and surfaces show: layers, window and level, the crosshair, the 3-D picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from app.core.colour_maps import COLOUR_MAPS

Point = tuple[float, float, float]
SHARED = "shared"  # key of the layer that all views colour parcels by
CROSSHAIR_COLOURS = {
    "green": (96, 220, 130),
    "yellow": (255, 221, 87),
    "cyan": (90, 215, 235),
    "magenta": (240, 120, 220),
    "white": (255, 255, 255),
}


@dataclass(frozen=True, slots=True)
class Layer:
    """One map over the picture.

    `source` says where it comes from: "shared" (the overlay that all views share: its kind,
    top share and opacity stand in `Display`), an attribution of its own ("scan", "branches",
    "series", "connectivity", "scan_series"), a seed map ("seed:<parcel>", 0-based), or
    "file:<sha256>" for a map that was opened; the file's path is kept by the saved session, not
    here.
    """

    key: str  # unique among the layers
    source: str
    name: str = ""
    colour_map: str = "RdBu_r"  # a key of COLOUR_MAPS
    symmetric: bool = True  # the two ends of the range are locked to each other
    low: float | None = None  # None = automatic
    high: float | None = None
    threshold: float | None = None  # magnitude, in the layer's unit; None = by `top_share`
    top_share: float = 0.10  # 0..1 of parcels or voxels, by magnitude, that stays visible
    opacity: float = 0.85  # 0..1
    smallest_cluster: int = 0  # voxels; smaller clusters are not drawn
    clip_by: str = ""  # key of a layer outside whose painted voxels nothing is drawn
    visible: bool = True

    def __post_init__(self) -> None:
        if self.colour_map not in COLOUR_MAPS:
            raise ValueError(f"no colour map is called {self.colour_map!r}")
        if not (0.0 <= self.opacity <= 1.0 and 0.0 <= self.top_share <= 1.0):
            raise ValueError("opacity and top share lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class Place:
    """A place that the user keeps, with a note; never a name."""

    mm: Point
    space: str  # the template's name, or "scanner"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Black and white of one picture, in its own units."""

    picture: str  # such as "template", "boldref" or "native"
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Slices:
    """Layers from the lowest to the highest, the picture's grey range, crosshair and 3-D."""

    shared: Layer = field(default_factory=lambda: Layer(SHARED, SHARED))
    layers: tuple[Layer, ...] = ()  # above the shared one
    windows: tuple[Window, ...] = ()  # of the pictures whose grey range is not automatic
    places: tuple[Place, ...] = ()  # the oldest first
    crosshair_gap_px: int = 7
    crosshair_width_px: int = 1
    crosshair_colour: str = "green"
    scene: str = "surface"  # or "glass": the brain's outline with connections inside
    edges: bool = False  # connections in 3-D

    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "crosshair_colour": tuple(CROSSHAIR_COLOURS),
        "scene": ("surface", "glass"),
    }

    @property
    def stack(self) -> tuple[Layer, ...]:
        """All layers from the lowest to the highest, the shared one first."""
        return (self.shared, *self.layers)

    def window(self, picture: str) -> Window | None:
        """The grey range of a picture, or None where it is automatic."""
        return next((w for w in self.windows if w.picture == picture), None)

    def with_window(self, picture: str, levels: tuple[float, float] | None) -> tuple[Window, ...]:
        """`windows` with another range for one picture, or an automatic one."""
        others = tuple(w for w in self.windows if w.picture != picture)
        return others if levels is None else (*others, Window(picture, *levels))

    def find(self, key: str) -> Layer | None:
        """A layer by its key."""
        return next((layer for layer in self.stack if layer.key == key), None)
