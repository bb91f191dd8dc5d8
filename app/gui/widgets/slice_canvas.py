"""A slice that answers to mouse and keys; it tells what is wished and changes nothing itself."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from app.gui.bindings import KeyMap
from app.gui.widgets.plane import Plane
from app.gui.widgets.slice_keys import PlaneKeys
from app.gui.widgets.slice_picture import SlicePicture

_FAR = 5  # voxels
_WINDOW_STEP = 0.02  # share of the range that one arrow key changes while W is on
_PAN_KEY_MM = 8.0


class SliceCanvas(SlicePicture):
    """One plane under mouse and keys."""

    pointed = Signal(tuple)  # voxel indices (i, j, k) as floats
    stepped = Signal(str, int)  # plane name, slices to move
    moved = Signal(int, int)  # arrow keys: (axis, voxels)
    zoomed = Signal(float)  # factor
    panned = Signal(str, float, float)  # plane name, mm across, mm up
    windowed = Signal(float, float)  # share of the range: wider, brighter
    region_windowed = Signal(tuple, tuple)  # voxels of two corners of a rectangle
    window_mode = Signal(bool)  # the arrows set window and level, or no longer
    released = Signal()  # a drag is over
    reset = Signal()
    double_clicked = Signal(str)  # plane name
    hold_asked = Signal()  # Shift + click: hold the time series under the pointer
    blinked = Signal(bool)  # the layers are hidden while this is true
    menu_asked = Signal(object)  # QPoint on the screen
    svg_as_image = True  # a zoomed slice is larger than the canvas

    def __init__(self, shown: Plane, parent: QWidget | None = None) -> None:
        super().__init__(shown, parent)
        self.keys = PlaneKeys(KeyMap())
        self.window_keys = False  # the arrows set window and level
        self._pressed: QPointF | None = None
        self._dragged = False
        self._region: QPointF | None = None  # first corner of a rectangle
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(60, 60)
        self.setAccessibleName(f"{shown.name} slice")
        self.setCursor(Qt.CursorShape.CrossCursor)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture, and the rectangle that is being drawn."""
        super().paintEvent(event)
        if self._region is not None and self._pressed is not None:
            painter = QPainter(self)
            painter.setPen(QPen(QColor("#ffffff"), 1, Qt.PenStyle.DashLine))
            painter.drawRect(QRectF(self._region, self._pressed).normalized())
            painter.end()

    # mouse ------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Left: crosshair. Middle, Shift+left, Alt+left: pan. Right: window and level."""
        self._pressed = event.position()
        self._dragged = False
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        ctrl = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if event.button() == Qt.MouseButton.RightButton and ctrl:
            self._region = event.position()
        elif event.button() == Qt.MouseButton.LeftButton and not _panning(event):
            self._point(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with what the press began."""
        if self._pressed is None or self.content is None:
            return
        change = event.position() - self._pressed
        self._dragged = self._dragged or change.manhattanLength() > 2.0
        if self._region is not None:
            self._pressed = event.position()
            self.update()
        elif event.buttons() & Qt.MouseButton.RightButton and self.keys.right_drag == "zoom":
            self.zoomed.emit(2.0 ** (-2.0 * change.y() / self.height()))
            self._pressed = event.position()
        elif event.buttons() & Qt.MouseButton.RightButton:
            self.windowed.emit(change.x() / self.width(), -change.y() / self.height())
            self._pressed = event.position()
        elif _panning(event):
            scale = self.scale_px_per_mm
            self.panned.emit(self.plane.name, change.x() / scale, -change.y() / scale)
            self._pressed = event.position()
        elif event.buttons() & Qt.MouseButton.LeftButton:
            self._point(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End a drag; a Shift+click that did not move holds the trace."""
        region, pressed = self._region, self._pressed
        self._pressed = self._region = None
        if self.content is None or pressed is None:
            return
        if region is not None:
            self.update()
            self.region_windowed.emit(self.voxel_at(region), self.voxel_at(event.position()))
        elif (
            event.button() == Qt.MouseButton.LeftButton
            and event.modifiers() == Qt.KeyboardModifier.ShiftModifier
            and not self._dragged
        ):
            self._point(event.position())
            self.hold_asked.emit()
        elif event.button() == Qt.MouseButton.RightButton and not self._dragged:
            self.menu_asked.emit(event.globalPosition().toPoint())
        self.released.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Give this plane the whole stage, or take it back."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.double_clicked.emit(self.plane.name)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """The menu key; the right button opens the menu by itself where it did not drag."""
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            self.menu_asked.emit(self.mapToGlobal(self.rect().center()))
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Wheel: next slice; Ctrl+wheel: zoom."""
        notches = event.angleDelta().y() / 120.0
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoomed.emit(1.15**notches)
        elif notches:
            self.stepped.emit(self.plane.name, 1 if notches > 0 else -1)
        event.accept()

    # keys ---------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """What the user's keys mean on this plane; see `slice_keys`."""
        command = self.keys.command(event)
        if self.window_keys and self._window_key(command, Qt.Key(event.key())):
            return
        if command == "blink":
            if not event.isAutoRepeat():
                self.blinked.emit(True)
        elif command == "window":
            self.set_window_keys(True)
        elif command == "reset":
            self.reset.emit()
        elif command == "zoom_in":
            self.zoomed.emit(1.15)
        elif command == "zoom_out":
            self.zoomed.emit(1.0 / 1.15)
        elif command == "plane":
            self.double_clicked.emit(self.plane.name)
        elif not command or not self._moved(command):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """The held key was let go: the layers again."""
        if self.keys.command(event) == "blink" and not event.isAutoRepeat():
            self.blinked.emit(False)
        else:
            super().keyReleaseEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """What a held key began ends with the focus: its release does not come here."""
        super().focusOutEvent(event)
        self.blinked.emit(False)
        self.set_window_keys(False)

    def set_window_keys(self, on: bool) -> None:
        """Let the arrows set window and level, until Enter or Escape."""
        if on != self.window_keys:
            self.window_keys = on
            self.window_mode.emit(on)
            if not on:
                self.released.emit()

    def _window_key(self, command: str, key: Qt.Key) -> bool:
        changes = {
            "right": (_WINDOW_STEP, 0.0),
            "left": (-_WINDOW_STEP, 0.0),
            "up": (0.0, _WINDOW_STEP),
            "down": (0.0, -_WINDOW_STEP),
        }
        ends = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape)
        if command in changes:
            self.windowed.emit(*changes[command])
        elif key in ends or command == "window":
            self.set_window_keys(False)
        else:
            return False
        return True

    def _moved(self, command: str) -> bool:
        """Crosshair, slice or picture moved; False for any other command."""
        plane = self.plane
        way, _, end = command.rpartition("_")
        sideways = {"left": -1, "right": 1}
        upwards = {"down": -1, "up": 1}
        if command in ("next_slice", "previous_slice"):
            self.moved.emit(plane.through, 1 if command == "next_slice" else -1)
        elif way == "pan":
            across, up = _PAN_KEY_MM * sideways.get(end, 0), _PAN_KEY_MM * upwards.get(end, 0)
            self.panned.emit(plane.name, across, up)
        elif end in sideways:
            towards = -1 if plane.mirrored else 1
            self.moved.emit(plane.across, sideways[end] * towards * (_FAR if way else 1))
        elif end in upwards:
            self.moved.emit(plane.up, upwards[end] * (_FAR if way else 1))
        else:
            return False
        return True

    def _point(self, at: QPointF) -> None:
        if self.content is not None:
            self.pointed.emit(self.voxel_at(at))


def _panning(event: QMouseEvent) -> bool:
    keys = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.AltModifier
    middle = event.buttons() & Qt.MouseButton.MiddleButton
    left = event.buttons() & Qt.MouseButton.LeftButton and event.modifiers() & keys
    return bool(middle or left)
