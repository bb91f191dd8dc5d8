"""A plain widget that shows the off-screen scene and turns the mouse into its camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
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
_CALM_MS = 60  # a change of the selection is drawn when no other came for so long
_COARSE = 0.5  # of the pixels along each side, while the scene is being turned


@dataclass(frozen=True, slots=True)
class Legend:
    """What sizes and widths in the scene mean; empty where there are none."""

    nodes: tuple[tuple[float, str], ...] = ()  # radius in px, words
    edges: tuple[tuple[float, str], ...] = ()  # width in px, words


class SurfaceCanvas(QWidget):
    """Paints the scene's picture with letters and legend; tells what was clicked."""

    picked = Signal(int)  # 0-based parcel
    edge_picked = Signal(int, int)  # two 0-based parcels

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scene: SurfaceScene | None = None
        self.reason = ""
        self.orientation_known = True
        self.legend = Legend()
        self.rendered = 0  # pictures drawn so far
        self.before_render: Callable[[], None] | None = None  # brings the scene up to date
        self._image: QImage | None = None
        self._letters: dict[str, tuple[float, float, float]] = {}
        self._pressed: QPointF | None = None
        self._last: QPointF | None = None
        self._turning = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._render)
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.setInterval(_CALM_MS)
        self._calm.timeout.connect(self._render)
        self.setMinimumSize(120, 100)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Brain in three dimensions")

    def footnote(self) -> str:
        """The words in the corner."""
        return "3D, never mirrored" if self.orientation_known else f"3D, {UNKNOWN_SENTENCE}"

    def redraw(self) -> None:
        """Draw the scene again soon; many calls make one picture."""
        self._calm.stop()
        if not self._timer.isActive():
            self._timer.start()

    def redraw_when_calm(self) -> None:
        """Draw again when the changes pause: until then the picture stands still."""
        if not self._timer.isActive():
            self._calm.start()

    def stop(self) -> None:
        """Forget a drawing that was asked for."""
        self._timer.stop()
        self._calm.stop()

    def clear(self) -> None:
        """Forget scene and picture: nothing of another participant stays in sight."""
        self.stop()
        self.scene, self._image, self._letters = None, None, {}
        self.legend = Legend()
        self.update()

    def draw_now(self) -> None:
        """Draw the scene at once, for a screenshot."""
        self.stop()
        self._turning = False
        self._render()

    def _render(self) -> None:
        if self.scene is None or not self.isVisible():
            self.update()
            return
        if self.before_render is not None:
            self.before_render()
        ratio = self.devicePixelRatioF() * (_COARSE if self._turning else 1.0)
        width, height = max(round(self.width() * ratio), 8), max(round(self.height() * ratio), 8)
        pixels = self.scene.render(width, height)
        image = QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGBA8888)
        self._image = image.copy()
        self.rendered += 1
        self._letters = {
            letter: (x / ratio, y / ratio, depth)
            for letter, (x, y, depth) in self.scene.side_places().items()
        }
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Picture, letters, legend, the words that it is not mirrored."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.black)
        flag = Qt.AlignmentFlag
        if self.scene is None or self._image is None:
            painter.setPen(QColor("#a3b0bd"))
            middle = self.rect().adjusted(14, 14, -14, -14)
            painter.drawText(middle, int(flag.AlignCenter | Qt.TextFlag.TextWordWrap), self.reason)
            painter.end()
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._turning)
        painter.drawImage(QRectF(self.rect()), self._image)
        self._paint_letters(painter)
        painter.setFont(font(self.font(), scale=0.82))
        painter.setPen(QColor("#c8d0d8"))
        box = QRectF(self.rect()).adjusted(5, 3, -5, -3)
        painter.drawText(box, flag.AlignLeft | flag.AlignBottom, self.footnote())
        self._paint_legend(painter)
        if self.hasFocus():
            painter.setPen(QColor("#5fb0ee"))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _paint_letters(self, painter: QPainter) -> None:
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
            shown = letter if self.orientation_known else UNKNOWN
            painter.setPen(QColor(0, 0, 0))
            painter.drawText(box.translated(1, 1), Qt.AlignmentFlag.AlignCenter, shown)
            painter.setPen(QColor("#ffffff"))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, shown)

    def _paint_legend(self, painter: QPainter) -> None:
        """Sizes of nodes and widths of edges, in the upper left corner."""
        line = painter.fontMetrics().height() + 3
        y = 6.0
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for radius, words in self.legend.nodes:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor("#c8d0d8"))
            painter.drawEllipse(QPointF(14, y + line / 2.0), radius, radius)
            self._say(painter, words, y, line)
            y += line
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for width, words in self.legend.edges:
            painter.setPen(QPen(QColor("#c8d0d8"), width))
            painter.drawLine(QPointF(5, y + line / 2.0), QPointF(23, y + line / 2.0))
            self._say(painter, words, y, line)
            y += line

    def _say(self, painter: QPainter, words: str, y: float, line: float) -> None:
        painter.setPen(QColor("#c8d0d8"))
        box = QRectF(30, y, self.width() - 36, line)
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)

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
        if self._last is None or self._pressed is None or self.scene is None:
            return
        if (event.position() - self._pressed).manhattanLength() > _CLICK_PX:
            self._turning = True
        change = event.position() - self._last
        self._last = event.position()
        if event.buttons() & Qt.MouseButton.RightButton:
            self.scene.zoom(1.01 ** -change.y())
        else:
            self.scene.rotate(change.x() * _DEGREES_PER_PX, change.y() * _DEGREES_PER_PX)
        self.redraw()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """The end of a turn is drawn sharp; a press that did not move picks what is under it."""
        pressed, self._pressed, self._last = self._pressed, None, None
        if self._turning:
            self._turning = False
            self.redraw()
            return
        if self.scene is None or pressed is None or event.button() != Qt.MouseButton.LeftButton:
            return
        self.pick(event.position())

    def pick(self, at: QPointF) -> None:
        """Tell what lies under a point of the widget, at any pixel ratio."""
        if self.scene is None:
            return
        self.draw_now()  # the scene's own pixels are those of the widget from here on
        place = at * self.devicePixelRatioF()
        found = self.scene.pick(round(place.x()), round(place.y()))
        if found is None:
            return
        if len(found) == 1:
            self.picked.emit(found[0])
        else:
            self.edge_picked.emit(*found)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom."""
        if self.scene is not None:
            self.scene.zoom(1.1 ** (event.angleDelta().y() / 120.0))
            self.redraw()
        event.accept()
