"""Colour maps that a layer may have, and the mapping of its values to them.

Sources: ``RdBu_r`` and ``PuOr`` are ColorBrewer's (11 classes, as in matplotlib and nilearn),
``cividis`` is Nunez et al. 2018, ``cold_hot`` mirrors matplotlib's ``hot`` as nilearn does; it
is not safe for readers with a colour-vision deficiency and says so in its name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Bools, Floats, Ints
from app.core.colours import (
    MagnitudeScale,
    Rgb,
    SignedScale,
    diverging_table,
    grey_table,
    sequential_table,
)

# Purple below zero would be PuOr reversed; as published, orange is low and purple is high.
_PURPLE_ORANGE: tuple[Rgb, ...] = (
    (127, 59, 8),
    (179, 88, 6),
    (224, 130, 20),
    (253, 184, 99),
    (254, 224, 182),
    (247, 247, 247),
    (216, 218, 235),
    (178, 171, 210),
    (128, 115, 172),
    (84, 39, 136),
    (45, 0, 75),
)
_HOT: tuple[tuple[float, Rgb], ...] = (
    (0.0, (11, 0, 0)),
    (0.365079, (255, 0, 0)),
    (0.746032, (255, 255, 0)),
    (1.0, (255, 255, 255)),
)

COLOUR_MAPS: dict[str, str] = {
    "RdBu_r": "Blue to red (RdBu_r)",
    "PuOr": "Orange to purple (PuOr)",
    "cold_hot": "Cold to hot (not colour-blind safe)",
    "cividis": "Dark to yellow (cividis)",
    "grey": "Grey",
}
SIGNED_MAPS = ("RdBu_r", "PuOr", "cold_hot")


def colour_table(name: str, size: int = 256) -> Ints:
    """A colour map of `COLOUR_MAPS` from its low to its high end, (size, 3) uint8.

    Raises
    ------
    KeyError
        No map has that name.
    """
    if name == "RdBu_r":
        return diverging_table(size)
    if name == "cividis":
        return sequential_table(size)
    if name == "grey":
        return grey_table(size)
    stops, anchors = _STOPS[name]
    wanted = np.linspace(0.0, 1.0, size)
    columns = [np.interp(wanted, stops, [anchor[c] for anchor in anchors]) for c in range(3)]
    return np.rint(np.stack(columns, axis=1)).astype(np.uint8)


def _cold_hot() -> tuple[list[float], list[Rgb]]:
    cold = [(0.5 - 0.5 * place, (b, g, r)) for place, (r, g, b) in reversed(_HOT)]
    hot = [(0.5 + 0.5 * place, colour) for place, colour in _HOT]
    return [place for place, _ in (*cold, *hot)], [colour for _, colour in (*cold, *hot)]


_STOPS: dict[str, tuple[list[float], list[Rgb]]] = {
    "PuOr": (list(np.linspace(0.0, 1.0, len(_PURPLE_ORANGE))), list(_PURPLE_ORANGE)),
    "cold_hot": _cold_hot(),
}


@dataclass(frozen=True, slots=True)
class LayerScale:
    """Values from `low` to `high` on a colour map; magnitudes below `threshold` are not painted.

    Values beyond an end are clipped to its colour; the bar tells so with an arrow head.
    `mark` is a further value that the bar names.
    """

    colour_map: str
    low: float
    high: float
    threshold: float
    unit: str
    mark: float | None = None

    @property
    def signed(self) -> bool:
        """Whether values below zero have colours of their own."""
        return self.low < 0.0 < self.high

    def index(self, values: Floats) -> Ints:
        """Row 0..255 of the colour map for each value; NaN counts as 0."""
        clean = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0)
        share = (clean - self.low) / (self.high - self.low)
        return np.rint(np.clip(share, 0.0, 1.0) * 255.0).astype(np.uint8)

    def rgb(self, values: Floats) -> Ints:
        """Colour of each value, (..., 3) uint8."""
        colours: Ints = colour_table(self.colour_map)[self.index(values)]
        return colours

    def shown(self, values: Floats) -> Bools:
        """True where the magnitude reaches the threshold and is neither 0 nor NaN."""
        magnitude = np.abs(np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0))
        result: Bools = (magnitude >= self.threshold) & (magnitude > 0.0)
        return result

    def clipped_ends(self, values: Floats) -> tuple[bool, bool]:
        """Whether a value lies below the low end, and whether one lies above the high end."""
        found = np.asarray(values, dtype=np.float64)
        lowest, highest = np.nanmin(found, initial=0.0), np.nanmax(found, initial=0.0)
        return bool(lowest < self.low and self.low < 0.0), bool(highest > self.high)

    def clipped(self, values: Floats) -> bool:
        """True when a value lies beyond an end."""
        return any(self.clipped_ends(values))


def as_layer_scale(scale: SignedScale | MagnitudeScale | LayerScale) -> LayerScale:
    """Any scale as one with a colour map and two ends."""
    if isinstance(scale, LayerScale):
        return scale
    if isinstance(scale, SignedScale):
        return LayerScale("RdBu_r", -scale.limit, scale.limit, scale.threshold, scale.unit)
    return LayerScale("cividis", 0.0, scale.limit, 0.0, scale.unit, scale.mark)
