"""Mouse over plots that share a time axis: hover, click and drag, told in frames."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QMouseEvent

_DRAG_PX = 5.0  # less is a click


class FrameMouse(QObject):
    """Watches a column of plots; the lowest one's axis counts.

    Parameters
    ----------
    graphics
        Holds the plots; `plots` is set whenever they are made anew.
    """

    hovered = Signal(int, object)  # frame, position in the scene
    clicked = Signal(int, bool)  # frame, whether Shift was held
    dragging = Signal(int, int)  # first and last frame so far
    dragged = Signal(int, int, bool)  # first and last frame, whether Shift was held

    def __init__(self, graphics: pg.GraphicsLayoutWidget) -> None:
        super().__init__(graphics)
        self.plots: list[pg.PlotItem] = []
        self._graphics = graphics
        self._pressed: QPointF | None = None
        self._drags = False
        self.released_at: object = None  # where in the scene the button was let go last
        graphics.viewport().installEventFilter(self)
        graphics.viewport().setMouseTracking(True)

    def frame_at(self, position: QPointF) -> int | None:
        """The frame under a point of the viewport; None beside the plots."""
        if not self.plots:
            return None
        scene = self._graphics.mapToScene(position.toPoint())
        box = self.plots[-1].getViewBox()
        area = box.sceneBoundingRect()
        if not area.left() <= scene.x() <= area.right():
            return None
        return round(float(box.mapSceneToView(scene).x()))

    def point_of(self, frame: float, plot: int = -1) -> QPointF:
        """Where in the viewport a frame of a plot lies, at half its height."""
        box = self.plots[plot].getViewBox()
        middle = box.sceneBoundingRect().center().y()
        x = box.mapViewToScene(QPointF(frame, 0.0)).x()
        return QPointF(self._graphics.mapFromScene(QPointF(x, middle)))

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Nothing is taken from the plots but the left button."""
        if not isinstance(event, QMouseEvent):
            return False
        at = event.position()
        if event.type() == QEvent.Type.MouseMove:
            self._moved(at)
            return self._pressed is not None
        if event.button() != Qt.MouseButton.LeftButton:
            return False
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if event.type() == QEvent.Type.MouseButtonPress and self.frame_at(at) is not None:
            self._pressed, self._drags = at, False
            self._graphics.setFocus(Qt.FocusReason.MouseFocusReason)
            return True
        if event.type() == QEvent.Type.MouseButtonRelease and self._pressed is not None:
            self._released(at, shift)
            return True
        return False

    def _moved(self, at: QPointF) -> None:
        frame = self.frame_at(at)
        if self._pressed is None:
            if frame is not None:
                self.hovered.emit(frame, self._graphics.mapToScene(at.toPoint()))
            return
        if abs(at.x() - self._pressed.x()) > _DRAG_PX:
            self._drags = True
        if self._drags:
            self.dragging.emit(*self._ends(at))

    def _released(self, at: QPointF, shift: bool) -> None:
        assert self._pressed is not None
        first, last = self._ends(at)
        pressed, self._pressed = self.frame_at(self._pressed), None
        self.released_at = self._graphics.mapToScene(at.toPoint())
        if self._drags:
            self.dragged.emit(first, last, shift)
        elif pressed is not None:
            self.clicked.emit(pressed, shift)

    def _ends(self, at: QPointF) -> tuple[int, int]:
        """The frames from where the button went down to here; beside the plots, to their end."""
        assert self._pressed is not None
        box = self.plots[-1].getViewBox()
        ends = []
        for point in (self._pressed, at):
            scene = self._graphics.mapToScene(point.toPoint())
            ends.append(round(float(box.mapSceneToView(scene).x())))
        return min(ends), max(ends)
