"""A square matrix with strips, names, separators, a cross at the selection and a cell cursor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QToolTip, QWidget

from app.core.arrays import Ints
from app.core.colours import NETWORK_SHORT, network_colour
from app.gui.widgets.matrix_content import MatrixContent, name_px
from app.gui.widgets.matrix_names import NameBand, bands_seen, stand_beside
from app.gui.widgets.theme import font, tokens

_WHOLE_NAMES_PX = 240  # least height
_STRIP_PX = 7
_NAME_SCALE = 0.82  # of the text size
_UNKNOWN = (150, 150, 150)  # rows of parcels that were not covered
_LEAST_MARK_PX = 4.0  # a connection is never drawn smaller, where few are shown
_FEW = 400
_MOST_ZOOM = 40.0


class MatrixCanvas(QWidget):
    """Draws the matrix; hovering and clicking speak in atlas order, whatever the drawing order."""

    hovered = Signal(int, int)  # atlas indices; (-1, -1) outside
    clicked = Signal(int, int)
    network_clicked = Signal(str)

    def __init__(self, parent: QWidget | None = None, *, short_names: bool = False) -> None:
        super().__init__(parent)
        self.content: MatrixContent | None = None
        self.reason = ""
        self.selected: int | None = None
        self.edge: tuple[int, int] | None = None
        self.network: tuple[int, ...] = ()  # parcels of the selected one
        self._always_short = short_names
        self._image: QImage | None = None
        self._pixels: NDArray[np.uint8] | None = None
        self._place: Ints = np.zeros(0, dtype=np.int64)  # of each parcel in drawing order
        self.cursor_cell: tuple[int, int] | None = None  # atlas indices; moved by the arrows
        self._zoom = 1.0
        self._centre = (0.5, 0.5)
        self._pressed: QPointF | None = None
        self.setMouseTracking(True)
        self.setMinimumSize(120, 120)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)

    def show_content(self, content: MatrixContent | None, reason: str = "") -> None:
        """Draw a matrix, or print why there is none."""
        self.content, self.reason = content, reason
        self._image = None
        if content is not None:
            order = content.order
            self._place = np.argsort(order)
            ordered = content.matrix[np.ix_(order, order)]
            pixels = content.scale.rgb(ordered).astype(np.uint8)
            if content.shown is not None:
                hidden = np.ones(ordered.shape, dtype=bool)
                pairs = self._place[np.array(content.shown, dtype=np.int64).reshape(-1, 2)]
                hidden[pairs[:, 0], pairs[:, 1]] = hidden[pairs[:, 1], pairs[:, 0]] = False
                pixels[hidden] = content.scale.rgb(np.zeros(1))[0]
            pixels[~np.isfinite(ordered)] = _UNKNOWN
            # pixels must outlive the image, which does not copy them
            self._pixels = np.ascontiguousarray(pixels)
            size = len(order)
            self._image = QImage(
                self._pixels.data, size, size, 3 * size, QImage.Format.Format_RGB888
            )
        self.update()

    def set_selection(
        self,
        parcel: int | None,
        edge: tuple[int, int] | None,
        network: tuple[int, ...] = (),
    ) -> None:
        """Mark a row and column, one connection, and the rows and columns of a network."""
        self.selected, self.edge, self.network = parcel, edge, network
        self.cursor_cell = None
        self.update()

    # geometry -----------------------------------------------------------------

    def square(self) -> QRectF:
        """Where the whole matrix lies."""
        room, below = self._label_px(), self._label_px(short=True)
        side = max(min(self.width() - room - 2.0, self.height() - below - 2.0), 10.0)
        return QRectF(room + max(self.width() - room - side, 0.0) / 2.0, 1.0, side, side)

    @property
    def _short_names(self) -> bool:
        """Whole names only where the rows leave room for all and the matrix stays as large."""
        wide, narrow = (name_px(self.fontMetrics(), short=short) for short in (False, True))
        smaller = self.width() - wide < self.height() - narrow
        return self._always_short or smaller or self.height() < _WHOLE_NAMES_PX

    def _label_px(self, *, short: bool = False) -> float:
        if self.content is not None and not self.content.by_network:
            return _STRIP_PX + 4.0
        return name_px(self.fontMetrics(), short=short or self._short_names) + _STRIP_PX + 10

    def _window(self) -> QRectF:
        """The part of the matrix that is shown, in rows and columns."""
        count = float(len(self.content.order)) if self.content is not None else 1.0
        side = count / self._zoom
        left = min(max(self._centre[0] * count - side / 2.0, 0.0), count - side)
        top = min(max(self._centre[1] * count - side / 2.0, 0.0), count - side)
        return QRectF(left, top, side, side)

    def cell_at(self, at: QPointF) -> tuple[int, int] | None:
        """Atlas indices (row, column) under a point, None outside."""
        square, window = self.square(), self._window()
        if self.content is None or not square.contains(at):
            return None
        column = window.left() + (at.x() - square.left()) / square.width() * window.width()
        row = window.top() + (at.y() - square.top()) / square.height() * window.height()
        last = len(self.content.order) - 1
        order = self.content.order
        return int(order[min(int(row), last)]), int(order[min(int(column), last)])

    def network_at(self, at: QPointF) -> str | None:
        """The network whose strip or name, beside or below the matrix, lies under a point."""
        square, window = self.square(), self._window()
        if self.content is None or square.contains(at):
            return None
        beside = at.x() < square.left() and square.top() <= at.y() < square.bottom()
        below = at.y() > square.bottom() and square.left() <= at.x() < square.right()
        if not (beside or below):
            return None
        scale = window.width() / square.width()
        place = window.top() + (at.y() - square.top()) * scale
        if below:
            place = window.left() + (at.x() - square.left()) * scale
        row = min(int(place), len(self.content.order) - 1)
        return self.content.networks[int(self.content.order[row])]

    def network_runs(self) -> list[tuple[int, int]]:
        """(first row, row after the last) of the selected network's rows, in drawing order."""
        return [] if self.content is None else self.content.runs(self.network)

    # painting -----------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Matrix, separators, strips, names, selection."""
        painter = QPainter(self)
        colours = tokens(self.palette())
        if self.content is None or self._image is None:
            painter.setPen(QColor(colours.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(12, 12, -12, -12), int(flags), self.reason)
            painter.end()
            return
        square, window = self.square(), self._window()
        # Shrinking smooths (a cell is smaller than a pixel); enlarging must not.
        smooth = square.width() * self.devicePixelRatioF() < window.width()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        painter.drawImage(square, self._image, window)
        self._paint_few(painter, square, window)
        self._paint_networks(painter, square, window)
        self._paint_selection(painter, square, window)
        painter.setPen(QPen(QColor(colours.accent if self.hasFocus() else colours.border), 1))
        painter.drawRect(square)
        painter.end()

    def _paint_few(self, painter: QPainter, square: QRectF, window: QRectF) -> None:
        """Connections as marks that can be seen, where few are shown and cells are small."""
        assert self.content is not None
        shown, scale = self.content.shown, square.width() / window.width()
        if shown is None or len(shown) > _FEW or scale >= _LEAST_MARK_PX:
            return
        pairs = np.array(shown, dtype=np.int64).reshape(-1, 2)
        colours = self.content.scale.rgb(self.content.matrix[pairs[:, 0], pairs[:, 1]])
        painter.save()
        painter.setClipRect(square)
        half = _LEAST_MARK_PX / 2.0
        for (first, second), colour in zip(self._place[pairs], colours, strict=True):
            for row, column in ((first, second), (second, first)):
                x = square.left() + (column + 0.5 - window.left()) * scale
                y = square.top() + (row + 0.5 - window.top()) * scale
                box = QRectF(x - half, y - half, _LEAST_MARK_PX, _LEAST_MARK_PX)
                painter.fillRect(box, QColor(*(int(c) for c in colour)))
        painter.restore()

    def _paint_networks(self, painter: QPainter, square: QRectF, window: QRectF) -> None:
        assert self.content is not None
        line = QPen(QColor(20, 24, 30, 150), 1) if self.content.by_network else None
        for along, bands in zip(("row", "column"), self._bands(square, window), strict=True):
            for band in bands:
                size = band.end - band.begin
                if along == "row":
                    y = square.top() + band.begin
                    strip = QRectF(square.left() - _STRIP_PX - 2, y, _STRIP_PX, size)
                    ends = QPointF(square.left(), y), QPointF(square.right(), y)
                else:
                    x = square.left() + band.begin
                    strip = QRectF(x, square.bottom() + 2, size, _STRIP_PX)
                    ends = QPointF(x, square.top()), QPointF(x, square.bottom())
                if line is not None:
                    painter.setPen(line)
                    painter.drawLine(*ends)
                painter.fillRect(strip, QColor(*network_colour(band.name)))
        if self.content.by_network:
            self._paint_names(painter, square)

    def _bands(self, square: QRectF, window: QRectF) -> tuple[list[NameBand], list[NameBand]]:
        assert self.content is not None
        scale, blocks = square.width() / window.width(), self.content.blocks()
        rows = bands_seen(blocks, window.top(), window.bottom(), scale)
        return rows, bands_seen(blocks, window.left(), window.right(), scale)

    def names_beside(self) -> tuple[list[tuple[float, NameBand]], list[tuple[float, NameBand]]]:
        """(middle in pixels from the matrix's corner, band) of names beside rows and columns."""
        square, window = self.square(), self._window()
        step = QFontMetrics(font(self.font(), scale=_NAME_SCALE)).height() - 1.0
        half, (rows, columns) = step / 2.0, self._bands(square, window)
        ends = (self.height() - square.top() - half, self.width() - square.left() - half)
        return (
            stand_beside(rows, step, half - square.top(), ends[0]),
            stand_beside(columns, step, 0.0, ends[1]),
        )

    def _paint_names(self, painter: QPainter, square: QRectF) -> None:
        painter.setFont(font(self.font(), scale=_NAME_SCALE))
        painter.setPen(QColor(tokens(self.palette()).text))
        step, right = float(painter.fontMetrics().height()), square.left() - _STRIP_PX - 5
        side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        rows, columns = self.names_beside()
        for place, band in rows:
            box = QRectF(0, square.top() + place - step, right, 2 * step)
            short = NETWORK_SHORT.get(band.name, band.name)
            painter.drawText(box, side, short if self._short_names else band.name)
        for place, band in columns:
            painter.save()
            painter.translate(square.left() + place, square.bottom() + _STRIP_PX + 5)
            painter.rotate(-90)
            box = QRectF(-self._label_px(), -step, self._label_px(), 2 * step)
            painter.drawText(box, side, NETWORK_SHORT.get(band.name, band.name))
            painter.restore()

    def _paint_selection(self, painter: QPainter, square: QRectF, window: QRectF) -> None:
        assert self.content is not None
        place = self._place
        scale = square.width() / window.width()
        painter.save()
        painter.setClipRect(square)
        self._paint_network(painter, square, window)
        if self.selected is not None and self.selected < len(place):
            at = (place[self.selected] + 0.5 - window.top()) * scale
            across = (place[self.selected] + 0.5 - window.left()) * scale
            for colour, width in ((QColor(0, 0, 0, 160), 3), (QColor(255, 235, 59), 1)):
                painter.setPen(QPen(colour, width))
                y, x = square.top() + at, square.left() + across
                painter.drawLine(QPointF(square.left(), y), QPointF(square.right(), y))
                painter.drawLine(QPointF(x, square.top()), QPointF(x, square.bottom()))
        for cell, hue in ((self.edge, "#ffeb3b"), (self.cursor_cell, "#40e0e8")):
            if cell is None or max(cell) >= len(place):
                continue
            first, second = cell
            y = square.top() + (place[first] + 0.5 - window.top()) * scale
            x = square.left() + (place[second] + 0.5 - window.left()) * scale
            size = max(scale, 5.0) + 3.0
            for colour, width in ((QColor(0, 0, 0), 4), (QColor(hue), 2)):
                painter.setPen(QPen(colour, width))
                painter.drawRect(QRectF(x - size / 2, y - size / 2, size, size))
        painter.restore()

    def _paint_network(self, painter: QPainter, square: QRectF, window: QRectF) -> None:
        """Lines round the network's rows and columns; they cross at its block."""
        scale = square.width() / window.width()
        for first, after in self.network_runs():
            y, x = (first - window.top()) * scale, (first - window.left()) * scale
            size = (after - first) * scale
            rows = QRectF(square.left() - 4, square.top() + y, square.width() + 8, size)
            columns = QRectF(square.left() + x, square.top() - 4, size, square.height() + 8)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for colour, width in ((QColor(0, 0, 0, 160), 3), (QColor(255, 235, 59), 1)):
                painter.setPen(QPen(colour, width))
                painter.drawRect(rows)
                painter.drawRect(columns)

    # mouse and keys -------------------------------------------------------------

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell the cell under the mouse; drag with the middle button or Shift to pan."""
        if self._pressed is not None and self.content is not None:
            change = event.position() - self._pressed
            side = self.square().width() * self._zoom
            x, y = self._centre
            self._centre = (
                min(max(x - change.x() / side, 0.0), 1.0),
                min(max(y - change.y() / side, 0.0), 1.0),
            )
            self._pressed = event.position()
            self.update()
            return
        cell = self.cell_at(event.position())
        self.setToolTip(self.network_at(event.position()) or "")  # small ones have no name beside
        self.hovered.emit(*(cell if cell is not None else (-1, -1)))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Left: select the connection."""
        shift = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        if event.button() == Qt.MouseButton.MiddleButton or shift:
            self._pressed = event.position()
            return
        if event.button() != Qt.MouseButton.LeftButton:
            return
        cell, network = self.cell_at(event.position()), self.network_at(event.position())
        if cell is not None:
            self.clicked.emit(*cell)
        elif network is not None:
            self.network_clicked.emit(network)

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        """End a drag."""
        self._pressed = None

    def leaveEvent(self, _event: object) -> None:
        """Nothing is under the mouse any more."""
        self.hovered.emit(-1, -1)
        QToolTip.hideText()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the mouse."""
        if self.content is None:
            return
        square, before = self.square(), self._window()
        count = len(self.content.order)
        share_x = (event.position().x() - square.left()) / square.width()
        share_y = (event.position().y() - square.top()) / square.height()
        x = before.left() + share_x * before.width()
        y = before.top() + share_y * before.height()
        self._zoom = min(max(self._zoom * 1.2 ** (event.angleDelta().y() / 120.0), 1.0), _MOST_ZOOM)
        side = count / self._zoom
        self._centre = ((x + (0.5 - share_x) * side) / count, (y + (0.5 - share_y) * side) / count)
        self.update()
        event.accept()

    # what keys do ---------------------------------------------------------------

    def move_cursor(self, down: int, right: int) -> None:
        """Move the cell cursor in drawing order; it selects nothing yet."""
        if self.content is None:
            return
        first = self.selected if self.selected is not None else int(self.content.order[0])
        row, column = self.cursor_cell or self.edge or (first, first)
        last = len(self._place) - 1
        at = (self._place[row] + down, self._place[column] + right)
        i, j = (int(self.content.order[min(max(int(v), 0), last)]) for v in at)
        self.cursor_cell = (i, j)
        self.hovered.emit(i, j)
        self._keep_in_sight()
        self.update()

    def zoom_by(self, factor: float) -> None:
        """Zoom about the cell cursor, else about the selected cell, else about the middle."""
        self._zoom = min(max(self._zoom * factor, 1.0), _MOST_ZOOM)
        self._keep_in_sight(middle=True)
        self.update()

    def _keep_in_sight(self, *, middle: bool = False) -> None:
        """Move the zoomed matrix so that the cell cursor is seen, in the middle if wished."""
        one = (self.selected, self.selected) if self.selected is not None else None
        cell = self.cursor_cell or self.edge or one
        if self.content is None or cell is None:
            return
        half, count = 0.5 / self._zoom, len(self._place)
        room, places = 0.0 if middle else half * 0.9, []
        for now, parcel in zip(self._centre, reversed(cell), strict=True):
            at = (self._place[parcel] + 0.5) / count
            places.append(min(max(min(max(now, at - room), at + room), half), 1.0 - half))
        self._centre = (places[0], places[1])

    def choose_cursor(self) -> None:
        """Select the connection under the cell cursor."""
        if self.cursor_cell is not None:
            self.clicked.emit(*self.cursor_cell)

    def show_whole(self) -> None:
        """Zoom out."""
        self._zoom, self._centre = 1.0, (0.5, 0.5)
        self.update()
