"""How things are drawn; nothing in here changes a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app.core import wording
from app.core.colours import TOP_SHARE
from app.core.explanation_wording import DEFAULT_METHOD

OVERLAYS = {
    "scan": "(b) whole scan",
    "branches": "(a) each branch",
    "series": "(a) time series part",
    "connectivity": "(a) connectivity part",
    "scan_series": "(b) time series part",
    "seed": "Correlation with the selected parcel",
    "none": "No overlay",
}

SCAN_OVERLAYS = ("scan", "scan_series")  # parts of (b): what another baseline changes
SERIES_OVERLAYS = ("series", "scan_series")  # have a time: selected frames change them


@dataclass(frozen=True, slots=True)
class Display:
    """How things are drawn; nothing in here changes a number."""

    theme: str = "system"  # "system", "dark", "light"
    convention: str = "radiological"  # or "neurological"
    nose: str = "left"  # sagittal: where the nose points
    underlay: str = "template"  # or "boldref"
    overlay: str = DEFAULT_METHOD  # a key of OVERLAYS
    hidden_share: float = 1.0 - TOP_SHARE  # share of parcels below the threshold, 0..1
    opacity: float = 0.85  # of the overlay, 0..1
    secondary_letters: bool = True  # A, P, S, I; L and R always stay
    surface: str = "pial"  # or "inflated"
    matrix: str = "correlation"  # or an attribution: "scan", "branches"

    # Preferences of the whole application: undo never turns left and right round.
    SETTINGS: ClassVar[tuple[str, ...]] = ("theme", "convention", "nose")
    # What the history calls a change, and which changes are drags.
    WORDS: ClassVar[dict[str, str]] = {
        "underlay": "Picture under the overlay",
        "overlay": "Overlay",
        "hidden_share": "Threshold",
        "opacity": "Opacity",
        "secondary_letters": "Letters A, P, S, I",
        "surface": "Shape of the surface",
        "matrix": "What the matrix shows",
    }
    DRAGGED: ClassVar[tuple[str, ...]] = ("hidden_share", "opacity")
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "underlay": ("template", "boldref"),
        "overlay": tuple(OVERLAYS),
        "surface": ("pial", "inflated"),
        "matrix": ("correlation", "scan", "branches"),
    }

    @property
    def convention_word(self) -> str:
        """The chosen convention in a word."""
        if self.convention == "radiological":
            return wording.RADIOLOGICAL
        return wording.NEUROLOGICAL
