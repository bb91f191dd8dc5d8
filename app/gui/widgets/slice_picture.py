"""One slice on black: anatomy, layers, crosshair, letters, convention word.

All but the crosshair and the words is kept as one picture until something in it changes, so a
crosshair that moves inside the plane costs nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QWidget

from app.core.arrays import Floats
from app.core.coordinates import stored_index
from app.gui.widgets.layer_pixels import outline_pixels, paint_layers, selected_pixels
from app.gui.widgets.plane import Plane, edge_letters, voxel_size_mm
from app.gui.widgets.slice_content import SliceContent
from app.gui.widgets.theme import font

_MARGIN_MM = 9.0  # room for the letters around the brain


class SlicePicture(QWidget):
    """Paints one plane and knows which voxel lies where."""

    def __init__(self, shown: Plane, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plane = shown
        self.content: SliceContent | None = None
        self.voxel: tuple[float, float, float] = (0.0, 0.0, 0.0)
        self.scale_px_per_mm = 1.0
        self.pan_mm = QPointF(0.0, 0.0)
        self.blink = False  # layers are hidden while a key is held
        self._kept: tuple[object, ...] = ()  # what the kept picture shows
        self._held: tuple[object, ...] = ()  # its arrays: their identities stay their own
        self._picture = QPixmap()
        self._rim_kept: tuple[object, ...] = ()
        self._rim: tuple[QPointF, QImage] | None = None  # of the selected parcel
        self.drawn = 0  # pictures made so far

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

    def slice_index(self) -> int:
        """Number of the slice that is shown, first = 0."""
        assert self.content is not None
        count = int(self.content.volume.shape[self.plane.through])
        return min(max(round(self.voxel[self.plane.through]), 0), count - 1)

    def slice_name(self) -> str:
        """What the corner calls the slice: by the file's own count, as typed voxels are."""
        assert self.content is not None
        axis = self.plane.through
        count = int(self.content.volume.shape[axis])
        number = stored_index(self.slice_index(), axis, count, self.content.storage_codes)
        return f"slice {number}"

    def cut(self, volume: NDArray[Any]) -> NDArray[Any]:
        """The slice as a picture: rows from top to bottom, columns from left to right."""
        # Of the two axes left, the lower-numbered one always runs across.
        place = (slice(None),) * self.plane.through + (self.slice_index(),)
        picture: NDArray[Any] = np.asarray(volume[place]).T[::-1]  # a view: nothing is copied
        return picture[:, ::-1] if self.plane.mirrored else picture

    # painting -----------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Anatomy (smooth), layers (nearest neighbour), crosshair, letters, word."""
        painter = QPainter(self)
        if self.content is not None:
            painter.drawPixmap(0, 0, self._kept_picture())
            self._paint_selected(painter)
            self._paint_crosshair(painter)
        else:
            painter.fillRect(self.rect(), Qt.GlobalColor.black)
        if self.hasFocus():
            painter.setPen(QPen(QColor("#5fb0ee"), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _kept_picture(self) -> QPixmap:
        """Anatomy, layers and words; drawn anew only where something in them changed."""
        content, ratio = self.content, self.devicePixelRatioF()
        assert content is not None
        arrays = (content.volume, content.labels, content.colours, *content.paints)
        masks = tuple(outline.mask for outline in content.outlines)
        shown = (
            tuple(id(one) for one in (*arrays, *masks)),
            content.affine.tobytes(),
            content.levels,
            content.convention_word,
            content.secondary_letters,
            content.orientation_known,
            content.caption,
            content.window_text,
            self.blink,
            self._geometry(),
        )
        if shown != self._kept:
            self._kept, self._held = shown, (*arrays, *masks)
            self.drawn += 1
            self._picture = QPixmap(self.size() * ratio)
            self._picture.setDevicePixelRatio(ratio)
            self._picture.fill(Qt.GlobalColor.black)
            painter = QPainter(self._picture)
            self._paint_anatomy(painter)
            self._paint_layers(painter)
            self._paint_words(painter)
            painter.end()
        return self._picture

    def _geometry(self) -> tuple[object, ...]:
        """Which slice lies where in the widget."""
        return (
            self.slice_index(),
            self.plane,
            self.size().toTuple(),
            self.devicePixelRatioF(),
            self.scale_px_per_mm,
            self.pan_mm.toTuple(),
        )

    def _paint_selected(self, painter: QPainter) -> None:
        """The rim of the selected parcel or network, over whatever is kept."""
        content = self.content
        assert content is not None
        parcels = content.network if content.selected is None else (content.selected,)
        if content.labels is None or not parcels:
            return
        shown = (id(content.labels), parcels, self._geometry())
        if shown != self._rim_kept:
            self._rim_kept = shown
            self._rim = self._selected_rim(np.asanyarray(content.labels), parcels)
        if self._rim is not None:
            painter.drawImage(*self._rim)

    def _selected_rim(
        self, labels: NDArray[Any], parcels: tuple[int, ...]
    ) -> tuple[QPointF, QImage] | None:
        """The parcels' rim as a small picture, and where it lies; None if none of them is here."""
        numbers = np.asarray(parcels) + 1
        inside = np.isin(self.cut(labels), numbers)
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if rows.size == 0:
            return None
        whole, ratio = self.picture_rect(), self.devicePixelRatioF()
        across, up = whole.width() / inside.shape[1], whole.height() / inside.shape[0]
        around = QRectF(
            whole.left() + (columns[0] - 1) * across,
            whole.top() + (rows[0] - 1) * up,
            (columns[-1] - columns[0] + 3) * across,
            (rows[-1] - rows[0] + 3) * up,
        ).intersected(QRectF(self.rect()))
        if around.isEmpty():
            return None
        # On whole device pixels, where the layers lie too.
        left, top = round(around.left() * ratio) / ratio, round(around.top() * ratio) / ratio
        around = QRectF(left, top, around.width(), around.height())
        thick = max(1, round(ratio))
        pixels = selected_pixels(np.isin(self._at_pixels(labels, around), numbers), thick)
        return around.topLeft(), self._as_image(pixels).copy()

    def _paint_anatomy(self, painter: QPainter) -> None:
        assert self.content is not None
        low, high = self.content.levels
        cut = self.cut(np.asanyarray(self.content.volume)).astype(np.float32)
        grey = np.clip((cut - low) * (255.0 / max(high - low, 1e-9)), 0.0, 255.0)
        pixels = np.nan_to_num(grey).astype(np.uint32)
        colours = self.content.colours
        # In the format of the screen: Qt scales any other one pixel by pixel.
        if colours is None:
            packed = pixels * np.uint32(0x010101)
        else:
            # What was not measured is 0 and stays black; the lowest colour would look measured.
            table = colours.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
            packed = table[pixels] * (cut > 0)
        packed = np.ascontiguousarray(packed | np.uint32(0xFF000000), dtype=np.uint32)
        rows, columns = packed.shape
        image = QImage(packed.data, columns, rows, 4 * columns, QImage.Format.Format_RGB32)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(self.picture_rect(), image)

    def _paint_layers(self, painter: QPainter) -> None:
        content = self.content
        assert content is not None
        rect = self.picture_rect().intersected(QRectF(self.rect()))
        if rect.isEmpty():
            return
        thick = max(1, round(self.devicePixelRatioF()))

        def at(volume: NDArray[Any]) -> NDArray[Any]:
            return self._at_pixels(volume, rect)

        labels = None if content.labels is None else np.asanyarray(content.labels)
        if not self.blink:
            for pixels in paint_layers(content.paints, labels, at, thick):
                self._paint_pixels(painter, rect, pixels)
        for outline in content.outlines:
            inside = at(np.asanyarray(outline.mask)).astype(bool)
            self._paint_pixels(painter, rect, outline_pixels(inside, outline, thick))

    def _at_pixels(self, volume: NDArray[Any], rect: QRectF) -> NDArray[Any]:
        """The voxel under each device pixel of `rect`: nearest neighbour, sharp edges."""
        ratio, whole = self.devicePixelRatioF(), self.picture_rect()
        cut = self.cut(volume)
        width, height = round(rect.width() * ratio), round(rect.height() * ratio)
        x = (np.arange(width) + 0.5) / ratio + rect.left() - whole.left()
        y = (np.arange(height) + 0.5) / ratio + rect.top() - whole.top()
        column = np.clip((x / whole.width() * cut.shape[1]).astype(int), 0, cut.shape[1] - 1)
        row = np.clip((y / whole.height() * cut.shape[0]).astype(int), 0, cut.shape[0] - 1)
        found: NDArray[Any] = cut[np.ix_(row, column)]
        return found

    def _paint_pixels(self, painter: QPainter, rect: QRectF, pixels: NDArray[np.uint32]) -> None:
        painter.drawImage(rect.topLeft(), self._as_image(pixels))

    def _as_image(self, pixels: NDArray[np.uint32]) -> QImage:
        """Premultiplied ARGB as an image in device pixels; it shares the array's memory."""
        height, width = pixels.shape
        image = QImage(
            pixels.data, width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied
        )
        image.setDevicePixelRatio(self.devicePixelRatioF())
        return image

    def _paint_crosshair(self, painter: QPainter) -> None:
        assert self.content is not None
        cross, at = self.content.crosshair, self.point_of(self.voxel)
        gap = float(cross.gap_px)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(QColor(*cross.colour), cross.width_px))
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
        # In a narrow picture the lowest letter stands above the words of the corners.
        small = painter.fontMetrics().horizontalAdvance(content.convention_word)
        lifted = full.adjusted(0, 0, 0, -1.2 * painter.fontMetrics().height())
        narrow = full.width() < 2.0 * small + 20.0
        for edge, letter in letters.items():
            box = lifted if narrow and edge == "bottom" else full
            if content.secondary_letters or any(side in letter for side in "LR?"):
                _shadowed(painter, box, places[edge], letter, QColor("#ffffff"))
        painter.setFont(font(self.font(), scale=0.82))
        dim = QColor("#c8d0d8")
        corner = flag.AlignLeft | flag.AlignBottom
        _shadowed(painter, full, corner, content.convention_word, dim)
        _shadowed(painter, full, flag.AlignLeft | flag.AlignTop, self.plane.name, dim)
        if content.caption:
            below = full.adjusted(0, round(1.4 * painter.fontMetrics().height()), 0, 0)
            place = flag.AlignLeft | flag.AlignTop
            _shadowed(painter, below, place, content.caption, QColor("#ffffff"))
        place = flag.AlignRight | flag.AlignTop
        _shadowed(painter, full, place, self.slice_name(), dim)
        words = painter.fontMetrics().horizontalAdvance(content.window_text)
        taken = painter.fontMetrics().horizontalAdvance(content.convention_word)
        if words + taken + 40 < full.width():
            place = flag.AlignRight | flag.AlignBottom
            _shadowed(painter, full, place, content.window_text, dim)


def _shadowed(
    painter: QPainter, box: QRectF, place: Qt.AlignmentFlag, text: str, colour: QColor
) -> None:
    """Text that stays readable over a bright picture."""
    painter.setPen(QColor(0, 0, 0))
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        painter.drawText(box.translated(dx, dy), place, text)
    painter.setPen(colour)
    painter.drawText(box, place, text)
