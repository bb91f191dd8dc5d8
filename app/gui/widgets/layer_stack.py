"""The layers of the view's state with their values: what is painted, hidden and clipped.

Everything here follows from the state and the case; a view that asks twice gets the same object,
so that what was computed for one is there for all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from app.attribution.clusters import Cluster, find_clusters, sized_mask
from app.core import wording
from app.core.arrays import Bools, Floats
from app.core.colour_maps import LayerScale
from app.core.colours import ROBUST_PERCENTILE
from app.core.explanation_wording import DEFAULT_METHOD
from app.gui.session import OpenCase, Session
from app.gui.view_state.slices import SHARED, Layer
from app.gui.widgets.layer_pixels import Paint, VoxelPaint, overlay_paint, voxel_paint
from app.gui.widgets.overlay import (
    Overlay,
    current_overlay,
    layer_overlay,
    ranged,
    seed_title,
    styled,
)

_NO_PAINT = VoxelPaint(np.zeros((0, 0, 0), np.uint32))  # of what lies on no slice
_KEPT = 24  # layers whose values are kept
_STACKS: WeakKeyDictionary[Session, LayerStack] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True, eq=False)
class DrawnLayer:
    """A layer with what it takes to paint, read and list it."""

    layer: Layer
    title: str
    scale: LayerScale
    values: Floats  # (x, y, z) on the grid of the picture
    shown: Bools  # (x, y, z)
    paint: Paint
    clipped: tuple[bool, bool]  # low end, high end
    hidden_text: str
    overlay: Overlay | None = None  # of a parcel map
    notes: tuple[str, ...] = ()
    masked: bool = False  # smaller clusters or another layer take something away
    vertices: tuple[tuple[str, Floats], ...] = ()  # of a surface map, whose `values` are all of it
    labels: bool = False  # numbers are names

    def value_at(self, voxel: tuple[int, int, int]) -> float:
        """The value under a voxel."""
        return float(self.values[voxel])


class LayerStack:
    """Answers what the layers of a session look like; keeps what it has computed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._opened: OpenCase | None = None  # whose parcels the kept layers paint
        self._kept: dict[tuple[Any, ...], DrawnLayer] = {}
        self._clusters: dict[int, tuple[DrawnLayer, tuple[Cluster, ...]]] = {}

    def drawn(self, space: str) -> tuple[DrawnLayer, ...]:
        """The visible layers of a space, from the lowest to the highest.

        `space` is "template" or "scanner".
        """
        found = [
            self.find(layer.key, space)
            for layer in self._session.state.slices.stack
            if layer.visible
        ]
        return tuple(layer for layer in found if layer is not None)

    def find(self, key: str, space: str, seen: tuple[str, ...] = ()) -> DrawnLayer | None:
        """One layer, whether visible or not; None where it has nothing to show in this space.

        `space` may also be "surface", for maps of vertices.
        """
        layers = {layer.key: layer for layer in self._session.state.slices.stack}
        layer = layers.get(key)
        if layer is None or key in seen:
            return None
        clip = self.find(layer.clip_by, space, (*seen, key)) if layer.clip_by else None
        if layer.source.startswith("file:"):
            if space == "surface":
                return self._of_vertices(layer)
            return self._of_map(layer, space, clip)
        return self._of_parcels(layer, clip) if space == "template" else None

    def clusters(self, drawn: DrawnLayer, affine: Floats) -> tuple[Cluster, ...]:
        """The connected clusters that a layer shows."""
        kept = self._clusters.get(id(drawn))
        if kept is None or kept[0] is not drawn:
            if len(self._clusters) > _KEPT:
                self._clusters.clear()
            kept = (drawn, find_clusters(drawn.values, drawn.shown, affine))
            self._clusters[id(drawn)] = kept
        return kept[1]

    # parcel maps -----------------------------------------------------------------

    def _of_parcels(self, layer: Layer, clip: DrawnLayer | None) -> DrawnLayer | None:
        session = self._session
        opened = session.case
        if opened is None or opened.view.labels is None:
            return None
        if layer.key == SHARED:
            overlay = current_overlay(session)
            opacity = session.display.opacity
        else:
            overlay = layer_overlay(session, layer)
            opacity = layer.opacity
        if overlay is None:
            return None
        if opened is not self._opened:
            self._opened = opened
            self._kept.clear()
        key = (
            replace(layer, visible=True, opacity=opacity),
            overlay.kind,
            overlay.title,
            overlay.scale,
            overlay.values.tobytes(),
            overlay.disagreeing.tobytes(),
            clip,
        )
        return self._keep(key, lambda: self._make_parcels(layer, overlay, opacity, clip))

    def _make_parcels(
        self, layer: Layer, overlay: Overlay, opacity: float, clip: DrawnLayer | None
    ) -> DrawnLayer:
        assert self._session.case is not None
        labels = np.asanyarray(self._session.case.view.labels)
        bounded = np.where(labels <= len(overlay.values), labels, 0)
        values = np.concatenate([[0.0], np.nan_to_num(overlay.values)]).astype(np.float32)[bounded]
        painted = np.concatenate([[False], overlay.shown])[bounded]
        shown = _limited(values, painted, layer, clip)
        masked = layer.smallest_cluster > 1 or clip is not None
        scale = styled(overlay, layer)
        hidden = overlay.hidden_text
        if masked:
            left = np.unique(bounded[shown]).size
            count = len(overlay.values)
            hidden = f"{count - left} of {count} parcels hidden"
        return DrawnLayer(
            layer,
            layer.name or overlay.title,
            scale,
            values,
            shown,
            overlay_paint(replace(overlay, scale=scale), opacity, shown if masked else None),
            scale.clipped_ends(overlay.values),
            hidden,
            overlay,
            masked=masked,
        )

    # other maps --------------------------------------------------------------------

    def _of_map(self, layer: Layer, space: str, clip: DrawnLayer | None) -> DrawnLayer | None:
        found = self._session.maps.find(layer.source)
        if found is None or found.values is None:
            return None
        if (found.space == "scanner") != (space == "scanner"):
            return None
        values = found.values
        key = (found, replace(layer, visible=True), clip)

        def make() -> DrawnLayer:
            scale = map_scale(values, layer, found.unit)
            painted = np.asarray(scale.shown(values))
            shown = _limited(values, painted, layer, clip)
            there = int(np.count_nonzero(np.nan_to_num(values)))
            hidden = there - int(shown.sum())
            limited = layer.smallest_cluster > 1 or clip is not None
            text = wording.hidden_text(hidden, there, "voxels")
            return DrawnLayer(
                layer,
                layer.name or found.name,
                scale,
                values,
                shown,
                voxel_paint(values, shown, scale, layer.opacity),
                scale.clipped_ends(values),
                f"{hidden} of {there} voxels hidden" if limited else text,
                notes=found.notes,
                masked=limited,
            )

        return self._keep(key, make)

    def _of_vertices(self, layer: Layer) -> DrawnLayer | None:
        found = self._session.maps.find(layer.source)
        if found is None or not found.vertices:
            return None

        def make() -> DrawnLayer:
            values = np.concatenate([np.asarray(one, np.float32) for _, one in found.vertices])
            scale = map_scale(values, layer, found.unit)
            shown = np.asarray(scale.shown(values)) & np.isfinite(values)
            there = int(np.count_nonzero(np.nan_to_num(values)))
            return DrawnLayer(
                layer,
                layer.name or found.name,
                scale,
                values,
                shown,
                _NO_PAINT,
                scale.clipped_ends(values),
                wording.hidden_text(there - int(shown.sum()), there, "vertices"),
                notes=found.notes,
                vertices=found.vertices,
                labels=found.labels,
            )

        return self._keep((found, replace(layer, visible=True), "surface"), make)

    def _keep(self, key: tuple[Any, ...], make: Any) -> DrawnLayer:
        if key not in self._kept:
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = make()
        return self._kept[key]


