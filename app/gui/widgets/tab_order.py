"""The Tab key goes through a view in reading order: as its layouts place what it holds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLayout, QScrollArea, QSplitter, QStackedWidget, QTabWidget, QWidget


def set_tab_order(inside: QWidget) -> None:
    """Let Tab follow the layouts, whatever the order in which the widgets were made."""
    for before, after in itertools.pairwise(in_reading_order(inside)):
        QWidget.setTabOrder(before, after)


def in_reading_order(inside: QWidget) -> list[QWidget]:
    """All widgets that Tab can reach, `inside` itself first if it is one of them."""
    return [widget for widget in _walk(inside) if widget.focusPolicy() & Qt.FocusPolicy.TabFocus]


def _walk(widget: QWidget) -> Iterator[QWidget]:
    yield widget
    if isinstance(widget, QScrollArea):
        yield from _walk_if(widget.widget())
    elif isinstance(widget, QTabWidget):
        yield widget.tabBar()
        for index in range(widget.count()):
            yield from _walk_if(widget.widget(index))
    elif isinstance(widget, QSplitter | QStackedWidget):
        for index in range(widget.count()):
            yield from _walk_if(widget.widget(index))
    else:
        layout = widget.layout()
        if layout is not None:
            yield from _walk_layout(layout)
        elif widget.focusPolicy() == Qt.FocusPolicy.NoFocus:  # it places its parts by hand
            for part in widget.children():
                if isinstance(part, QWidget) and not part.isWindow():
                    yield from _walk(part)


def _walk_if(widget: QWidget | None) -> Iterator[QWidget]:
    if widget is not None:
        yield from _walk(widget)


def _walk_layout(layout: QLayout) -> Iterator[QWidget]:
    for index in range(layout.count()):
        item = layout.itemAt(index)
        if item is None:
            continue
        widget, inner = item.widget(), item.layout()
        if widget is not None:
            yield from _walk(widget)
        elif inner is not None:
            yield from _walk_layout(inner)
