"""A view as a picture that carries its words: PNG in screen pixels, SVG with sharp text and lines.

Below the view stands a caption: what it is and whose, read-outs that were shortened, and every
stamp in full, however narrow the view is. What the view scrolls is on the picture as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPixmap, QRegion
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QScrollArea, QWidget

from app.gui.widgets.theme import Tokens

FORMATS = {".png": "PNG (*.png)", ".svg": "SVG (*.svg)"}
_MARGIN_PX = 10
_BETWEEN_PX = 3
_GROWTHS = 8
_LARGEST_PX = 12_000  # of a picture's side
_BACKGROUND = QWidget.RenderFlag.DrawWindowBackground
_FINE = 3  # pixels of an embedded picture for each of the screen
_WRAPPED = int(Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft)


class Band:
    """The words below a picture, wrapped to its width: what it is, then what must be read.

    Parameters
    ----------
    head
        Title of the view and whose it is; in the text's colour, bold.
    words
        The stamps.
    """

    def __init__(self, head: str, words: str, width: int, font: QFont, colours: Tokens) -> None:
        self.head, self.words, self.width, self.font, self.colours = (
            head, words, width, font, colours
        )  # fmt: skip
        self._rooms = [self._room(text) for text in (head, words)]
        self.height = sum(self._rooms) + _MARGIN_PX + _BETWEEN_PX

    def _room(self, text: str) -> int:
        room = QRect(0, 0, max(self.width - 2 * _MARGIN_PX, 40), 10_000)
        return QFontMetrics(self.font).boundingRect(room, _WRAPPED, text).height()

    def draw(self, painter: QPainter, top: int) -> None:
        """Paint the band across the picture, from `top` down."""
        painter.setClipping(False)
        painter.fillRect(0, top, self.width, self.height, QColor(self.colours.surface))
        painter.setFont(self.font)
        below = top + _MARGIN_PX // 2
        colours = (self.colours.text, self.colours.attention)
        for text, high, colour in zip((self.head, self.words), self._rooms, colours, strict=True):
            painter.setPen(QColor(colour))
            box = QRect(_MARGIN_PX, below, self.width - 2 * _MARGIN_PX, high)
            painter.drawText(box, _WRAPPED, text)
            below += high + _BETWEEN_PX


@contextmanager
def whole(widget: QWidget) -> Iterator[None]:
    """Make a widget so large for a moment that nothing in it has to be scrolled.

    Areas that hold controls say `picture_whole = False`. The event loop does not turn meanwhile,
    so that nothing of it is seen.
    """
    size = widget.size()
    areas = [
        area
        for area in widget.findChildren(QScrollArea)
        if area.isVisibleTo(widget) and getattr(area, "picture_whole", True)
    ]
    bars = [bar for area in areas for bar in (area.horizontalScrollBar(), area.verticalScrollBar())]
    places = [bar.value() for bar in bars]
    policies = [(a, a.horizontalScrollBarPolicy(), a.verticalScrollBarPolicy()) for a in areas]
    for area in areas:  # a bar that stays while the view grows would lie on the last numbers
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    for _ in range(_GROWTHS):  # other parts of the view take their share of each growth
        across = max((area.horizontalScrollBar().maximum() for area in areas), default=0)
        down = max((area.verticalScrollBar().maximum() for area in areas), default=0)
        if not across and not down:
            break
        more = QSize(widget.width() + across, widget.height() + down)
        widget.resize(more.boundedTo(QSize(_LARGEST_PX, _LARGEST_PX)))
    try:
        yield
    finally:
        for area, across_policy, down_policy in policies:
            area.setHorizontalScrollBarPolicy(across_policy)
            area.setVerticalScrollBarPolicy(down_policy)
        if widget.size() != size:
            widget.resize(size)
            for bar, place in zip(bars, places, strict=True):
                bar.setValue(place)


def pixmap_of(widget: QWidget, band: Band) -> QPixmap:
    """The widget with the band below it."""
    taken = widget.grab()
    ratio = taken.devicePixelRatio()
    made = QPixmap(round(widget.width() * ratio), round((widget.height() + band.height) * ratio))
    made.setDevicePixelRatio(ratio)
    painter = QPainter(made)
    painter.drawPixmap(0, 0, taken)
    band.draw(painter, widget.height())
    painter.end()
    return made


def svg_of(widget: QWidget, band: Band, title: str) -> bytes:
    """The same as an SVG file; its images are embedded, nothing lies outside the file."""
    size = QSize(widget.width(), widget.height() + band.height)
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    # The older version knows no clipping: one slice's letters would lie under the next slice.
    generator = QSvgGenerator(QSvgGenerator.SvgVersion.Svg11)
    generator.setOutputDevice(buffer)
    generator.setSize(size)
    generator.setViewBox(QRect(QPoint(0, 0), size))
    generator.setResolution(widget.logicalDpiX())
    generator.setTitle(title)
    generator.setDescription(f"{band.head}\n{band.words}")
    painter = QPainter(generator)
    _draw(widget, painter, QPoint(0, 0), widget.rect())
    band.draw(painter, widget.height())
    painter.end()
    return bytes(buffer.data().data())


def write_svg(widget: QWidget, band: Band, path: Path, title: str) -> bool:
    """Write the widget as SVG; tells whether it worked."""
    try:
        path.write_bytes(svg_of(widget, band, title))
    except OSError:
        return False
    return True


def _draw_image(widget: QWidget, painter: QPainter, at: QPoint) -> None:
    """A picture that is larger than its place: viewers that clip badly must not see the rest."""
    image = QImage(widget.size() * _FINE, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(_FINE)
    image.fill(Qt.GlobalColor.black)
    QWidget.render(widget, image)
    painter.drawImage(QRect(at, widget.size()), image)


def _draw(widget: QWidget, painter: QPainter, at: QPoint, room: QRect) -> None:
    """A widget and what lies in it, each clipped to its own place.

    Qt clips by regions that the SVG engine does not see, so the clip is set here. A widget that
    paints beyond its place (a zoomed slice) says `svg_as_image`.
    """
    clip = QRect(at, widget.size()).intersected(room)
    if clip.isEmpty():
        return
    painter.save()
    painter.setClipRect(clip)
    filled = widget.autoFillBackground() or widget.testAttribute(
        Qt.WidgetAttribute.WA_StyledBackground
    )
    if getattr(widget, "svg_as_image", False):
        _draw_image(widget, painter, at)
    else:
        QWidget.render(
            widget, painter, at, QRegion(), _BACKGROUND if filled else QWidget.RenderFlag(0)
        )
    painter.restore()
    for child in widget.children():
        if isinstance(child, QWidget) and child.isVisible() and not child.isWindow():
            _draw(child, painter, at + child.pos(), clip)
