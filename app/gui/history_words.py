"""What an entry of the history says: what was changed, from what, and to what.

Values come from the state alone: parcels by their number, maps from files by their place among the
layers. Nothing that was typed or read from a file's name is in an entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from app.connectome.orders import ORDERS
from app.core import wording
from app.core.colour_maps import COLOUR_MAPS
from app.gui.view_state import OVERLAYS, Layer, Slices, ViewState
from app.gui.view_state.slices import SHARED

MOST = 3  # changes that an entry names
_ARROW = " \N{RIGHTWARDS ARROW} "
Words = Callable[[Any], str]


def _named(names: dict[str, str]) -> Words:
    return lambda value: names.get(value, str(value))


def _number(value: Any) -> str:
    return wording.number(float(value))


def _share(value: Any) -> str:
    return wording.percent(float(value))


def _switch(value: Any) -> str:
    return "on" if value else "off"


def _least(value: Any) -> str:
    return f"\N{GREATER-THAN OR EQUAL TO} {_number(value)}" if value else "all"


def _limit(value: Any) -> str:
    return "automatic" if value is None else _number(value)


_PARTS: dict[str, dict[str, Words]] = {
    "display": {
        "underlay": _named({"template": "template", "boldref": "own BOLD"}),
        "overlay": _named(OVERLAYS),
        "hidden_share": lambda value: f"{_share(value)} hidden",
        "opacity": _share,
        "secondary_letters": _switch,
        "surface": str,
        "matrix": _named(
            {"correlation": "Pearson r", "scan": "attribution (b)", "branches": "attribution (a)"}
        ),
    },
    "slices": {
        "crosshair_gap_px": lambda value: f"{value} px",
        "crosshair_width_px": lambda value: f"{value} px",
        "crosshair_colour": str,
        "scene": _named({"surface": "surface", "glass": "glass brain"}),
        "edges": _switch,
    },
    "plots": {
        "order": _named(ORDERS),
        "threshold": _least,
        "attribution_threshold": _least,
        "edge_count": lambda value: f"strongest {value}" if value else "by magnitude",
        "series": _named({"time": "over time", "spectrum": "spectrum"}),
        "trace": str,
        "percent": _switch,
        "sums": _named({"scan": "of (b)", "branches": "of (a)"}),
        "sphere_mm": lambda value: f"{value:g} mm",
        "carpet_share": lambda value: f"{_share(value)} after cleaning",
    },
    "explain": {
        "show_unstable": _switch,
        "baseline": lambda value: f"number {value} of the list" if value else "the answer's own",
    },
}
_LAYER: dict[str, Words] = {
    "colour_map": _named(COLOUR_MAPS),
    "symmetric": lambda value: "symmetric" if value else "free",
    "low": lambda value: f"low {_limit(value)}",
    "high": lambda value: f"high {_limit(value)}",
    "threshold": lambda value: "by share" if value is None else _least(value),
    "top_share": lambda value: f"strongest {_share(value)}",
    "opacity": _share,
    "smallest_cluster": lambda value: f"clusters from {value} voxels",
    "visible": lambda value: "shown" if value else "hidden",
}


def entry_words(words: str, before: ViewState, after: ViewState) -> str:
    """Such as "Threshold: 90 % hidden → 65 % hidden"; the bare words where they say it already."""
    told: list[str] = []
    for part, names in _PARTS.items():
        old, new = getattr(before, part), getattr(after, part)
        for name, say in names.items():
            told += _change(say, getattr(old, name), getattr(new, name))
    told += _layers(before.slices, after.slices)
    told += _windows(before.slices, after.slices)
    told += _held(before.plots.held, after.plots.held)
    told += _places(before.slices, after.slices)
    if not told:
        return words
    more = f" and {len(told) - MOST} more" if len(told) > MOST else ""
    return f"{words}: {'; '.join(told[:MOST])}{more}"


def _change(say: Words, old: Any, new: Any) -> list[str]:
    if old == new:
        return []
    one, two = say(old), say(new)
    return [f"{one}{_ARROW}{two}" if one != two else two]


def _layers(before: Slices, after: Slices) -> list[str]:
    told = []
    for new in after.stack:
        old = before.find(new.key)
        if old is None or old == new:
            continue
        changes = [
            words
            for field in fields(Layer)
            if field.name in _LAYER
            for words in _change(
                _LAYER[field.name], getattr(old, field.name), getattr(new, field.name)
            )
        ]
        told += [f"{_layer_name(new, after)}, {words}" for words in changes]
    return told


def _layer_name(layer: Layer, slices: Slices) -> str:
    if layer.key == SHARED:
        return "shared overlay"
    kind, _, parcel = layer.source.partition(":")
    if kind == "seed" and parcel.isdigit():
        return f"seed map of parcel {int(parcel) + 1}"
    return f"layer {[one.key for one in slices.stack].index(layer.key) + 1}"


def _windows(before: Slices, after: Slices) -> list[str]:
    told = []
    for picture in sorted({window.picture for window in (*before.windows, *after.windows)}):
        old, new = before.window(picture), after.window(picture)
        if old != new:
            one, two = (
                "automatic" if w is None else f"{_number(w.low)} to {_number(w.high)}"
                for w in (old, new)
            )
            told.append(f"{one}{_ARROW}{two}")
    return told


def _held(before: tuple[str, ...], after: tuple[str, ...]) -> list[str]:
    """The traces that came or went, by what the keys of `gui.traces` name."""
    return [
        _trace(key) for key in dict.fromkeys((*before, *after)) if (key in before) != (key in after)
    ]


def _trace(key: str) -> str:
    kind, _, what = key.partition(":")
    if kind == "parcel" and what.isdigit():
        return f"parcel {int(what) + 1}"
    return f"{kind} {what}" if kind in ("network", "voxel") else kind


def _places(before: Slices, after: Slices) -> list[str]:
    """Where the places lie that came, went or were noted otherwise; never the note."""
    changed = [p for p in after.places if p not in before.places] or [
        p for p in before.places if p not in after.places
    ]
    return [", ".join(f"{value:.1f}" for value in place.mm) + " mm" for place in changed]
