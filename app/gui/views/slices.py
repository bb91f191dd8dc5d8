"""Three orthogonal slices: the scan as it lies, or the template with parcels painted whole."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.core.arrays import Floats, Ints
from app.gui.session import OVERLAYS, Point, Session
from app.gui.widgets.fields import choice, muted, set_choice, share_slider
from app.gui.widgets.overlay import current_overlay, name_method
from app.gui.widgets.slice_content import SliceContent
from app.gui.widgets.slice_view import NO_IMAGE, SliceView

_UNDERLAYS = {"template": "Template T1", "boldref": "Own BOLD"}


class SlicesView(SliceView):
    """The scan on its own grid, or everything in the template, with controls.

    Parameters
    ----------
    source
        "native": the scan; "overlay": template or participant under the overlay.
    """

    name = "slices"

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, source: str = "overlay"
    ) -> None:
        self.source = source
        super().__init__(session, parent)
        self.title_label.setText("Scan" if source == "native" else self.title)
        if source == "overlay":
            self._add_controls()
        self.refresh()

    def _add_controls(self) -> None:
        session, display = self.session, self.session.display
        self.underlay_box = choice(
            "Picture under the overlay",
            _UNDERLAYS,
            display.underlay,
            lambda key: session.set_display(underlay=key),
        )
        self.overlay_box = choice(
            "Overlay", OVERLAYS, display.overlay, lambda key: session.set_display(overlay=key)
        )
        self.threshold = share_slider(
            "Threshold: share of parcels that stays hidden",
            display.hidden_share,
            lambda share: session.set_display(hidden_share=share),
        )
        self.opacity = share_slider(
            "Opacity of the overlay",
            display.opacity,
            lambda share: session.set_display(opacity=share),
        )
        self.opacity.setMaximumWidth(80)
        self.tools.addWidget(self.underlay_box)
        self.tools.addWidget(self.overlay_box)
        row = QHBoxLayout()  # of its own: in one row at the least width, every word is cut
        for widget in (muted("Threshold"), self.threshold, muted("Opacity"), self.opacity):
            row.addWidget(widget)
        row.addStretch(1)
        self.body.insertLayout(0, row)

    # what is shown --------------------------------------------------------------

    def volume(self) -> tuple[Ints | Floats, Floats] | None:
        """The volume under the crosshair with its affine, or None."""
        opened, preview = self.session.case, self.session.preview
        if self.source == "native":
            if preview is not None:
                return None if preview.volume is None else (preview.volume, preview.scan.affine)
            if opened is not None and opened.view.native_boldref is not None:
                affine = opened.view.native_affine
                return None if affine is None else (opened.view.native_boldref, affine)
            return None
        if opened is None or opened.view.affine is None:
            return None
        wants_bold = self.session.display.underlay == "boldref"
        data = opened.view.boldref if wants_bold else opened.view.template
        return None if data is None else (data, opened.view.affine)

    def in_template(self) -> bool:
        """The scan lies in the scanner's space."""
        return self.source != "native"

    def space_word(self) -> str:
        """Name of the template, or "scanner" where the picture is in no template."""
        opened, preview = self.session.case, self.session.preview
        if self.in_template():
            return opened.view.template_name if opened is not None else ""
        scan = preview.scan if preview is not None else opened.case.scan if opened else None
        return scan.space if scan is not None else ""

    def reason(self) -> str:
        """Why there is no picture; a scan may still be on its way."""
        if self.session.no_image:
            return NO_IMAGE
        waiting = self.source == "native" and self.session.preview is not None
        return "Decoding the scan…" if waiting else self.empty_reason()

    def content(self, data: Ints | Floats, affine: Floats) -> SliceContent:
        """The volume with overlay, selection and letters."""
        display, opened, inside = self.session.display, self.session.case, self.in_template()
        self.overlay = current_overlay(self.session) if inside else None
        if inside:
            name_method(self.title_label, self.title, self.overlay)
            set_choice(self.overlay_box, display.overlay)
            set_choice(self.underlay_box, display.underlay)
            self._match_sliders()
        return SliceContent(
            volume=data,
            affine=affine,
            levels=self.levels_for(data),
            labels=opened.view.labels if opened is not None and inside else None,
            overlay=self.overlay,
            opacity=display.opacity,
            selected=self.session.parcel if inside else None,
            convention_word=self.session.convention_word,
            secondary_letters=display.secondary_letters,
            box=opened.brain_box if opened is not None and inside else None,
            orientation_known=self.session.orientation_known,
        )

    def hidden_text(self) -> str:
        """How many parcels lie below the threshold, or why there is no overlay."""
        if self.overlay is not None:
            return self.overlay.hidden_text
        if not self.in_template() or self.session.display.overlay == "none":
            return ""
        withheld = self.session.case is not None and self.session.case.withheld
        return "no overlay: withheld" if withheld else "no overlay: not computed"

    def _match_sliders(self) -> None:
        display = self.session.display
        for slider, share in (
            (self.threshold, display.hidden_share),
            (self.opacity, display.opacity),
        ):
            blocked = slider.blockSignals(True)
            slider.setValue(round(share * 100))
            slider.blockSignals(blocked)

    # selection -------------------------------------------------------------------

    def point_mm(self) -> Point:
        """The crosshair in the space of the picture."""
        return self.session.crosshair_mm if self.in_template() else self.session.native_mm

    def select(self, mm: Point) -> None:
        """Go to a point of the template or of the scan."""
        if self.in_template():
            self.session.select_point(mm)
        else:
            self.session.select_native_point(mm)
