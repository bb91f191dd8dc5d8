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

from app.gui.widgets.plane import Plane
from app.gui.widgets.slice_picture import SlicePicture

_WINDOW_STEP = 0.02  # share of the range that one arrow key changes while W is on
_PAN_KEY_MM = 8.0

# Keys that act while a slice has the focus, and what they wish for.
COMMANDS: dict[Qt.Key, str] = {
    Qt.Key.Key_O: "overlay",
    Qt.Key.Key_L: "letters",
    Qt.Key.Key_S: "seed",
    Qt.Key.Key_T: "hold",
    Qt.Key.Key_Comma: "previous volume",
    Qt.Key.Key_Period: "next volume",
    Qt.Key.Key_M: "movie",
}


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
    commanded = Signal(str)  # a value of COMMANDS
    blinked = Signal(bool)  # the layers are hidden while this is true
    menu_asked = Signal(object)  # QPoint on the screen

    def __init__(self, shown: Plane, parent: QWidget | None = None) -> None:
        super().__init__(shown, parent)
        self.single_keys = True  # letters without Ctrl act
        self.layer_keys = True  # the keys of COMMANDS and Space; else they are the view's own
        self.window_keys = False
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
            self.commanded.emit("hold")
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
        """Arrows move, Page keys step, Ctrl+plus/minus zoom; the letters stand in `COMMANDS`."""
        key = Qt.Key(event.key())
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        plain = modifiers == Qt.KeyboardModifier.NoModifier
        ctrl = modifiers & Qt.KeyboardModifier.ControlModifier
        if self.window_keys and plain and self._window_key(key):
            return
        if plain and key == Qt.Key.Key_Space and self.layer_keys:
            if not event.isAutoRepeat():
                self.blinked.emit(True)
        elif plain and self.single_keys and self.layer_keys and key in COMMANDS:
            if not event.isAutoRepeat() or key in (Qt.Key.Key_Comma, Qt.Key.Key_Period):
                self.commanded.emit(COMMANDS[key])
        elif plain and self.single_keys and key == Qt.Key.Key_W:
            self.set_window_keys(True)
        elif plain and self.single_keys and key == Qt.Key.Key_R:
            self.reset.emit()
        elif ctrl and key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoomed.emit(1.15)
        elif ctrl and key == Qt.Key.Key_Minus:
            self.zoomed.emit(1.0 / 1.15)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_F11):
            self.double_clicked.emit(self.plane.name)
        elif not self._moved(key, event.modifiers()):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Space let go: the layers again."""
        if event.key() == Qt.Key.Key_Space and self.layer_keys and not event.isAutoRepeat():
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

    def _window_key(self, key: Qt.Key) -> bool:
        changes = {
            Qt.Key.Key_Right: (_WINDOW_STEP, 0.0),
            Qt.Key.Key_Left: (-_WINDOW_STEP, 0.0),
            Qt.Key.Key_Up: (0.0, _WINDOW_STEP),
            Qt.Key.Key_Down: (0.0, -_WINDOW_STEP),
        }
        if key in changes:
            self.windowed.emit(*changes[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape, Qt.Key.Key_W):
            self.set_window_keys(False)
        else:
            return False
        return True

    def _moved(self, key: Qt.Key, modifiers: Qt.KeyboardModifier) -> bool:
        """Arrows and Page keys; False for any other."""
        plane = self.plane
        step = 5 if modifiers & Qt.KeyboardModifier.ShiftModifier else 1
        towards = -1 if plane.mirrored else 1
        moves = {
            Qt.Key.Key_Right: (plane.across, towards * step),
            Qt.Key.Key_Left: (plane.across, -towards * step),
            Qt.Key.Key_Up: (plane.up, step),
            Qt.Key.Key_Down: (plane.up, -step),
            Qt.Key.Key_PageUp: (plane.through, step),
            Qt.Key.Key_PageDown: (plane.through, -step),
        }
        if key not in moves or modifiers & Qt.KeyboardModifier.ControlModifier:
            return False
        axis, voxels = moves[key]
        if modifiers & Qt.KeyboardModifier.AltModifier:
            across = axis == plane.across
            signed = _PAN_KEY_MM * (voxels * towards if across else voxels) / step
            self.panned.emit(plane.name, signed if across else 0.0, 0.0 if across else signed)
        else:
            self.moved.emit(axis, voxels)
        return True

    def _point(self, at: QPointF) -> None:
        if self.content is not None:
            self.pointed.emit(self.voxel_at(at))


def _panning(event: QMouseEvent) -> bool:
    keys = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.AltModifier
    middle = event.buttons() & Qt.MouseButton.MiddleButton
    left = event.buttons() & Qt.MouseButton.LeftButton and event.modifiers() & keys
    return bool(middle or left)