def stack_of(session: Session) -> LayerStack:
    """The layers of a session; all its views share what was computed for one."""
    if session not in _STACKS:
        _STACKS[session] = LayerStack(session)
    return _STACKS[session]


def top_overlay(session: Session) -> Overlay | DrawnLayer | None:
    """What surfaces are coloured by: the highest visible map of parcels or of vertices."""
    stack = stack_of(session)
    for layer in reversed(session.state.slices.stack):
        if not layer.visible:
            continue
        found = stack.find(layer.key, "surface") if layer.source.startswith("file:") else None
        if found is not None:
            return found
        drawn = stack.find(layer.key, "template")
        if drawn is not None and drawn.overlay is not None:
            return replace(drawn.overlay, title=drawn.title, scale=drawn.scale)
    return None


def layers_shown(session: Session) -> bool:
    """Whether any layer is drawn; the shared one only where it has an overlay."""
    slices = session.state.slices
    shared = slices.shared.visible and session.display.overlay != "none"
    return shared or any(layer.visible for layer in slices.layers)


def toggle_layers(session: Session) -> None:
    """Hide every layer, or show all where none is visible; one entry of the history.

    Where there is no layer at all, the overlay that a case begins with comes.
    """
    slices = session.state.slices
    visible = not layers_shown(session)
    if visible and session.display.overlay == "none" and not slices.layers:
        session.set_display(overlay=DEFAULT_METHOD)
        if slices.shared.visible:
            return
    session.change(
        "Layers shown" if visible else "Layers hidden",
        "slices",
        shared=replace(slices.shared, visible=visible),
        layers=tuple(replace(layer, visible=visible) for layer in slices.layers),
    )


