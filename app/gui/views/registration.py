"""The participant in the template: both masks' edges, coverage, the noise map, a flicker."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtGui import QHideEvent, QKeyEvent
from PySide6.QtWidgets import QPushButton, QWidget

from app.core import wording
from app.core.arrays import Floats, Ints
from app.core.colours import MagnitudeScale, sequential_table
from app.gui.session import Session
from app.gui.widgets.fields import choice, muted, set_choice
from app.gui.widgets.layer_pixels import Outline, overlay_paint
from app.gui.widgets.overlay import coverage_overlay, coverage_text
from app.gui.widgets.slice_content import SliceContent
from app.gui.widgets.slice_keys import PLANE_COMMANDS
from app.gui.widgets.slice_view import NO_IMAGE, SliceView
from app.gui.widgets.view_keys import ViewCommand, binding_of

_CAPTIONS = {"boldref": "Participant", "template": "Template", "tsnr": "tSNR map"}
PICTURES = {"boldref": "Participant's BOLD", "template": "Template T1", "tsnr": "tSNR map"}
LAYERS = {"edges": "Mask edges", "coverage": "Coverage", "none": "No overlay"}
FLICKER_HZ = 1.5  # both pictures once; well below the 3 Hz that may trouble people
TEMPLATE_EDGE = (64, 224, 232)
PARTICIPANT_EDGE = (255, 150, 60)
_COVERAGE_OPACITY = 0.85
_SOLID = "\N{BOX DRAWINGS HEAVY HORIZONTAL}" * 2
_DASHED = "\N{BOX DRAWINGS HEAVY TRIPLE DASH HORIZONTAL}" * 2


class RegistrationView(SliceView):
    """Slices to judge a registration by.

    The flicker alternates participant and template only while its button is down; it goes off
    by itself when the view is hidden. Space, held, shows the other picture once.
    """

    name = "registration"
    title = "Registration"
    commands = (
        *PLANE_COMMANDS,
        ViewCommand("flicker", "Flicker between participant and template", "F", "toggle_flicker"),
        ViewCommand("other", "Show the other picture while held", "Space"),
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.picture_shown = "boldref"
        self.layer = "edges"
        self._swapped = False  # by the flicker
        self._held = False  # by the space bar
        self.picture_box = choice("Picture", PICTURES, self.picture_shown, self.show_picture)
        self.layer_box = choice("What lies on the picture", LAYERS, self.layer, self.show_layer)
        self.flicker = QPushButton("Flicker")
        self.flicker.setCheckable(True)
        self.flicker.setToolTip(
            "Alternate participant and template (F); hold Space to see the other picture once"
        )
        self.flicker.setAccessibleName("Flicker between participant and template")
        self.flicker.toggled.connect(self._flicker_toggled)
        self.layer_box.setMinimumContentsLength(10)  # "Mask edges", which is no long entry
        for widget in (self.picture_box, self.layer_box, self.flicker):
            self.tools.addWidget(widget)
        self.legend = muted("")
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self.body.insertWidget(1, self.legend)
        self._timer = QTimer(self)
        self._timer.setInterval(round(1000.0 / FLICKER_HZ / 2.0))
        self._timer.timeout.connect(self._swap)
        self.refresh()

    # what is shown --------------------------------------------------------------

    def show_picture(self, key: str) -> None:
        """Show a key of `PICTURES`; ends a flicker."""
        self.picture_shown = key
        self.flicker.setChecked(False)
        self._draw()

    def show_layer(self, key: str) -> None:
        """Lay a key of `LAYERS` on the picture."""
        self.layer = key
        self._draw()

    def current_picture(self) -> str:
        """The key of the picture that is on the screen now."""
        if self._swapped == self._held:
            return self.picture_shown
        return "boldref" if self.picture_shown == "template" else "template"

    def refresh(self) -> None:
        """Draw the case that is open; another case begins without a flicker."""
        if hasattr(self, "flicker"):
            self.flicker.setChecked(False)
        super().refresh()

    def volume(self) -> tuple[Ints | Floats, Floats] | None:
        """The picture on the template's grid."""
        opened = self.session.case
        if opened is None or opened.view.affine is None:
            return None
        view = opened.view
        data = {"boldref": view.boldref, "template": view.template, "tsnr": view.tsnr}
        found = data[self.current_picture()]
        return None if found is None else (found, opened.view.affine)

    def picture_key(self) -> str:
        """The key of the picture: each has a window of its own."""
        return self.current_picture()

    def space_word(self) -> str:
        """Name of the template."""
        return self.session.case.view.template_name if self.session.case is not None else ""

    def reason(self) -> str:
        """Why there is no picture."""
        opened = self.session.case
        if self.session.no_image and self.current_picture() != "template":
            return NO_IMAGE
        if opened is not None and opened.view.affine is not None and self.picture_shown == "tsnr":
            if opened.view.mask is None:
                return "This case was written before the tSNR map was kept. Run it again for it."
            return "No tSNR map: the run was preprocessed elsewhere."
        return self.empty_reason()

    def content(self, data: Ints | Floats, affine: Floats) -> SliceContent:
        """The picture, its name, both edges or the coverage, the selected parcel."""
        opened, display = self.session.case, self.session.display
        assert opened is not None
        picture = self.current_picture()
        set_choice(self.picture_box, self.picture_shown)
        set_choice(self.layer_box, self.layer)
        self.overlay = coverage_overlay(opened) if self.layer == "coverage" else None
        outlines = self._outlines() if self.layer == "edges" else ()
        self._show_legend()
        return SliceContent(
            volume=data,
            affine=affine,
            levels=self.levels_for(data),
            labels=opened.view.labels,
            paints=()
            if self.overlay is None
            else (overlay_paint(self.overlay, _COVERAGE_OPACITY),),
            selected=self.session.parcel,
            network=self.session.selected_parcels,
            convention_word=self.session.convention_word,
            orientation_known=self.session.orientation_known,
            secondary_letters=display.secondary_letters,
            box=opened.brain_box,
            outlines=outlines,
            colours=sequential_table().astype(np.uint8) if picture == "tsnr" else None,
            caption=_CAPTIONS[picture],
            window_text=self.levels_text(data),
            crosshair=self.crosshair(),
        )

    def _outlines(self) -> tuple[Outline, ...]:
        assert self.session.case is not None
        view = self.session.case.view
        template = view.template_mask
        if template is None and view.labels is not None:
            template = np.asarray(view.labels) > 0  # cases of earlier versions
        found = [] if template is None else [Outline(template, TEMPLATE_EDGE)]
        if view.mask is not None:
            found.append(Outline(view.mask, PARTICIPANT_EDGE, dashed=True))
        return tuple(found)

    def _show_legend(self) -> None:
        opened = self.session.case
        assert opened is not None
        if self.layer == "none":
            self.legend.setVisible(False)
            return
        self.legend.setVisible(True)
        if self.layer == "coverage":
            words = "Painted: parcels not wholly covered; hatched: missing"
            self.legend.setText(words)
            self.legend.setAccessibleName(words)
            return
        whole = opened.view.template_mask is not None
        template = "template's brain mask" if whole else "rim of the atlas (earlier version)"
        parts = [f"{_line(TEMPLATE_EDGE, _SOLID)} {template}"]
        spoken = f"Solid: {template}"
        if opened.view.mask is not None:
            parts.append(f"{_line(PARTICIPANT_EDGE, _DASHED)} participant's brain mask")
            spoken += "; dashed: participant's brain mask"
        self.legend.setText("&nbsp;&nbsp; ".join(parts))
        self.legend.setAccessibleName(spoken)

    def show_scale(self, data: Ints | Floats) -> None:
        """The coverage's bar, or that of the tSNR map."""
        if self.overlay is None and self.current_picture() == "tsnr":
            scale = MagnitudeScale(max(self.levels_for(data)[1], 1e-6), "tSNR")
            self.bar.set_scale(scale, clipped=scale.clipped(np.asarray(data)))
        else:
            super().show_scale(data)

    def value_text(self, value: float) -> str:
        """The value under the crosshair and what it is."""
        picture = self.current_picture()
        if picture == "tsnr":
            return f"tSNR {wording.number(value)}" if value > 0 else "tSNR not measured here"
        return f"{_CAPTIONS[picture]} {wording.number(value)}"

    def hidden_text(self) -> str:
        """How much of the atlas was covered."""
        opened = self.session.case
        if opened is None or opened.case.signals is None:
            return ""
        return coverage_text(opened.case.signals.coverage)

    def parcel_text(self, parcel: int) -> str:
        """How much of a parcel was covered."""
        opened = self.session.case
        if opened is None or opened.case.signals is None:
            return ""
        return f"covered {100.0 * float(opened.case.signals.coverage[parcel]):.0f} %"

    # flicker ---------------------------------------------------------------------

    def _flicker_toggled(self, on: bool) -> None:
        self._swapped = False
        if on and self.picture_shown == "tsnr":
            self.picture_shown = "boldref"
        (self._timer.start if on else self._timer.stop)()
        self._draw()

    def _swap(self) -> None:
        self._swapped = not self._swapped
        self._draw()

    def _hold(self, held: bool) -> None:
        if held != self._held:
            self._held = held
            self._draw()

    def toggle_flicker(self) -> None:
        """Begin or end the flicker."""
        self.flicker.toggle()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The other picture, while its key is held."""
        if self.session.keys.matches(binding_of(type(self), "other"), event):
            self._hold(True)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """The key was let go: the chosen picture again."""
        other = self.session.keys.matches(binding_of(type(self), "other"), event)
        if other and not event.isAutoRepeat():
            self._hold(False)
        else:
            super().keyReleaseEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Another window in front: its key releases do not come here."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ActivationChange and hasattr(self, "_timer"):
            self._hold(False)

    def hideEvent(self, event: QHideEvent) -> None:
        """The page was left: nothing goes on flickering."""
        super().hideEvent(event)
        self._hold(False)
        self.flicker.setChecked(False)


def _line(colour: tuple[int, int, int], text: str) -> str:
    return f'<span style="color:rgb{colour}">{text}</span>'
