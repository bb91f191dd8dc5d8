"""Three linked slices on one black stage, all at the same scale."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QPointF, QRect, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from app.gui.session import Display
from app.gui.widgets.plane import PLANES, plane
from app.gui.widgets.slice_canvas import SliceCanvas
from app.gui.widgets.slice_content import SliceContent
from app.gui.widgets.slice_keys import PlaneKeys
from app.gui.widgets.theme import font

_GAP_PX = 3
_GUIDE = (
    "Click: go to a point\n"
    "Wheel: slice by slice\n"
    "Ctrl + wheel: zoom\n"
    "Right drag: window and level\n"
    "Double click: one plane alone"
)  # stands where two rows leave a corner free


class SliceStage(QWidget):
    """Arranges the canvases in a row or in two rows, whichever shows them larger."""

    voxel_picked = Signal(tuple)  # voxel indices as floats
    windowed = Signal(float, float)
    region_windowed = Signal(tuple, tuple)  # voxels of two corners
    window_mode = Signal(bool)
    released = Signal()  # a drag is over
    reset = Signal()
    hold_asked = Signal()
    menu_asked = Signal(object)  # QPoint on the screen

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.zoom = 1.0
        self.canvases: dict[str, SliceCanvas] = {}
        self.reason = ""
        self._maximised: str | None = None
        for name in PLANES:
            canvas = SliceCanvas(plane(name, convention="radiological", nose="left"), self)
            canvas.pointed.connect(self.voxel_picked)
            canvas.stepped.connect(self._step)
            canvas.moved.connect(self._move)
            canvas.zoomed.connect(self._zoom)
            canvas.panned.connect(self._pan)
            canvas.windowed.connect(self.windowed)
            canvas.region_windowed.connect(self.region_windowed)
            canvas.window_mode.connect(self.window_mode)
            canvas.released.connect(self.released)
            canvas.hold_asked.connect(self.hold_asked)
            canvas.menu_asked.connect(self.menu_asked)
            canvas.blinked.connect(self.blink)
            canvas.reset.connect(self._reset)
            canvas.double_clicked.connect(self.toggle_maximised)
            self.canvases[name] = canvas
        self.setMinimumSize(240, 120)

    @property
    def content(self) -> SliceContent | None:
        """What is drawn."""
        return self.canvases["axial"].content

    def show_content(self, content: SliceContent | None, display: Display, reason: str) -> None:
        """Draw a volume, or print why there is none."""
        self.reason = reason
        for name, canvas in self.canvases.items():
            canvas.plane = plane(name, convention=display.convention, nose=display.nose)
            canvas.content = content
            canvas.setVisible(content is not None)
            canvas.update()
        self._arrange()
        self.update()

    def show_voxel(self, voxel: tuple[float, float, float]) -> None:
        """Move the crosshair."""
        for canvas in self.canvases.values():
            canvas.voxel = voxel
            canvas.update()

    def set_keys(self, keys: PlaneKeys) -> None:
        """The user's keys, for every plane."""
        for canvas in self.canvases.values():
            canvas.keys = keys

    def set_letters(self, secondary: bool) -> None:
        """Show or leave out A, P, S and I; L and R always stay."""
        for canvas in self.canvases.values():
            if canvas.content is not None:
                canvas.content = replace(canvas.content, secondary_letters=secondary)
                canvas.update()

    def blink(self, hidden: bool) -> None:
        """Hide the layers of all planes while a key is held."""
        for canvas in self.canvases.values():
            if canvas.blink != hidden:
                canvas.blink = hidden
                canvas.update()

    def toggle_maximised(self, name: str) -> None:
        """Give one plane the whole stage, or take it back."""
        self._maximised = None if self._maximised == name else name
        self._arrange()
        self.canvases[name].setFocus()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Black, with the reason where there is no picture."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.black)
        if self.content is None:
            painter.setPen(QColor("#a3b0bd"))
            box = self.rect().adjusted(20, 20, -20, -20)
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(box, int(flags), self.reason)
        elif (free := self.free_corner()) is not None:
            painter.setPen(QColor("#a3b0bd"))
            painter.setFont(font(self.font(), scale=0.9))
            painter.drawText(free, int(Qt.AlignmentFlag.AlignCenter), _GUIDE)
        painter.end()

    def resizeEvent(self, _event: QResizeEvent) -> None:
        """Find the better arrangement again."""
        self._arrange()

    def free_corner(self) -> QRect | None:
        """The corner that two rows of three planes leave, if it holds the words."""
        sagittal, axial = (self.canvases[name].geometry() for name in ("sagittal", "axial"))
        if self._maximised is not None or axial.y() == 0:
            return None
        left, top = sagittal.left(), axial.top()
        free = QRect(left, top, self.width() - left, self.height() - top)
        needed = QFontMetrics(font(self.font(), scale=0.9)).size(0, _GUIDE)
        return free if needed.width() < free.width() and needed.height() < free.height() else None

    def _arrange(self) -> None:
        if self.content is None:
            return
        size = {name: canvas.extent_mm() for name, canvas in self.canvases.items()}
        width, height = float(self.width()), float(self.height())
        if self._maximised is not None:
            across, up = size[self._maximised]
            self._apply({self._maximised: self.rect()}, min(width / across, height / up))
            return
        row = min(
            (width - 2 * _GAP_PX) / sum(across for across, _ in size.values()),
            height / max(up for _, up in size.values()),
        )
        left = max(size["coronal"][0], size["axial"][0])
        low = max(size["axial"][1], 1.0)
        two = min(
            (width - _GAP_PX) / (left + size["sagittal"][0]),
            (height - _GAP_PX) / (size["coronal"][1] + low),
        )
        if row >= two:
            self._apply(self._row(size), row)
        else:
            self._apply(self._two_rows(size, left, two), two)
        self.update()

    def _row(self, size: dict[str, tuple[float, float]]) -> dict[str, QRect]:
        total = sum(across for across, _ in size.values())
        room = self.width() - 2 * _GAP_PX
        places, x = {}, 0
        for name in PLANES:
            wide = round(room * size[name][0] / total)
            places[name] = QRect(x, 0, wide, self.height())
            x += wide + _GAP_PX
        return places

    def _two_rows(
        self, size: dict[str, tuple[float, float]], left_mm: float, scale: float
    ) -> dict[str, QRect]:
        share = left_mm / (left_mm + size["sagittal"][0])
        wide = round((self.width() - _GAP_PX) * share)
        tall_mm = size["coronal"][1] + size["axial"][1]
        tall = round((self.height() - _GAP_PX) * size["coronal"][1] / tall_mm)
        below = self.height() - tall - _GAP_PX
        return {
            "coronal": QRect(0, 0, wide, tall),
            "sagittal": QRect(wide + _GAP_PX, 0, self.width() - wide - _GAP_PX, tall),
            "axial": QRect(0, tall + _GAP_PX, wide, below),
        }

    def _apply(self, places: dict[str, QRect], scale: float) -> None:
        for name, canvas in self.canvases.items():
            canvas.setVisible(name in places)
            if name in places:
                canvas.scale_px_per_mm = max(scale * 0.97 * self.zoom, 0.05)
                canvas.setGeometry(places[name])
                canvas.update()

    def _step(self, name: str, slices: int) -> None:
        self._move(self.canvases[name].plane.through, slices)

    def _move(self, axis: int, voxels: int) -> None:
        content = self.content
        if content is None:
            return
        voxel = [round(v) for v in self.canvases["axial"].voxel]
        voxel[axis] = min(max(voxel[axis] + voxels, 0), content.volume.shape[axis] - 1)
        self.voxel_picked.emit(tuple(float(v) for v in voxel))

    def _zoom(self, factor: float) -> None:
        self.zoom = min(max(self.zoom * factor, 0.5), 12.0)
        if self.zoom <= 1.0:
            for canvas in self.canvases.values():
                canvas.pan_mm = QPointF(0.0, 0.0)
        elif factor > 1.0:
            self._centre_on_crosshair()
        self._arrange()

    def _centre_on_crosshair(self) -> None:
        # Zooming in keeps the crosshair in the picture.
        for canvas in self.canvases.values():
            away = canvas.point_of(canvas.voxel) - canvas.picture_rect().center()
            canvas.pan_mm = QPointF(
                -away.x() / canvas.scale_px_per_mm, away.y() / canvas.scale_px_per_mm
            )

    def _pan(self, name: str, across: float, up: float) -> None:
        canvas = self.canvases[name]
        canvas.pan_mm = canvas.pan_mm + QPointF(across, up)
        canvas.update()

    def _reset(self) -> None:
        self.zoom = 1.0
        for canvas in self.canvases.values():
            canvas.pan_mm = QPointF(0.0, 0.0)
        if self._maximised is not None:
            self.toggle_maximised(self._maximised)
        self._arrange()
        self.reset.emit()
