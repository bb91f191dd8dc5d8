"""The brain in space: the surface with whole parcels, or a glass brain with connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QTimer
from PySide6.QtGui import QPixmap, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.core.explanation_wording import baseline_words, headed, titled
from app.gui.connections import Shown, shown_connections
from app.gui.open_case import BRAIN_GREY
from app.gui.session import Session
from app.gui.widgets.camera_keys import CameraKeys
from app.gui.widgets.colour_bar import ColourBar
from app.gui.widgets.fields import choice, muted, set_choice
from app.gui.widgets.layer_stack import DrawnLayer, top_overlay
from app.gui.widgets.overlay import Overlay, follows_frames, name_method
from app.gui.widgets.space_content import connections_in_space, legend_of
from app.gui.widgets.surface_canvas import Legend, SurfaceCanvas
from app.gui.widgets.tables import Table
from app.gui.widgets.vertex_values import vertex_table
from app.gui.widgets.view import View
from app.gui.widgets.view_keys import ViewCommand

if TYPE_CHECKING:
    from app.gui.widgets.scene_camera import Camera
    from app.gui.widgets.surface_scene import SurfaceScene

    SeenFrom = tuple[str, str, Camera | None]  # side, standard view, as it was turned since

_SHAPES = {"pial": "Pial", "inflated": "Inflated", "glass": "Glass brain"}
_SIDES = {"both": "Both sides", "left": "Left side", "right": "Right side"}
_VIEWS = {name: name for name in ("Left", "Right", "Front", "Back", "Top", "Bottom")}
_UNKNOWN = {"left": "One side", "right": "Other side", "Left": "One side", "Right": "Other side"}


class SurfaceView(CameraKeys, View):
    """The only view that needs VTK, which is loaded when it is first shown."""

    name = "surface"
    title = "Surface"
    takes_turns = True
    draws = ("surface.npz",)
    commands = (
        *(
            ViewCommand(f"from_{name.lower()}", f"Look from the {name.lower()}", str(number),
                        f"from_{name.lower()}", "canvas")
            for number, name in enumerate(("Left", "Right", "Front", "Back", "Top", "Bottom"), 1)
        ),
        ViewCommand("turn_left", "Turn to the left", "Left", "turn_left", "canvas"),
        ViewCommand("turn_right", "Turn to the right", "Right", "turn_right", "canvas"),
        ViewCommand("turn_up", "Turn up", "Up", "turn_up", "canvas"),
        ViewCommand("turn_down", "Turn down", "Down", "turn_down", "canvas"),
        ViewCommand("nearer", "Come nearer", "Ctrl++; Ctrl+=", "nearer", "canvas"),
        ViewCommand("farther", "Go back", "Ctrl+-", "farther", "canvas"),
        ViewCommand("reset", "Standard view again", "R", "reset", "canvas"),
    )  # fmt: skip
    gestures = (
        ("Click", "Select the parcel or connection"),
        ("Left drag", "Turn"),
        ("Right drag, wheel", "Zoom"),
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._sides = "both"
        self._wanted_camera: Camera | None = None  # of the same view before it was made anew
        self._loaded: object = None  # the view files that the scene was made from
        self._shape = "pial"
        self.overlay: Overlay | None = None  # of parcels
        self.vertex_map: DrawnLayer | None = None  # in its place: a map of vertices from a file
        self.shown: Shown | None = None  # the connections, while they are drawn
        self._drawn: object = None  # the connections that the scene holds
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self.load_now)
        self._selected = False  # the scene marks what is selected
        self.canvas = SurfaceCanvas()
        self.canvas.before_render = self._catch_up
        self.bar = ColourBar()
        self.words = muted("")
        self.words.setWordWrap(True)  # of selected frames it is long: the page keeps its width
        self.shape_box = choice("What is drawn", _SHAPES, self.shape(), self._set_shape)
        self.shape_box.setMinimumContentsLength(8)  # the title has its room too
        self.side_box = choice("Hemispheres", _SIDES, "both", self._set_sides)
        self.side_box.setMinimumContentsLength(7)
        self.view_box = choice("Standard view, keys 1 to 6", _VIEWS, "Left", self.look_from)
        for box in (self.view_box, self.side_box, self.shape_box):
            self.tools.addWidget(box)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.canvas, 1)
        row.addWidget(self.bar)
        self.body.addLayout(row, 1)
        self.body.addWidget(self.words)
        self.canvas.picked.connect(session.select_parcel)
        self.canvas.edge_picked.connect(session.select_edge)
        self.listen(session.parcel_changed, self._selection_changed, soon=True)
        for signal in (session.edge_changed, session.network_changed):
            self.listen(signal, self._selection_changed, soon=True)
        self.listen(session.crosshair_changed, self._crosshair_changed, soon=True)
        for signal in (
            session.display_changed,
            session.slices_changed,
            session.plots_changed,
            session.maps.changed,
        ):
            self.listen(signal, self._draw)
        self.listen(session.frames_changed, self._frames_changed)
        self.refresh()

    def _frames_changed(self) -> None:
        if follows_frames(self.session):
            self._draw()

    def shape(self) -> str:
        """A key of the choices: a surface, or "glass"."""
        glass = self.session.state.slices.scene == "glass"
        return "glass" if glass else self.session.display.surface

    def _set_shape(self, key: str) -> None:
        scene = "glass" if key == "glass" else "surface"
        if key != "glass":
            self.session.set_display(surface=key)
        self.session.change("Surface or glass brain", "slices", scene=scene)

    def _name_sides(self) -> None:
        """No left and right in the choices where the scan's are unknown."""
        known = self.session.orientation_known
        self.canvas.orientation_known = known
        for box, texts in ((self.side_box, _SIDES), (self.view_box, _VIEWS)):
            for key, text in texts.items():
                box.setItemText(box.findData(key), text if known else _UNKNOWN.get(key, text))

    def refresh(self) -> None:
        """Show the case that is open, once the view is on screen."""
        self._name_sides()
        if self.session.case is None:
            self.close_scene()  # nothing of the last participant stays
        if self.isVisible():
            self._later.start()
        self._draw()

    def showEvent(self, event: QShowEvent) -> None:
        """Load VTK and the meshes soon after the first showing.

        Never inside this call: an exception in an override that Qt called, while Qt goes on to
        call others, makes PySide 6.11 lose references.
        """
        super().showEvent(event)
        self._later.start()

    def load_now(self) -> None:
        """Load and draw at once."""
        self._later.stop()
        self._load()
        self._draw()

    def close_scene(self) -> None:
        """Give the graphics memory back; nothing is drawn or loaded any more until asked."""
        self._later.stop()
        scene = self.canvas.scene
        self.canvas.clear()
        if scene is not None:
            scene.close()
        self._loaded = self._drawn = None

    def seen_from(self) -> SeenFrom:
        """The chosen side and standard view, and the camera as it was turned since."""
        scene = self.canvas.scene
        camera = scene.camera() if scene is not None else self._wanted_camera
        return str(self.side_box.currentData()), str(self.view_box.currentData()), camera

    def see_from(self, kept: SeenFrom) -> None:
        """The same in a view that was made anew; the camera stands there once there is one."""
        set_choice(self.side_box, kept[0])
        set_choice(self.view_box, kept[1])
        self._set_sides(kept[0])
        self._wanted_camera = kept[2]

    def picture(self) -> QPixmap:
        """The view with a freshly drawn surface."""
        self.load_now()
        self.canvas.draw_now()
        return super().picture()

    # drawing -------------------------------------------------------------------------

    def _load(self) -> None:
        opened = self.session.case
        surfaces = opened.view.surfaces if opened is not None else {}
        if self._loaded is surfaces:
            return
        self.close_scene()
        if not surfaces:
            self.canvas.reason = self.empty_reason()
            self.canvas.update()
            return
        self.canvas.scene = _make_scene(surfaces)
        self._loaded = surfaces
        self._shape = "pial"
        self.canvas.scene.set_sides(self._sides)
        self.look_from(str(self.view_box.currentData()))
        self._select()

    def _draw(self) -> None:
        scene, shape = self.canvas.scene, self.shape()
        top = top_overlay(self.session)
        self.overlay = top if isinstance(top, Overlay) else None
        self.vertex_map = top if isinstance(top, DrawnLayer) else None
        self.shown = shown_connections(self.session) if shape == "glass" else None
        set_choice(self.shape_box, shape)
        self._show_legend(shape)
        if scene is None or self.session.case is None:  # a scene may outlive its case for a turn
            waiting = self.session.case is not None and bool(self.session.case.view.surfaces)
            self.canvas.reason = "Loading the surface…" if waiting else self.empty_reason()
            self.canvas.update()
            return
        if shape != self._shape:
            self._change_shape(scene, shape)
        if self._wanted_camera is not None:
            scene.put_camera(self._wanted_camera)
            self._wanted_camera = None
        if shape == "glass" and self.shown is not self._drawn:
            assert self.session.case is not None
            found = None
            if self.shown is not None:
                found = connections_in_space(self.session.case, self.shown)
            scene.set_connections(found)
            self.canvas.legend = legend_of(found, self.shown)
            self._drawn = self.shown
        elif shape != "glass":
            self._colour(scene)
        self._select()
        self.canvas.redraw()

    def _show_legend(self, shape: str) -> None:
        """Title, bar and the words below: of the connections or of the parcels."""
        if shape == "glass":
            self.title_label.setToolTip("")
            note = baseline_words(self.baseline())
            self.title_label.setText(headed("Connections", self.baseline()))
            of_shown = None if self.shown is None else self.shown.scale
            beyond = self.shown is not None and self.shown.scale.clipped(self.shown.matrix)
            self.bar.set_scale(of_shown, clipped=beyond, title="Connection", note=note)
            self.words.setText(self.shown.words if self.shown is not None else "")
            return
        self.canvas.legend = Legend()
        if self.vertex_map is not None:
            drawn = self.vertex_map
            self.title_label.setText(self.title)
            self.title_label.setToolTip("")
            self.bar.set_scale(drawn.scale, clipped=drawn.clipped, title=drawn.title)
            self.words.setText(". ".join([f"{drawn.title}: {drawn.hidden_text}", *drawn.notes]))
            return
        name_method(self.title_label, self.title, self.overlay)
        if self.overlay is None:
            self.bar.set_scale(None)
            self.words.setText("")
            return
        scale = self.overlay.scale
        clipped = scale.clipped(self.overlay.values)
        note = baseline_words(self.overlay.baseline)
        self.bar.set_scale(scale, clipped=clipped, title=self.overlay.title, note=note)
        self.words.setText(f"{self.overlay.title}: {self.overlay.hidden_text}")

    def baseline(self) -> str:
        """Of the parcels' map, or of the connections."""
        if self.shape() == "glass":
            return self.shown.baseline if self.shown is not None else ""
        return self.overlay.baseline if self.overlay is not None else ""

    def _change_shape(self, scene: SurfaceScene, shape: str) -> None:
        opened = self.session.case
        assert opened is not None
        was, self._shape = self._shape, shape
        if shape == "glass" and opened.view.template is not None:
            inside = np.asarray(opened.view.template) > BRAIN_GREY
            scene.set_glass(inside, opened.view.affine)
            self._drawn = None
        else:
            scene.set_glass(None, None)
            scene.set_connections(None)
            self._drawn = None
            scene.set_shape(shape)
        if {was, shape} & {"inflated"}:
            scene.look_from(str(self.view_box.currentData()))

    def _colour(self, scene: SurfaceScene) -> None:
        if self.vertex_map is not None:
            drawn = self.vertex_map
            scene.set_vertex_values(
                dict(drawn.vertices), drawn.scale, drawn.layer.opacity, labels=drawn.labels
            )
        elif self.overlay is None:
            count = self._parcel_count()
            scene.set_colours(np.zeros((count, 3), np.uint8), np.zeros(count, dtype=bool))
        else:
            scene.set_colours(self.overlay.rgb(), self.overlay.shown, self.overlay.disagreeing)

    def _select(self) -> None:
        scene, session = self.canvas.scene, self.session
        if scene is None:
            return
        self._selected = True
        glass = self._shape == "glass"
        scene.set_outline(() if glass else session.selected_parcels)
        scene.set_chosen(session.selected_parcels, session.edge)
        # The inflated surface has no place of its own for a point of the template.
        scene.set_cursor(session.crosshair_mm if self._shape != "inflated" else None)

    def _selection_changed(self) -> None:
        self._selected = False
        if self.session.display.overlay == "seed":
            self._draw()
        self.canvas.redraw_when_calm()

    def _crosshair_changed(self) -> None:
        if self._shape != "inflated":
            self._selected = False
            self.canvas.redraw_when_calm()

    def _catch_up(self) -> None:
        """Mark the selection, once for all changes since the last picture."""
        if not self._selected:
            self._select()

    def sentence(self) -> str:
        """What is drawn, in one sentence."""
        if self._shape == "glass" and self.shown is not None:
            return f"Glass brain from the {self.view_box.currentText().lower()}, {self.shown.words}"
        words = self.words.text() or "no overlay."
        return f"{self.view_box.currentText()} view of the surface, {words}"

    def as_table(self) -> Table | None:
        """The connections that are drawn, or the value of every parcel."""
        opened = self.session.case
        signals = opened.case.signals if opened is not None else None
        if signals is None:
            return None
        names, networks = signals.parcel_names, signals.networks
        if self.shape() == "glass" and self.shown is not None:
            edges = self.shown.edges
            pairs = zip(edges.pairs(), edges.value.tolist(), strict=True)
            rows = [(names[a], names[b], value) for (a, b), value in pairs]
            unit = titled(self.shown.unit or "Value", self.shown.baseline)
            return Table(("Region", "Other region", unit), rows)
        if self.vertex_map is not None and self.shape() != "glass":
            return vertex_table(self.vertex_map)
        if self.overlay is None:
            return None
        values = (float(v) for v in self.overlay.values)
        shown = ("yes" if s else "no" for s in self.overlay.shown)
        found = list(zip(names, networks, values, shown, strict=True))
        unit = titled(self.overlay.scale.unit, self.overlay.baseline)
        return Table(("Region", "Network", unit, "Over threshold"), found)

    def _parcel_count(self) -> int:
        opened = self.session.case
        signals = opened.case.signals if opened is not None else None
        return len(signals.parcel_names) if signals is not None else 0

    def _set_sides(self, sides: str) -> None:
        self._sides = sides
        if self.canvas.scene is not None:
            self.canvas.scene.set_sides(sides)
            self.canvas.redraw()


def _make_scene(surfaces: object) -> SurfaceScene:
    """Import VTK and build the scene; about a second, at first use only."""
    from app.gui.widgets.surface_scene import SurfaceScene

    return SurfaceScene(surfaces)  # type: ignore[arg-type]
