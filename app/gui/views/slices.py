"""Three orthogonal slices: the scan as it lies, or the template with parcels painted whole."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QToolButton, QWidget

from app.core import wording
from app.core.arrays import Floats, Ints
from app.gui.session import Point, Session
from app.gui.traces import hold, hold_key, parcel_key
from app.gui.view_state.slices import SHARED
from app.gui.widgets.bar_row import BarRow
from app.gui.widgets.crosshair_panel import CrosshairPanel
from app.gui.widgets.fields import choice, set_choice
from app.gui.widgets.layer_panel import LayerPanel
from app.gui.widgets.layer_stack import DrawnLayer, add_seed_layer, stack_of, toggle_layers
from app.gui.widgets.layer_window import LayerWindow, bring_forward, open_menu
from app.gui.widgets.overlay import name_method
from app.gui.widgets.overlay_controls import OverlayControls
from app.gui.widgets.roi_outlines import held_spheres
from app.gui.widgets.slice_content import SliceContent
from app.gui.widgets.slice_keys import HELD_COMMANDS, PLANE_COMMANDS
from app.gui.widgets.slice_view import NO_IMAGE, SliceView
from app.gui.widgets.view_keys import ViewCommand
from app.gui.widgets.volume_player import VolumePlayer

_PICTURES = {"one": "Reference volume", "volumes": "Volume by volume"}


class SlicesView(SliceView):
    """The scan on its own grid, or everything in the template, with layers and controls.

    Parameters
    ----------
    source
        "native": the scan; "overlay": template or participant under the layers.
    """

    name = "slices"
    plane_commands = (*PLANE_COMMANDS, *HELD_COMMANDS)
    commands = (
        *PLANE_COMMANDS,
        *HELD_COMMANDS,
        ViewCommand("overlay", "Layers on or off", "O", "toggle_overlay", "stage"),
        ViewCommand("letters", "Letters A, P, S, I on or off", "L", "toggle_letters", "stage"),
        ViewCommand("seed", "Seed map here", "S", "seed_here", "stage"),
        ViewCommand("hold", "Hold this time series", "T", "hold_here", "stage"),
        ViewCommand("previous", "Previous volume", ",", "previous_volume", "stage"),
        ViewCommand("next", "Next volume", ".", "next_volume", "stage"),
        ViewCommand("movie", "Play the volumes, or stop", "M", "toggle_movie", "stage"),
        ViewCommand("layers", "Show or hide the layer panel", "Alt+Y", "toggle_panel"),
        ViewCommand("place", "Type a place", "Alt+G", "type_place"),
    )
    map_asked = Signal()  # open a map from a file
    export_asked = Signal(str)  # key of a layer
    volumes_asked = Signal()  # decode the scan of the case that is open
    seed_asked = Signal(tuple)  # mm: correlate the scan with a sphere there
    said = Signal(str)  # one short sentence for the banner

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, source: str = "overlay"
    ) -> None:
        self.source = source
        self._drawn: tuple[DrawnLayer, ...] = ()
        super().__init__(session, parent)
        self.player = VolumePlayer(session, self)  # before anything draws
        self.layer_stack = stack_of(session)
        if source == "native":
            self.title = "Scan"
            self.title_label.setText(self.title)
            self.setAccessibleName(self.title)
        self.bar_row = BarRow()
        self.bar_row.hide()
        self.bars.addWidget(self.bar_row)
        self.bar.hide()
        if source == "overlay":
            self._add_controls()
        else:
            self.picture_box = choice("Which volume is shown", _PICTURES, "one", self.show_picture)
            self.picture_box.hide()
            self.volumes_button = QToolButton()
            self.volumes_button.setText("Open volumes…")
            self.volumes_button.setToolTip("Decode the scan's volumes, to step and play them")
            self.volumes_button.clicked.connect(lambda _checked=False: self.volumes_asked.emit())
            self.tools.addWidget(self.picture_box)
            self.tools.addWidget(self.volumes_button)
        self.panel = LayerPanel(session, self.layer_stack, self.space_key())
        self.panel.map_asked.connect(self.map_asked)
        self.panel.export_asked.connect(self.export_asked)
        self.layers_button = QToolButton()
        self.layers_button.setText("Layers")
        self.layers_button.setCheckable(True)
        self.layers_button.setToolTip("Layers: colours, range, threshold, opacity, order")
        self.layers_button.setAccessibleName("Show the layers")
        self.layers_button.toggled.connect(self._show_panel)
        self.layer_window = LayerWindow(self.panel, self.title, self)
        self.layer_window.closed.connect(lambda: self.layers_button.setChecked(False))
        self.tools.addWidget(self.layers_button)
        self.stage.hold_asked.connect(self.hold_here)
        self.stage.menu_asked.connect(self._open_menu)
        self.listen(session.frame_changed, self._frame_changed)
        self.listen(session.volumes_changed, self._draw)
        self.listen(session.plots_changed, self._plots_changed)
        self.listen(session.maps.changed, self._draw)
        self.refresh()

    def _add_controls(self) -> None:
        self.controls = OverlayControls(self.session)
        self.underlay_box, self.overlay_box = self.controls.underlay, self.controls.overlay
        self.threshold, self.opacity = self.controls.threshold, self.controls.opacity
        self.tools.addWidget(self.underlay_box)
        self.tools.addWidget(self.overlay_box)
        self.body.insertLayout(0, self.controls.slider_row())

    # what is shown --------------------------------------------------------------

    def volume(self) -> tuple[Ints | Floats, Floats] | None:
        """The volume under the crosshair with its affine, or None."""
        opened, preview = self.session.case, self.session.preview
        if self.source == "native":
            moving = self.player.picture()
            if moving is not None:
                return moving
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

    def space_key(self) -> str:
        """The space of the layers that lie on this picture."""
        return "template" if self.in_template() else "scanner"

    def space_word(self) -> str:
        """Name of the template, or "scanner" where the picture is in no template."""
        opened, preview = self.session.case, self.session.preview
        if self.in_template():
            return opened.view.template_name if opened is not None else ""
        scan = preview.scan if preview is not None else opened.case.scan if opened else None
        return scan.space if scan is not None else ""

    def picture_key(self) -> str:
        """Template, participant or scan: each has a window of its own."""
        return "native" if self.source == "native" else self.session.display.underlay

    def volume_text(self) -> str:
        """Which volume is shown, where several are there."""
        shown = self.source == "native" and self.player.shown
        return f"vol {self.player.index()} (first = 0)" if shown else ""

    def reason(self) -> str:
        """Why there is no picture; a scan may still be on its way."""
        if self.session.no_image:
            return NO_IMAGE
        waiting = self.source == "native" and self.session.preview is not None
        return "Decoding the scan…" if waiting else self.empty_reason()

    def content(self, data: Ints | Floats, affine: Floats) -> SliceContent:
        """The volume with layers, selection and letters."""
        display, opened, inside = self.session.display, self.session.case, self.in_template()
        self._drawn = self.layer_stack.drawn(self.space_key())
        self.overlay = self._drawn[0].overlay if self._drawn else None
        if inside:
            name_method(self.title_label, self.title, self.overlay)
            self.controls.follow()
        else:
            there = self.session.volumes is not None
            self.picture_box.setVisible(there)
            self.volumes_button.setVisible(not there and opened is not None)
            set_choice(self.picture_box, "volumes" if self.player.wanted else "one")
        if self.panel.isVisible():
            self.panel.refresh()
        return SliceContent(
            volume=data,
            affine=affine,
            levels=self.levels_for(data),
            labels=opened.view.labels if opened is not None and inside else None,
            paints=tuple(drawn.paint for drawn in self._drawn),
            selected=self.session.parcel if inside else None,
            network=self.session.selected_parcels if inside else (),
            convention_word=self.session.convention_word,
            secondary_letters=display.secondary_letters,
            box=opened.brain_box if opened is not None and inside else None,
            orientation_known=self.session.orientation_known,
            storage_codes=self.storage_codes(),
            caption=self.volume_text(),
            window_text=self.levels_text(data),
            crosshair=self.crosshair(),
            outlines=held_spheres(self.session, self.space_key(), affine, data.shape),
        )

    def show_scale(self, data: Ints | Floats) -> None:
        """One bar a layer."""
        del data
        self.bar_row.show_layers(self._drawn)

    def hidden_text(self) -> str:
        """How much lies below the threshold of each layer, or why there is no overlay."""
        if len(self._drawn) == 1:
            only = self._drawn[0]
            shared = only.layer.key == SHARED
            return only.hidden_text if shared else f"{only.title}: {only.hidden_text}"
        if self._drawn:
            return f"{len(self._drawn)} layers; each bar tells what it hides"
        slices = self.session.state.slices
        if not self.in_template() or self.session.display.overlay == "none":
            return ""
        if not any(layer.visible for layer in slices.stack):
            return "layers hidden"
        if self.session.display.overlay == "seed" and self.session.parcel is None:
            return "no overlay: no parcel is selected"
        opened = self.session.case
        if opened is not None and opened.lacks("labels.npy"):
            return "no overlay: the file of the parcels was changed, or is missing"
        withheld = opened is not None and opened.withheld
        return "no overlay: withheld" if withheld else "no overlay: not computed"

    def layer_texts(self, voxel: tuple[int, int, int]) -> list[str]:
        """The value of each layer under the crosshair; the shared one stands with the region."""
        return [
            f"{drawn.title} {wording.signed(drawn.value_at(voxel), 3)} {drawn.scale.unit}".strip()
            for drawn in self._drawn
            if drawn.overlay is None or drawn.overlay is not self.overlay
        ]

    def _show_panel(self, shown: bool) -> None:
        self.layer_window.setVisible(shown)
        if shown:
            self.panel.refresh()
            self.panel.list.setFocus()

    # volumes ---------------------------------------------------------------------

    def show_picture(self, key: str) -> None:
        """ "one": the reference volume; "volumes": the one under the frame cursor."""
        self.player.wanted = key == "volumes"
        self._draw()

    def toggle_movie(self) -> None:
        """Play the volumes, or stop."""
        if self.player.playing:
            self.player.stop()
        elif self.source == "native" and self.session.volumes is None:
            self.said.emit("There is nothing to play: the scan's volumes are not open.")
        else:
            self.player.play()

    def hideEvent(self, event: QHideEvent) -> None:
        """The page was left: nothing goes on playing."""
        super().hideEvent(event)
        self.player.stop()
        self.layers_button.setChecked(False)

    def _plots_changed(self) -> None:
        found, content = self.volume(), self.stage.content
        if found is not None and content is not None:
            held = held_spheres(self.session, self.space_key(), found[1], found[0].shape)
            if [id(one) for one in held] != [id(one) for one in content.outlines]:
                self._draw()

    def _frame_changed(self) -> None:
        if self.source == "native" and self.session.volumes is not None:
            self.player.wanted = True  # a click on the carpet wants its volume
            bring_forward(self)
            self._draw()

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

    def toggle_overlay(self) -> None:
        """All layers on or off."""
        toggle_layers(self.session)

    def toggle_letters(self) -> None:
        """A, P, S and I on or off; L and R always stay."""
        shown = self.session.display.secondary_letters
        self.session.set_display(secondary_letters=not shown)

    def previous_volume(self) -> None:
        """One volume back."""
        self.player.step(-1)

    def next_volume(self) -> None:
        """One volume on."""
        self.player.step(1)

    def toggle_panel(self) -> None:
        """Show or hide the layers."""
        self.layers_button.toggle()

    def type_place(self) -> None:
        """Put the cursor into the coordinate box."""
        self.place.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.place.field.selectAll()

    def _parcel_here(self) -> int | None:
        opened = self.session.case
        if opened is None or not self.in_template():
            return None
        return opened.parcel_at(self.session.crosshair_mm)

    def seed_here(self) -> None:
        """Lay the seed map of the parcel under the crosshair over the picture."""
        if not self.in_template():
            self.seed_asked.emit(self.session.native_mm)
            return
        parcel = self._parcel_here()
        if parcel is None:
            self.said.emit("No seed map: there is no parcel under the crosshair.")
            return
        self.said.emit(add_seed_layer(self.session, parcel))
        self.panel.key = f"seed:{parcel}"

    def hold_here(self) -> None:
        """Hold the trace under the crosshair, or let it go."""
        parcel = self._parcel_here()
        if parcel is not None:
            hold_key(self.session, parcel_key(parcel))
        elif not self.in_template() and self.session.volumes is not None:
            hold(self.session, native=True)
        else:
            self.said.emit("No trace to hold: there is no series under the crosshair.")

    def _open_menu(self, at: QPoint) -> None:
        """What can be done at the crosshair."""
        keys = [self.key_actions[n] for n in ("seed", "hold", "overlay") if n in self.key_actions]
        more = {
            "Copy position and values": self._copy,
            "Keep this place…": self._keep_place,
            "Crosshair…": lambda: CrosshairPanel(self.session, self).show(),
        }
        open_menu(self, at, keys, more)

    def _keep_place(self) -> None:
        self.place.show_places()
        assert self.place.panel is not None
        self.place.panel.keep_place()