def is_seed(layer: Layer) -> bool:
    """Whether a layer is a seed map of a parcel, beside the shared overlay."""
    return layer.source.startswith("seed:")


def ruled_layer(session: Session) -> Layer | None:
    """The layer that the controls above the slices rule, and of which their words speak.

    The uppermost visible one of the seed maps and, below them, the shared overlay; maps from files
    have the panel alone.
    """
    slices = session.state.slices
    found = (one for one in reversed(slices.stack) if one.visible)
    return next((one for one in found if one.key == SHARED or is_seed(one)), None)


def add_seed_layer(session: Session, parcel: int) -> str:
    """Lay the correlation with a parcel over the picture; returns what to say.

    The shared overlay is hidden meanwhile: two maps in the same colours cannot be told apart.
    """
    opened = session.case
    if opened is None or opened.case.connectome is None:
        return "No seed map: this case has no connectivity."
    if opened.case.connectome.kind != "pearson":
        return "No seed map: the connectivity of this case is no correlation."
    key, slices = f"seed:{parcel}", session.state.slices
    title = seed_title(opened, parcel)
    others = tuple(layer for layer in slices.layers if layer.key != key)
    session.change(
        title,
        "slices",
        shared=replace(slices.shared, visible=False),
        layers=(*others, slices.find(key) or Layer(key, key, title)),
    )
    return title


def map_scale(values: Floats, layer: Layer, unit: str) -> LayerScale:
    """Range and threshold of a map of voxels: as typed, else robust and by the top share."""
    there = np.asarray(values, dtype=np.float64)
    there = there[np.isfinite(there) & (there != 0.0)]
    magnitude = np.abs(there)
    limit = float(np.percentile(magnitude, ROBUST_PERCENTILE)) if there.size else 1.0
    if layer.threshold is not None:
        threshold = layer.threshold
    elif there.size and layer.top_share < 1.0:
        kept = max(1, round(layer.top_share * there.size))
        threshold = float(np.partition(magnitude, there.size - kept)[there.size - kept])
    else:
        threshold = 0.0
    limit = max(limit, threshold) or 1.0
    low = -limit if there.min(initial=0.0) < 0.0 else 0.0
    return ranged(LayerScale(layer.colour_map, low, limit, threshold, unit), layer)


def _limited(values: NDArray[Any], shown: Bools, layer: Layer, clip: DrawnLayer | None) -> Bools:
    """What smaller clusters and the clipping layer leave."""
    if clip is not None:
        shown = shown & clip.shown
    return sized_mask(values, shown, layer.smallest_cluster)
