"""The connections that are shown, as they are drawn in space, and what their sizes mean."""

from __future__ import annotations

import numpy as np

from app.core.colour_maps import as_layer_scale
from app.core.colours import network_colour
from app.gui.connections import Shown, value_text
from app.gui.session import OpenCase
from app.gui.widgets.connectome_mesh import Connections, node_radius, tube_radius
from app.gui.widgets.surface_canvas import Legend

_PX_PER_MM = 1.6  # of the legend's circles and lines; the scene itself zooms


def connections_in_space(opened: OpenCase, shown: Shown) -> Connections | None:
    """Nodes at the parcels' own places in their networks' colours, edges in the scale's."""
    signals = opened.case.signals
    if signals is None or not len(shown.edges):
        return None
    count = len(signals.parcel_names)
    nowhere = (np.nan, np.nan, np.nan)
    centres = np.array([opened.parcel_centre_mm(parcel) or nowhere for parcel in range(count)])
    rgb = np.array([network_colour(name) for name in signals.networks], dtype=np.uint8)
    edges = shown.edges
    return Connections(
        centres,
        np.asarray(edges.first),
        np.asarray(edges.second),
        np.asarray(edges.value),
        as_layer_scale(shown.scale).rgb(np.asarray(edges.value)).astype(np.uint8),
        rgb,
    )


def legend_of(found: Connections | None, shown: Shown | None) -> Legend:
    """Two sizes and two widths with their meaning."""
    if found is None or shown is None or not found.edges.size:
        return Legend()
    most = int(found.degree.max())
    degrees = [1] if most == 1 else [1, most]
    radii = node_radius(np.array([1, most]))[: len(degrees)]
    nodes = tuple(
        (float(radius) * _PX_PER_MM, f"{degree} connection{'s' * (degree > 1)}")
        for degree, radius in zip(degrees, radii, strict=True)
    )
    magnitude = np.sort(np.abs(found.values))[[0, -1]]
    widths = 2.0 * tube_radius(magnitude) * _PX_PER_MM
    unit = f" {shown.unit}" if shown.unit else ""
    edges = tuple(
        (float(width), f"|{value_text(float(value), shown.unit).lstrip('+')}|{unit}")
        for width, value in zip(widths, magnitude, strict=True)
    )
    return Legend(nodes, edges if magnitude[0] < magnitude[1] else edges[:1])
