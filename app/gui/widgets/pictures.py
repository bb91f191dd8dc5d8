"""A widget as a picture: PNG in screen pixels, SVG with text and lines that stay sharp."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QPoint, QRect, QSize
from PySide6.QtGui import QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QWidget

FORMATS = {".png": "PNG (*.png)", ".svg": "SVG (*.svg)"}


def svg_of(widget: QWidget, title: str, description: str) -> bytes:
    """The widget as an SVG file; its images are embedded, nothing lies outside the file."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(QSize(widget.width(), widget.height()))
    generator.setViewBox(QRect(0, 0, widget.width(), widget.height()))
    generator.setResolution(widget.logicalDpiX())
    generator.setTitle(title)
    generator.setDescription(description)
    painter = QPainter(generator)
    widget.render(painter, QPoint(0, 0))
    painter.end()
    return bytes(buffer.data().data())


def write_svg(widget: QWidget, path: Path, title: str, description: str) -> bool:
    """Write the widget as SVG; tells whether it worked."""
    try:
        path.write_bytes(svg_of(widget, title, description))
    except OSError:
        return False
    return True
