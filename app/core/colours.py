"""Colours shared by the window and the report: plain tables and the arithmetic that uses them.

No drawing library is imported here. The window makes pyqtgraph and VTK tables from these
numbers, the report makes matplotlib colours from them, so both show the same picture.

Sources: the diverging table is ColorBrewer's RdBu (11 classes) in reversed order, which is
nilearn's and matplotlib's ``RdBu_r``; the sequential table samples cividis (Nunez et al. 2018,
doi 10.1371/journal.pone.0199239). Network hues follow Yeo et al. 2011 (doi
10.1152/jn.00338.2011), darkened where they would not reach 3:1 against white.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.core.arrays import Bools, Floats, Ints

Rgb = tuple[int, int, int]

# Fixed reading order of the networks: slices, matrix, carpet, tables and legends all use it.
NETWORK_ORDER: tuple[str, ...] = (
    "Visual",
    "Somatomotor",
    "Dorsal Attention",
    "Ventral Attention",
    "Limbic",
    "Frontoparietal",
    "Default",
    "Thalamus",
    "Basal Ganglia",
    "Deep Nuclei",
    "Cerebellum",
)

NETWORK_COLOURS: dict[str, Rgb] = {
    "Visual": (120, 18, 134),
    "Somatomotor": (70, 130, 180),
    "Dorsal Attention": (0, 118, 14),
    "Ventral Attention": (196, 58, 250),
    "Limbic": (138, 146, 48),
    "Frontoparietal": (214, 122, 16),
    "Default": (205, 62, 78),
    "Thalamus": (20, 140, 140),
    "Basal Ganglia": (128, 84, 60),
    "Deep Nuclei": (92, 98, 112),
    "Cerebellum": (64, 72, 170),
}

NETWORK_SHORT: dict[str, str] = {
    "Visual": "VIS",
    "Somatomotor": "SOM",
    "Dorsal Attention": "DAN",
    "Ventral Attention": "VAN",
    "Limbic": "LIM",
    "Frontoparietal": "FPN",
    "Default": "DMN",
    "Thalamus": "THA",
    "Basal Ganglia": "BG",
    "Deep Nuclei": "DEEP",
    "Cerebellum": "CER",
}

UNKNOWN_NETWORK: Rgb = (150, 150, 150)
NEUTRAL: Rgb = (226, 226, 226)  # a parcel below the threshold on a surface
OUTLINE: Rgb = (40, 40, 40)  # parcel outlines
LIGHT_OUTLINE: Rgb = (255, 255, 255)  # inside it on paper: moved the estimate down
HATCH: Rgb = (120, 120, 120)  # parcels whose attribution is not stable

# Text and marks on white (report) reach 4.5:1; none of them says good or bad.
INK: Rgb = (28, 36, 48)
MUTED: Rgb = (88, 98, 112)
RULE: Rgb = (206, 212, 220)
ACCENT: Rgb = (18, 78, 120)  # headings, this participant's mark
RESPONDER: Rgb = (90, 70, 140)  # histogram of responders: neither red nor green
NON_RESPONDER: Rgb = (176, 128, 40)
PLACE: Rgb = (110, 110, 110)
STAMP: Rgb = (122, 30, 106)  # the word SIMULATED or RESEARCH MODE

# ColorBrewer RdBu, 11 classes, blue (negative) first.
_DIVERGING_ANCHORS: tuple[Rgb, ...] = (
    (5, 48, 97),
    (33, 102, 172),
    (67, 147, 195),
    (146, 197, 222),
    (209, 229, 240),
    (247, 247, 247),
    (253, 219, 199),
    (244, 165, 130),
    (214, 96, 77),
    (178, 24, 43),
    (103, 0, 31),
)

_SEQUENTIAL_ANCHORS: tuple[Rgb, ...] = (
    (0, 34, 78),
    (0, 40, 91),
    (0, 46, 106),
    (5, 51, 113),
    (26, 56, 111),
    (39, 62, 110),
    (50, 67, 109),
    (59, 73, 108),
    (67, 78, 108),
    (75, 84, 108),
    (83, 90, 109),
    (90, 95, 110),
    (97, 101, 111),
    (104, 106, 113),
    (111, 112, 115),
    (118, 118, 118),
    (125, 124, 120),
    (132, 130, 121),
    (140, 136, 120),
    (147, 142, 120),
    (155, 148, 118),
    (163, 154, 116),
    (171, 160, 114),
    (180, 167, 111),
    (188, 174, 108),
    (196, 180, 104),
    (205, 187, 99),
    (213, 194, 94),
    (222, 201, 88),
    (231, 209, 80),
    (240, 216, 70),
    (249, 224, 58),
    (254, 232, 56),
)

ROBUST_PERCENTILE = 99.0  # of the magnitudes; the end of a signed scale
TOP_SHARE = 0.10  # default threshold: this share of the parcels stays visible
CORRELATION_LIMIT = 1.0
CARPET_LIMIT_SD = 2.0


def _table(anchors: Sequence[Rgb], size: int) -> Ints:
    stops = np.linspace(0.0, 1.0, len(anchors))
    wanted = np.linspace(0.0, 1.0, size)
    columns = [np.interp(wanted, stops, [anchor[c] for anchor in anchors]) for c in range(3)]
    return np.rint(np.stack(columns, axis=1)).astype(np.uint8)


def diverging_table(size: int = 256) -> Ints:
    """Signed colours, blue below zero and red above, shape (size, 3), uint8."""
    return _table(_DIVERGING_ANCHORS, size)


def sequential_table(size: int = 256) -> Ints:
    """Colours for magnitudes from 0, dark to bright, shape (size, 3), uint8."""
    return _table(_SEQUENTIAL_ANCHORS, size)


def grey_table(size: int = 256) -> Ints:
    """Black to white, shape (size, 3), uint8."""
    return _table(((0, 0, 0), (255, 255, 255)), size)


def network_colour(network: str) -> Rgb:
    """Colour of a network, grey for a name that the table does not know."""
    return NETWORK_COLOURS.get(network, UNKNOWN_NETWORK)


def network_names(networks: Sequence[str]) -> tuple[str, ...]:
    """The networks that occur, in reading order; unknown names last, by alphabet."""
    present = set(networks)
    known = [name for name in NETWORK_ORDER if name in present]
    return (*known, *sorted(present.difference(NETWORK_ORDER)))


def display_order(networks: Sequence[str], hemispheres: Sequence[str]) -> Ints:
    """Parcels in network order, left before right inside a network.

    Used when drawing only; arrays keep the atlas's own order.

    Returns
    -------
    Ints
        Shape (parcel,), 0-based parcel index of each displayed row. Stable: parcels of one
        network and hemisphere keep the order of the atlas.
    """
    rank = {name: place for place, name in enumerate(network_names(networks))}
    side = {"L": 0, "M": 1, "R": 2}
    keys = [
        (rank[network], side.get(hemisphere, 1), parcel)
        for parcel, (network, hemisphere) in enumerate(zip(networks, hemispheres, strict=True))
    ]
    return np.array([parcel for _, _, parcel in sorted(keys)], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class SignedScale:
    """Symmetric mapping of signed values to colours, with one threshold on the magnitude.

    `limit` is the value at both ends of the bar; values beyond are clipped (arrow heads).
    Magnitudes below `threshold` are not painted.
    """

    limit: float
    threshold: float
    unit: str = "log-odds"

    def index(self, values: Floats) -> Ints:
        """Row of the 256-row diverging table for each value; NaN gives the middle."""
        clean = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0)
        place = (np.clip(clean / self.limit, -1.0, 1.0) + 1.0) * 127.5
        return np.rint(place).astype(np.int64)

    def rgb(self, values: Floats) -> Ints:
        """Colour of each value, shape (..., 3), uint8."""
        colours: Ints = diverging_table()[self.index(values)]
        return colours

    def shown(self, values: Floats) -> Bools:
        """True where the magnitude reaches the threshold (and is not 0 or NaN)."""
        magnitude = np.abs(np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0))
        result: Bools = (magnitude >= self.threshold) & (magnitude > 0.0)
        return result

    def clipped(self, values: Floats) -> bool:
        """True when a value lies beyond an end of the bar."""
        return bool(np.nanmax(np.abs(values), initial=0.0) > self.limit)


@dataclass(frozen=True, slots=True)
class MagnitudeScale:
    """Mapping of values from 0 to `limit` to the sequential table; larger ones are clipped.

    `mark` is a value that the bar names besides its ends, such as a limit of the quality table.
    """

    limit: float
    unit: str
    mark: float | None = None

    def rgb(self, values: Floats) -> Ints:
        """Colour of each value, shape (..., 3), uint8; NaN is drawn as 0."""
        clean = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0)
        place = np.rint(np.clip(clean / self.limit, 0.0, 1.0) * 255.0).astype(np.int64)
        colours: Ints = sequential_table()[place]
        return colours

    def clipped(self, values: Floats) -> bool:
        """True when a value lies beyond the upper end of the bar."""
        return bool(np.nanmax(values, initial=0.0) > self.limit)


def signed_scale(
    values: Floats, *, top_share: float = TOP_SHARE, unit: str = "log-odds"
) -> SignedScale:
    """Scale for one map: robust symmetric limit and the threshold that keeps the top share.

    Parameters
    ----------
    values
        Signed values, any shape, e.g. one a parcel; NaN is ignored.
    top_share
        Share (0..1] of the values, by magnitude, that stays visible; at least one value does.
    """
    magnitude = np.abs(np.asarray(values, dtype=np.float64).ravel())
    magnitude = magnitude[np.isfinite(magnitude)]
    if magnitude.size == 0 or magnitude.max() == 0.0:
        return SignedScale(1.0, 0.0, unit)
    kept = max(1, round(top_share * magnitude.size))
    threshold = float(np.sort(magnitude)[-kept])
    limit = max(float(np.percentile(magnitude, ROBUST_PERCENTILE)), threshold)
    return SignedScale(limit if limit > 0.0 else float(magnitude.max()), threshold, unit)
