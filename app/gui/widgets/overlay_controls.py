"""The controls above the slices: which map is painted, its threshold and its opacity."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSlider

from app.gui.session import OVERLAYS, Session
from app.gui.view_state.slices import SHARED, Layer
from app.gui.widgets.fields import choice, muted, set_choice, share_slider
from app.gui.widgets.layer_stack import is_seed, ruled_layer

_UNDERLAYS = {"template": "Template T1", "boldref": "Own BOLD"}


class OverlayControls:
    """Speaks of and acts on the map that is painted: the shared overlay, or a seed map."""

    def __init__(self, session: Session) -> None:
        self.session = session
        display = session.display
        self.underlay: QComboBox = choice(
            "Picture under the overlay",
            _UNDERLAYS,
            display.underlay,
            lambda key: session.set_display(underlay=key),
        )
        self.overlay: QComboBox = choice(
            "Overlay that all views share", OVERLAYS, display.overlay, self._show_overlay
        )
        self.threshold: QSlider = share_slider(
            "Threshold: share of parcels that stays hidden", display.hidden_share, self._hide_share
        )
        self.opacity: QSlider = share_slider(
            "Opacity of the overlay", display.opacity, self._set_opacity
        )
        self.opacity.setMaximumWidth(80)
        for slider in (self.threshold, self.opacity):
            slider.sliderReleased.connect(session.end_merge)

    def slider_row(self) -> QHBoxLayout:
        """A row of its own: in one row at the least width, every word is cut."""
        row = QHBoxLayout()
        for widget in (muted("Threshold"), self.threshold, muted("Opacity"), self.opacity):
            row.addWidget(widget)
        row.addStretch(1)
        return row

    def follow(self) -> None:
        """Say which map is painted, and how."""
        display, layer = self.session.display, ruled_layer(self.session)
        seed = layer if layer is not None and is_seed(layer) else None
        place = self.overlay.findData("seed")
        self.overlay.setItemText(place, OVERLAYS["seed"] if seed is None else seed.name)
        shown = "none" if layer is None else display.overlay if seed is None else "seed"
        set_choice(self.overlay, shown)
        set_choice(self.underlay, display.underlay)
        hidden = display.hidden_share if seed is None else 1.0 - seed.top_share
        opacity = display.opacity if seed is None else seed.opacity
        for slider, share in ((self.threshold, hidden), (self.opacity, opacity)):
            slider.setEnabled(layer is not None)
            blocked = slider.blockSignals(True)
            slider.setValue(round(share * 100))
            slider.blockSignals(blocked)

    def _show_overlay(self, key: str) -> None:
        """Choose the shared overlay; a hidden one comes back, and seed maps give way to it."""
        session, layer = self.session, ruled_layer(self.session)
        if layer is not None and is_seed(layer) and key == "seed":
            return  # it is what is painted
        slices = session.state.slices
        session.change(
            "Layer shown",
            "slices",
            shared=replace(slices.shared, visible=True),
            layers=tuple(
                replace(one, visible=False) if is_seed(one) else one for one in slices.layers
            ),
        )
        session.set_display(overlay=key)

    def _hide_share(self, share: float) -> None:
        layer = ruled_layer(self.session)
        if layer is not None and layer.key == SHARED:
            self.session.set_display(hidden_share=share)
        elif layer is not None:
            changed = replace(layer, top_share=1.0 - share, threshold=None)
            self._change("Threshold", "threshold", changed)

    def _set_opacity(self, share: float) -> None:
        layer = ruled_layer(self.session)
        if layer is not None and layer.key == SHARED:
            self.session.set_display(opacity=share)
        elif layer is not None:
            self._change("Opacity", "opacity", replace(layer, opacity=share))

    def _change(self, words: str, merge: str, changed: Layer) -> None:
        layers = tuple(
            changed if one.key == changed.key else one for one in self.session.state.slices.layers
        )
        self.session.change(words, "slices", merge=f"{merge} {changed.key}", layers=layers)
