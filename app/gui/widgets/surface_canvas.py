"""A plain widget that shows the off-screen surface and turns mouse and keys into its camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from app.core.sides import UNKNOWN, UNKNOWN_SENTENCE
from app.gui.widgets.theme import font

if TYPE_CHECKING:
    from app.gui.widgets.surface_scene import SurfaceScene

_CLICK_PX = 4.0
_DEGREES_PER_PX = 0.5


class SurfaceCanvas(QWidget):
    """Paints the scene's picture with letters; tells which parcel was clicked."""

    picked = Signal(int)  # 0-based parcel
    view_asked = Signal(str)  # name of a standard view

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scene: SurfaceScene | None = None
        self.reason = ""
        self.orientation_known = True
        self._image: QImage | None = None
        self._letters: dict[str, tuple[float, float, float]] = {}
        self._pressed: QPointF | None = None
        self._last: QPointF | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._render)
        self.setMinimumSize(120, 100)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Cortical surface")

    def footnote(self) -> str:
        """The words in the corner."""
        return "3D, never mirrored" if self.orientation_known else f"3D, {UNKNOWN_SENTENCE}"

    def redraw(self) -> None:
        """Draw the scene again soon; many calls make one picture."""
        if not self._timer.isActive():
            self._timer.start()

    def stop(self) -> None:
        """Forget a drawing that was asked for."""
        self._timer.stop()

    def draw_now(self) -> None:
        """Draw the scene at once, for a screenshot."""
        self._timer.stop()
        self._render()

    def _render(self) -> None:
        if self.scene is None or not self.isVisible():
            self.update()
            return
        ratio = self.devicePixelRatioF()
        width, height = max(round(self.width() * ratio), 8), max(round(self.height() * ratio), 8)
        pixels = self.scene.render(width, height)
        image = QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGBA8888)
        self._image = image.copy()
        self._image.setDevicePixelRatio(ratio)
        self._letters = {
            letter: (x / ratio, y / ratio, depth)
            for letter, (x, y, depth) in self.scene.side_places().items()
        }
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Picture, letters, the words that it is not mirrored."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.black)
        flag = Qt.AlignmentFlag
        if self.scene is None or self._image is None:
            painter.setPen(QColor("#a3b0bd"))
            middle = self.rect().adjusted(14, 14, -14, -14)
            painter.drawText(middle, int(flag.AlignCenter | Qt.TextFlag.TextWordWrap), self.reason)
            painter.end()
            return
        painter.drawImage(QPointF(0, 0), self._image)
        painter.setFont(font(self.font(), scale=1.1, bold=True))
        centre = QPointF(self.width() / 2.0, self.height() / 2.0)
        for letter, (x, y, _depth) in self._letters.items():
            away = QPointF(x, y) - centre
            if abs(away.x()) + abs(away.y()) < 36.0:
                continue  # this axis points at the reader
            at = QPointF(
                min(max(x, 12.0), self.width() - 12.0), min(max(y, 12.0), self.height() - 12.0)
            )
            box = QRectF(at.x() - 12, at.y() - 12, 24, 24)
            painter.setPen(QColor(0, 0, 0))
            shown = letter if self.orientation_known else UNKNOWN
            painter.drawText(box.translated(1, 1), flag.AlignCenter, shown)
            painter.setPen(QColor("#ffffff"))
            painter.drawText(box, flag.AlignCenter, shown)
        painter.setFont(font(self.font(), scale=0.82))
        painter.setPen(QColor("#c8d0d8"))
        box = QRectF(self.rect()).adjusted(5, 3, -5, -3)
        painter.drawText(box, flag.AlignLeft | flag.AlignBottom, self.footnote())
        if self.hasFocus():
            painter.setPen(QColor("#5fb0ee"))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def resizeEvent(self, _event: QResizeEvent) -> None:
        """Draw for the new size."""
        self.redraw()

    def showEvent(self, _event: object) -> None:
        """Draw what changed while hidden."""
        self.redraw()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to turn, or a click."""
        self._pressed = self._last = event.position()
        self.setFocus(Qt.FocusReason.MouseFocusReason)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Left drag turns, right drag zooms."""
        if self._last is None or self.scene is None:
            return
        change = event.position() - self._last
        self._last = event.position()
        if event.buttons() & Qt.MouseButton.RightButton:
            self.scene.zoom(1.01 ** -change.y())
        else:
            self.scene.rotate(change.x() * _DEGREES_PER_PX, change.y() * _DEGREES_PER_PX)
        self.redraw()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A press that did not move picks the parcel under it."""
        pressed, self._pressed, self._last = self._pressed, None, None
        if self.scene is None or pressed is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if (event.position() - pressed).manhattanLength() > _CLICK_PX:
            return
        ratio = self.devicePixelRatioF()
        at = event.position() * ratio
        parcel = self.scene.pick(round(at.x()), round(at.y()))
        if parcel is not None:
            self.picked.emit(parcel)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom."""
        if self.scene is not None:
            self.scene.zoom(1.1 ** (event.angleDelta().y() / 120.0))
            self.redraw()
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows turn, 1 to 6 are the standard views."""
        turns = {
            Qt.Key.Key_Left: (-10, 0),
            Qt.Key.Key_Right: (10, 0),
            Qt.Key.Key_Up: (0, -10),
            Qt.Key.Key_Down: (0, 10),
        }
        names = ("Left", "Right", "Front", "Back", "Top", "Bottom")
        number = event.key() - Qt.Key.Key_1
        turn = turns.get(Qt.Key(event.key()))
        if self.scene is not None and turn is not None:
            self.scene.rotate(*turn)
            self.redraw()
        elif 0 <= number < len(names) and not event.modifiers():
            self.view_asked.emit(names[number])
        else:
            super().keyPressEvent(event)
