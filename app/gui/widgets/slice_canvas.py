"""One slice on black: anatomy, parcels, crosshair, letters, convention word."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from app.core.arrays import Floats
from app.gui.widgets.plane import Plane, edge_letters, voxel_size_mm
from app.gui.widgets.slice_content import SliceContent, outline_pixels, parcel_pixels
from app.gui.widgets.theme import font

_CROSS = QColor(96, 220, 130)
_MARGIN_MM = 9.0  # room for the letters around the brain


class SliceCanvas(QWidget):
    """Paints one plane; tells where the user points, never moves anything itself."""

    pointed = Signal(tuple)  # voxel indices (i, j, k) as floats
    stepped = Signal(str, int)  # plane name, slices to move
    moved = Signal(int, int)  # arrow keys: (axis, voxels)
    zoomed = Signal(float)  # factor
    panned = Signal(str, float, float)  # plane name, mm across, mm up
    windowed = Signal(float, float)  # right drag: share of the widget across, up
    reset = Signal()
    double_clicked = Signal(str)  # plane name
    svg_as_image = True  # a zoomed slice is larger than the canvas

    def __init__(self, shown: Plane, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plane = shown
        self.content: SliceContent | None = None
        self.voxel: tuple[float, float, float] = (0.0, 0.0, 0.0)
        self.scale_px_per_mm = 1.0
        self.pan_mm = QPointF(0.0, 0.0)
        self._pressed: QPointF | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(60, 60)
        self.setAccessibleName(f"{shown.name} slice")
        self.setCursor(Qt.CursorShape.CrossCursor)

    # geometry -----------------------------------------------------------------

    def extent_mm(self) -> tuple[float, float]:
        """Width and height in mm of what should fill the canvas."""
        if self.content is None:
            return 1.0, 1.0
        voxel = voxel_size_mm(self.content.affine)
        low, high = self._box()
        size = (high - low + 1.0) * voxel
        if self.content.box is not None:
            size = size + 2 * _MARGIN_MM
        return float(size[self.plane.across]), float(size[self.plane.up])

    def _box(self) -> tuple[Floats, Floats]:
        assert self.content is not None
        if self.content.box is not None:
            return np.asarray(self.content.box[0]), np.asarray(self.content.box[1])
        return np.zeros(3), np.asarray(self.content.volume.shape[:3], dtype=float) - 1.0

    def picture_rect(self) -> QRectF:
        """Where the whole plane lies in the widget."""
        assert self.content is not None
        step = voxel_size_mm(self.content.affine) * self.scale_px_per_mm
        size = np.asarray(self.content.volume.shape[:3]) * step
        low, high = self._box()
        middle = ((low + high + 1.0) / 2.0) * step  # of the box, from the grid's low corner
        across, up = self.plane.across, self.plane.up
        width, height = float(size[across]), float(size[up])
        from_left = width - middle[across] if self.plane.mirrored else middle[across]
        pan = self.pan_mm * self.scale_px_per_mm
        left = self.width() / 2.0 - float(from_left) + pan.x()
        top = self.height() / 2.0 - (height - float(middle[up])) - pan.y()
        return QRectF(left, top, width, height)

    def voxel_at(self, at: QPointF) -> tuple[float, float, float]:
        """Voxel indices under a point of the widget, on the slice that is shown."""
        assert self.content is not None
        rect, shape = self.picture_rect(), self.content.volume.shape
        across = (at.x() - rect.left()) / rect.width() * shape[self.plane.across] - 0.5
        up = (rect.bottom() - at.y()) / rect.height() * shape[self.plane.up] - 0.5
        if self.plane.mirrored:
            across = shape[self.plane.across] - 1 - across
        voxel = list(self.voxel)
        voxel[self.plane.across] = min(max(across, 0.0), shape[self.plane.across] - 1.0)
        voxel[self.plane.up] = min(max(up, 0.0), shape[self.plane.up] - 1.0)
        return (voxel[0], voxel[1], voxel[2])

    def point_of(self, voxel: tuple[float, float, float]) -> QPointF:
        """Where the centre of a voxel lies in the widget."""
        assert self.content is not None
        rect, shape = self.picture_rect(), self.content.volume.shape
        count = shape[self.plane.across]
        across = voxel[self.plane.across]
        if self.plane.mirrored:
            across = count - 1 - across
        x = rect.left() + (across + 0.5) / count * rect.width()
        y = rect.bottom() - (voxel[self.plane.up] + 0.5) / shape[self.plane.up] * rect.height()
        return QPointF(x, y)

    def _cut(self, volume: NDArray[np.generic]) -> NDArray[np.generic]:
        """The slice as a picture: rows from top to bottom, columns from left to right."""
        index = round(self.voxel[self.plane.through])
        index = min(max(index, 0), volume.shape[self.plane.through] - 1)
        # Of the two axes left, the lower-numbered one always runs across.
        picture: NDArray[np.generic] = np.take(volume, index, axis=self.plane.through).T[::-1]
        return picture[:, ::-1] if self.plane.mirrored else picture

    # painting -----------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Anatomy (smooth), parcels (nearest neighbour), crosshair, letters, word."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.black)
        if self.content is not None:
            self._paint_anatomy(painter)
            self._paint_parcels(painter)
            self._paint_crosshair(painter)
            self._paint_words(painter)
        if self.hasFocus():
            painter.setPen(QPen(QColor("#5fb0ee"), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _paint_anatomy(self, painter: QPainter) -> None:
        assert self.content is not None
        low, high = self.content.levels
        cut = self._cut(np.asanyarray(self.content.volume)).astype(np.float32)
        grey = np.clip((cut - low) * (255.0 / max(high - low, 1e-9)), 0.0, 255.0)
        pixels = np.ascontiguousarray(np.nan_to_num(grey).astype(np.uint8))
        rows, columns = pixels.shape
        colours = self.content.colours
        if colours is None:
            image = QImage(pixels.data, columns, rows, columns, QImage.Format.Format_Grayscale8)
        else:
            # What was not measured is 0 and stays black; the lowest colour would look measured.
            rgb = np.ascontiguousarray(colours[pixels] * (cut > 0)[..., None].astype(np.uint8))
            image = QImage(rgb.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(self.picture_rect(), image)

    def _paint_parcels(self, painter: QPainter) -> None:
        content = self.content
        assert content is not None
        wanted = content.overlay is not None or content.selected is not None
        rect = self.picture_rect().intersected(QRectF(self.rect()))
        if rect.isEmpty():
            return
        if content.labels is not None and wanted:
            label = self._at_pixels(np.asanyarray(content.labels), rect).astype(np.int64)
            thick = max(1, round(self.devicePixelRatioF()))
            self._paint_pixels(painter, rect, parcel_pixels(label, content, thick))
        for outline in content.outlines:
            inside = self._at_pixels(np.asanyarray(outline.mask), rect).astype(bool)
            thick = max(1, round(self.devicePixelRatioF()))
            self._paint_pixels(painter, rect, outline_pixels(inside, outline, thick))

    def _at_pixels(self, volume: NDArray[np.generic], rect: QRectF) -> NDArray[np.generic]:
        """The voxel under each device pixel of `rect`: nearest neighbour, sharp edges."""
        ratio, whole = self.devicePixelRatioF(), self.picture_rect()
        cut = self._cut(volume)
        width, height = round(rect.width() * ratio), round(rect.height() * ratio)
        x = (np.arange(width) + 0.5) / ratio + rect.left() - whole.left()
        y = (np.arange(height) + 0.5) / ratio + rect.top() - whole.top()
        column = np.clip((x / whole.width() * cut.shape[1]).astype(int), 0, cut.shape[1] - 1)
        row = np.clip((y / whole.height() * cut.shape[0]).astype(int), 0, cut.shape[0] - 1)
        found: NDArray[np.generic] = cut[np.ix_(row, column)]
        return found

    def _paint_pixels(self, painter: QPainter, rect: QRectF, pixels: NDArray[np.uint32]) -> None:
        height, width = pixels.shape
        image = QImage(
            pixels.data, width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied
        )
        image.setDevicePixelRatio(self.devicePixelRatioF())
        painter.drawImage(rect.topLeft(), image)

    def _paint_crosshair(self, painter: QPainter) -> None:
        at = self.point_of(self.voxel)
        gap = 7.0
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(_CROSS, 1))
        for begin, end in (
            (QPointF(0, at.y()), QPointF(at.x() - gap, at.y())),
            (QPointF(at.x() + gap, at.y()), QPointF(self.width(), at.y())),
            (QPointF(at.x(), 0), QPointF(at.x(), at.y() - gap)),
            (QPointF(at.x(), at.y() + gap), QPointF(at.x(), self.height())),
        ):
            painter.drawLine(begin, end)

    def _paint_words(self, painter: QPainter) -> None:
        content = self.content
        assert content is not None
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        letters = edge_letters(self.plane, content.affine, known=content.orientation_known)
        painter.setFont(font(self.font(), scale=1.1, bold=True))
        full = QRectF(self.rect()).adjusted(5, 3, -5, -3)
        flag = Qt.AlignmentFlag
        places = {
            "left": flag.AlignLeft | flag.AlignVCenter,
            "right": flag.AlignRight | flag.AlignVCenter,
            "top": flag.AlignHCenter | flag.AlignTop,
            "bottom": flag.AlignHCenter | flag.AlignBottom,
        }
        for edge, letter in letters.items():
            if content.secondary_letters or letter[0] in "LR?":
                _shadowed(painter, full, places[edge], letter, QColor("#ffffff"))
        painter.setFont(font(self.font(), scale=0.82))
        dim = QColor("#c8d0d8")
        corner = flag.AlignLeft | flag.AlignBottom
        _shadowed(painter, full, corner, content.convention_word, dim)
        index = round(self.voxel[self.plane.through])
        _shadowed(painter, full, flag.AlignLeft | flag.AlignTop, self.plane.name, dim)
        if content.caption:
            below = full.adjusted(0, round(1.4 * painter.fontMetrics().height()), 0, 0)
            place = flag.AlignLeft | flag.AlignTop
            _shadowed(painter, below, place, content.caption, QColor("#ffffff"))
        _shadowed(painter, full, flag.AlignRight | flag.AlignTop, f"slice {index}", dim)

    # mouse and keys -------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Left: crosshair. Middle, Shift+left, Alt+left: pan. Right: window and level."""
        self._pressed = event.position()
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if event.button() == Qt.MouseButton.LeftButton and not _panning(event):
            self._point(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with what the press began."""
        if self._pressed is None or self.content is None:
            return
        change = event.position() - self._pressed
        if event.buttons() & Qt.MouseButton.RightButton:
            self.windowed.emit(change.x() / self.width(), -change.y() / self.height())
            self._pressed = event.position()
        elif _panning(event):
            scale = self.scale_px_per_mm
            self.panned.emit(self.plane.name, change.x() / scale, -change.y() / scale)
            self._pressed = event.position()
        elif event.buttons() & Qt.MouseButton.LeftButton:
            self._point(event.position())

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        """End a drag."""
        self._pressed = None

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:
        """Give this plane the whole stage, or take it back."""
        self.double_clicked.emit(self.plane.name)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Wheel: next slice; Ctrl+wheel: zoom."""
        notches = event.angleDelta().y() / 120.0
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoomed.emit(1.15**notches)
        elif notches:
            self.stepped.emit(self.plane.name, 1 if notches > 0 else -1)
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move the crosshair, Page keys the slice, Ctrl+plus/minus zoom, R resets."""
        step = 5 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
        towards = -1 if self.plane.mirrored else 1
        key, plane = event.key(), self.plane
        moves = {
            Qt.Key.Key_Right: (plane.across, towards * step),
            Qt.Key.Key_Left: (plane.across, -towards * step),
            Qt.Key.Key_Up: (plane.up, step),
            Qt.Key.Key_Down: (plane.up, -step),
            Qt.Key.Key_PageUp: (plane.through, step),
            Qt.Key.Key_PageDown: (plane.through, -step),
        }
        ctrl = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if event.modifiers() & Qt.KeyboardModifier.AltModifier and key in moves:
            axis, voxels = moves[Qt.Key(key)]
            across = axis == plane.across
            signed = 8.0 * (voxels * towards if across else voxels) / step
            self.panned.emit(plane.name, signed if across else 0.0, 0.0 if across else signed)
        elif ctrl and key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoomed.emit(1.15)
        elif ctrl and key == Qt.Key.Key_Minus:
            self.zoomed.emit(1.0 / 1.15)
        elif key in moves:
            self.moved.emit(*moves[Qt.Key(key)])
        elif key == Qt.Key.Key_R and not ctrl:
            self.reset.emit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_F11):
            self.double_clicked.emit(plane.name)
        else:
            super().keyPressEvent(event)

    def _point(self, at: QPointF) -> None:
        if self.content is not None:
            self.pointed.emit(self.voxel_at(at))


def _panning(event: QMouseEvent) -> bool:
    keys = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.AltModifier
    middle = event.buttons() & Qt.MouseButton.MiddleButton
    left = event.buttons() & Qt.MouseButton.LeftButton and event.modifiers() & keys
    return bool(middle or left)


def _shadowed(
    painter: QPainter, box: QRectF, place: Qt.AlignmentFlag, text: str, colour: QColor
) -> None:
    """Text that stays readable over a bright picture."""
    painter.setPen(QColor(0, 0, 0))
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        painter.drawText(box.translated(dx, dy), place, text)
    painter.setPen(colour)
    painter.drawText(box, place, text)
