"""Connections as a ring: parcels on the rim in network order, one curve a connection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QWidget

from app.connectome.orders import Edges
from app.core.arrays import Bools, Floats, Ints
from app.core.colours import NETWORK_SHORT, MagnitudeScale, SignedScale, network_colour
from app.gui.widgets.ring_layout import RingLayout, label_places, nearest_curve, ring_layout
from app.gui.widgets.theme import font, tokens

_REACH_PX = 6.0  # a pointer this near to a curve means it
_MANY = 150  # from here on curves become thinner
_CONTRAST = 3.0  # of a curve with the panel; below it the curve gets an edging
_EDGING = 1.6  # px that it is wider than the curve
_DASH_PX = 5.0
_DOT_PX, _GAP_PX = 3.0, 2.0
_FEW = 600  # more dotted curves take too long to paint
_SELECTED = "#ffeb3b"
_RIM = (1.025, 1.085)  # inner and outer radius of the networks' band


@dataclass(frozen=True, slots=True)
class RingContent:
    """The connections that are drawn, in atlas order, and how."""

    edges: Edges
    order: Ints  # (parcel,) network order
    networks: tuple[str, ...]  # one a parcel
    scale: SignedScale | MagnitudeScale
    unstable: Bools | None = None  # (edge,), drawn dashed


class RingCanvas(QWidget):
    """Draws the ring; hovering and clicking speak in atlas order."""

    hovered = Signal(int, int)  # a connection; (parcel, -1) a parcel; (-1, -1) nothing
    clicked = Signal(int, int)
    parcel_clicked = Signal(int)
    network_clicked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.content: RingContent | None = None
        self.reason = ""
        self._layout: RingLayout | None = None
        self._curves: Floats = np.zeros((0, 2, 2))
        self._parcel: int | None = None
        self._edge: tuple[int, int] | None = None
        self._network: str | None = None
        self._name_boxes: dict[str, QRectF] = {}  # where the names were painted
        self._under: int | None = None  # index of the connection under pointer or keys
        self.setMouseTracking(True)
        self.setMinimumSize(120, 120)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_content(self, content: RingContent | None, reason: str = "") -> None:
        """Draw connections, or print why there are none."""
        self.content, self.reason, self._under = content, reason, None
        self._layout = None
        if content is not None:
            self._layout = ring_layout(content.order, content.networks)
            self._curves = self._layout.curves(content.edges.first, content.edges.second)
        self.update()

    def set_selection(
        self, parcel: int | None, edge: tuple[int, int] | None, network: str | None = None
    ) -> None:
        """Bring the connections of a parcel or a network, and one connection, forward."""
        self._parcel, self._edge, self._network = parcel, edge, network
        self.update()

    def selected_beside(self) -> tuple[int, int] | None:
        """The selected connection, where it is not one of those that are drawn.

        It is drawn all the same, marked as selected.
        """
        edge = self._edge
        if edge is None or self._layout is None or self._index_of(edge) is not None:
            return None
        count = len(self._layout.angles_rad)
        inside = edge[0] != edge[1] and all(0 <= end < count for end in edge)
        return (min(edge), max(edge)) if inside else None

    def edge_point(self, index: int) -> QPointF:
        """Where on the widget the middle of a drawn connection lies."""
        x, y = self._curves[index, self._curves.shape[1] // 2]
        return self._centre() + QPointF(float(x), float(y)) * self._radius()

    # geometry -----------------------------------------------------------------

    def _label_font_px(self) -> tuple[float, float]:
        metrics = self.fontMetrics()
        whole = self._whole_names()
        longest = "Ventral Attention" if whole else "DMN "
        return metrics.horizontalAdvance(longest) * 0.86, metrics.height() * 0.86

    def _whole_names(self) -> bool:
        return self.width() >= 420 and self.height() >= 260

    def _radius(self) -> float:
        wide, high = self._label_font_px()
        across = (self.width() / 2.0 - wide - 14.0) / 1.12
        down = (self.height() / 2.0 - high - 2.0) / 1.12
        return max(min(across, down), 20.0)

    def _centre(self) -> QPointF:
        return QPointF(self.width() / 2.0, self.height() / 2.0)

    def _plane(self, at: QPointF) -> tuple[float, float]:
        """A point of the widget in the ring's plane, radius 1."""
        moved = (at - self._centre()) / self._radius()
        return moved.x(), moved.y()

    # painting -----------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Band, names, connections; the selected ones last."""
        painter = QPainter(self)
        colours = tokens(self.palette())
        if self.content is None or self._layout is None:
            painter.setPen(QColor(colours.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(12, 12, -12, -12), int(flags), self.reason)
            painter.end()
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_band(painter)
        self._paint_names(painter)
        self._paint_edges(painter)
        self._paint_parcel(painter)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colours.accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()

    def _paint_band(self, painter: QPainter) -> None:
        assert self._layout is not None
        centre, radius = self._centre(), self._radius()
        width = (_RIM[1] - _RIM[0]) * radius
        middle = radius * sum(_RIM) / 2.0
        box = QRectF(centre.x() - middle, centre.y() - middle, 2 * middle, 2 * middle)
        for segment in self._layout.segments:
            pen = QPen(QColor(*network_colour(segment.network)), width)
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            painter.setPen(pen)
            start = 90.0 - np.degrees(segment.first_rad)  # Qt: from three o'clock, anticlockwise
            span = -np.degrees(segment.last_rad - segment.first_rad)
            painter.drawArc(box, round(start * 16), round(span * 16))
            if segment.network == self._network:
                self._paint_chosen(painter, start, span)

    def _paint_chosen(self, painter: QPainter, start_deg: float, span_deg: float) -> None:
        """A line outside the selected network's part of the band."""
        out = _RIM[1] * self._radius() + 2.5
        centre = self._centre()
        box = QRectF(centre.x() - out, centre.y() - out, 2 * out, 2 * out)
        for colour, width in ((QColor(0, 0, 0), 4.0), (QColor(_SELECTED), 2.5)):
            painter.setPen(QPen(colour, width))
            painter.drawArc(box, round(start_deg * 16), round(span_deg * 16))

    def _paint_names(self, painter: QPainter) -> None:
        assert self._layout is not None
        colours, radius = tokens(self.palette()), self._radius()
        painter.setFont(font(self.font(), scale=0.86))
        metrics = painter.fontMetrics()
        segments = self._layout.segments
        angles = [segment.middle_rad for segment in segments]
        high = metrics.height()
        room = self.height() / 2.0 - high / 2.0
        places = label_places(angles, radius * 1.15, high * 0.95, room)
        self._name_boxes = {}
        for segment, (x, y), angle in zip(segments, places, angles, strict=True):
            name = segment.network
            words = name if self._whole_names() else NETWORK_SHORT.get(name, name)
            rim = self._centre() + QPointF(np.sin(angle), -np.cos(angle)) * radius * 1.09
            # A label that moved keeps clear of the ring at its new height.
            clear = np.sqrt(max((radius * 1.13) ** 2 - y**2, 0.0))
            x = (1.0 if x >= 0 else -1.0) * max(abs(x), clear)
            at = self._centre() + QPointF(float(x), float(y))
            painter.setPen(QPen(QColor(colours.border), 1))
            painter.drawLine(rim, at)
            painter.setPen(QColor(colours.text))
            wide = metrics.horizontalAdvance(words) + 4.0
            left = at.x() + 3.0 if x >= 0 else at.x() - 3.0 - wide
            left = min(max(left, 0.0), self.width() - wide)
            box = QRectF(left, at.y() - high / 2.0, wide, high)
            self._name_boxes[name] = box
            side = Qt.AlignmentFlag.AlignLeft if x >= 0 else Qt.AlignmentFlag.AlignRight
            painter.drawText(box, int(side | Qt.AlignmentFlag.AlignVCenter), words)

    def _paint_edges(self, painter: QPainter) -> None:
        assert self.content is not None
        edges, scale = self.content.edges, self.content.scale
        colours = scale.rgb(edges.value)  # the bar's own: a value can be read from it
        theme = tokens(self.palette())
        lost = lost_on(colours, QColor(theme.surface))
        strongest = max(float(np.abs(edges.value).max(initial=0.0)), 1e-30)
        thin = min(1.0, (_MANY / max(len(edges), 1)) ** 0.5)
        widths = thin * (1.0 + 2.2 * np.abs(edges.value) / strongest)
        touching, dotted = self.forward(), self.dotted()
        chosen = self._index_of(self._edge)
        dim = bool(touching.any())
        # Weak ones below, the selected parcel's above them.
        for index in (*np.flatnonzero(~touching)[::-1], *np.flatnonzero(touching)[::-1]):
            faded = dim and not touching[index]
            curve = self._path(self._curves[index])
            wide, own = float(widths[index]), QColor(*(int(c) for c in colours[index]))
            under = [(QColor(theme.muted), wide + _EDGING)] if lost[index] else []
            for shade, width in (*under, (own, wide)):
                shade.setAlphaF(0.22 if faded else 1.0)
                self._draw_edge(painter, int(index), curve, QPen(shade, width), dotted[index])
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for index, width in ((self._under, 2.0), (chosen, 3.0)):
            if index is not None:
                self._mark(painter, self._path(self._curves[index]), width)
        beside = self.selected_beside()
        if beside is not None and self._layout is not None:
            first, second = np.array([beside[0]]), np.array([beside[1]])
            self._mark(painter, self._path(self._layout.curves(first, second)[0]), 3.0)

    @staticmethod
    def _mark(painter: QPainter, path: QPainterPath, width: float) -> None:
        for colour, pen in ((QColor(0, 0, 0), width + 2.5), (QColor(_SELECTED), width)):
            painter.setPen(QPen(colour, pen))
            painter.drawPath(path)

    def forward(self) -> Bools:
        """(edge,) the connections that touch the selected parcel or network."""
        assert self.content is not None
        edges, networks = self.content.edges, self.content.networks
        if self._network is None:
            return np.asarray((edges.first == self._parcel) | (edges.second == self._parcel))
        inside = np.array([name == self._network for name in networks])
        return np.asarray(inside[edges.first] | inside[edges.second])

    def dotted(self) -> Bools:
        """(edge,) the negative connections: the sign is told without colour, too."""
        edges = self.content.edges if self.content is not None else None
        if edges is None or len(edges) > _FEW:
            return np.zeros(0 if edges is None else len(edges), np.bool_)
        return np.asarray(edges.value < 0.0)

    def key_words(self) -> str:
        """What dots and dashes mean, where there are any."""
        unstable = self.content.unstable if self.content is not None else None
        parts = ["dotted: negative"] * bool(self.dotted().any())
        parts += ["dashed: unstable"] * bool(unstable is not None and unstable.any())
        return ", ".join(parts)

    def _draw_edge(
        self, painter: QPainter, index: int, curve: QPainterPath, pen: QPen, negative: bool
    ) -> None:
        assert self.content is not None
        unstable, width = self.content.unstable, pen.widthF()
        pattern = [_DOT_PX, _GAP_PX] if negative else []
        if unstable is not None and unstable[index]:
            pattern = [2.0 * _DASH_PX, _GAP_PX, *pattern] if negative else [_DASH_PX, _DASH_PX]
        if pattern:
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)  # the usual one fills the gaps
            pen.setDashPattern([px / width for px in pattern])  # Qt counts in widths
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(curve)

    def _path(self, curve: Floats) -> QPainterPath:
        centre, radius = self._centre(), self._radius()
        placed = curve * radius + np.array([centre.x(), centre.y()])
        path = QPainterPath()
        path.addPolygon(QPolygonF([QPointF(float(x), float(y)) for x, y in placed]))
        return path

    def _paint_parcel(self, painter: QPainter) -> None:
        if self._layout is None or self._parcel is None:
            return
        if self._parcel >= len(self._layout.angles_rad):
            return
        x, y = self._layout.points(1.055)[self._parcel]
        at = self._centre() + QPointF(float(x), float(y)) * self._radius()
        painter.setPen(QPen(QColor(0, 0, 0), 1.5))
        painter.setBrush(QColor(_SELECTED))
        painter.drawEllipse(at, 4.0, 4.0)

    def _index_of(self, edge: tuple[int, int] | None) -> int | None:
        if edge is None or self.content is None:
            return None
        low, high = min(edge), max(edge)
        edges = self.content.edges
        found = np.flatnonzero((edges.first == low) & (edges.second == high))
        return int(found[0]) if found.size else None

    # mouse and keys -------------------------------------------------------------

    def _edge_at(self, at: QPointF) -> int | None:
        x, y = self._plane(at)
        if self.content is None or np.hypot(x, y) > 1.0:
            return None
        return nearest_curve(self._curves, x, y, _REACH_PX / self._radius())

    def _point_at(self, index: int | None) -> None:
        if index != self._under:
            self._under = index
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell the connection or the parcel under the pointer."""
        index = self._edge_at(event.position())
        self._point_at(index)
        if index is not None and self.content is not None:
            edges = self.content.edges
            self.hovered.emit(int(edges.first[index]), int(edges.second[index]))
            return
        parcel = None
        if self._layout is not None:
            parcel = self._layout.parcel_near(*self._plane(event.position()))
        self.hovered.emit(-1 if parcel is None else parcel, -1)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Left: select the connection, or the parcel at the rim."""
        if event.button() != Qt.MouseButton.LeftButton or self._layout is None:
            return
        index = self._edge_at(event.position())
        if index is not None:
            self._choose(index)
            return
        for name, box in self._name_boxes.items():
            if box.contains(event.position()):
                self.network_clicked.emit(name)
                return
        parcel = self._layout.parcel_near(*self._plane(event.position()))
        if parcel is not None:
            self.parcel_clicked.emit(parcel)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Left, at the rim: select the network of the parcel there."""
        if event.button() != Qt.MouseButton.LeftButton or self._layout is None:
            return
        parcel = self._layout.parcel_near(*self._plane(event.position()))
        if parcel is not None and self.content is not None:
            self.network_clicked.emit(self.content.networks[parcel])

    def _choose(self, index: int) -> None:
        assert self.content is not None
        edges = self.content.edges
        self.clicked.emit(int(edges.first[index]), int(edges.second[index]))

    def leaveEvent(self, _event: QEvent) -> None:
        """Nothing is under the pointer any more."""
        self._point_at(None)
        self.hovered.emit(-1, -1)

    # what keys do ---------------------------------------------------------------

    def step(self, by: int) -> None:
        """Walk through the connections, strongest first; nothing is selected yet."""
        count = len(self.content.edges) if self.content is not None else 0
        if not count or self.content is None:
            return
        now = self._under if self._under is not None else self._index_of(self._edge)
        index = (now + by) % count if now is not None else 0
        self._point_at(index)
        edges = self.content.edges
        self.hovered.emit(int(edges.first[index]), int(edges.second[index]))

    def choose_under(self) -> None:
        """Select the connection that was walked to."""
        if self._under is not None:
            self._choose(self._under)


def lost_on(rgb: Ints, panel: QColor) -> Bools:
    """(edge,) colours, (edge, 3), that a thin line on the panel would lose: under 3 to 1."""
    own = _luminance(np.asarray(rgb, dtype=np.float64) / 255.0)
    behind = _luminance(np.array([panel.redF(), panel.greenF(), panel.blueF()]))
    high, low = np.maximum(own, behind), np.minimum(own, behind)
    return np.asarray((high + 0.05) / (low + 0.05) < _CONTRAST)


def _luminance(rgb: Floats) -> Floats:
    """Relative luminance of sRGB colours 0..1, (..., 3), as the W3C's WCAG 2 defines it."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722]))
