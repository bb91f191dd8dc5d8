"""Pages, composed of the registry of views and the drawing of areas; built when first opened."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QTabWidget, QVBoxLayout, QWidget

from app.gui.main_window import wires
from app.gui.main_window.arrangement import HANDLE_PX, Arranged, KeptSplitter, arrange
from app.gui.main_window.layouts import LAYOUTS, Across, Area, Node
from app.gui.views import VIEWS, CardView
from app.gui.widgets.explanation_caption import ExplanationCaption
from app.gui.widgets.page_room import FittedPage
from app.gui.widgets.theme import scaled, text_scale
from app.gui.widgets.view import View

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow


_HIGH_PX = 600  # that a page needs; with larger text it is scrolled instead of squeezed


class Page(FittedPage):
    """One step's arrangement of views; one of them can fill it for a while."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.setAccessibleName(title)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(6)
        self.maximised: View | None = None
        self.whole: Arranged | None = None
        self.least_high_px = 0 if text_scale() == 1.0 else scaled(_HIGH_PX)
        self._put_away: list[QWidget] = []

    def views(self) -> list[View]:
        """The views of this page in reading order."""
        return self.findChildren(View)

    def arrange(self, width: int) -> None:
        """Side by side, or below each other."""
        if self.whole is not None and self.maximised is None:
            arrange(_grown(self.whole, width), width)

    def maximise(self, view: View) -> None:
        """Give the whole page to a view, or put everything back."""
        again = self.maximised is view
        for widget in self._put_away:
            widget.show()
        self._put_away, self.maximised = [], None
        if again:
            return
        self.maximised = view
        inside: QWidget | None = view
        while inside is not None and inside is not self:
            around = inside.parentWidget()
            if isinstance(around, QSplitter):
                for index in range(around.count()):
                    other = around.widget(index)
                    if other is not None and other is not inside and not other.isHidden():
                        other.hide()
                        self._put_away.append(other)
            inside = around


def _grown(part: Arranged, width: int) -> Arranged:
    """The same, with a card as high as its words: one bar scrolls it, where it lies in a column."""
    if isinstance(part.widget, CardView):
        wide, high = part.least_px
        whole = math.ceil(part.widget.whole_height(width) / text_scale())
        return replace(part, least_px=(wide, max(high, whole)))
    return replace(part, parts=tuple((_grown(one, width), share) for one, share in part.parts))


def making_page(key: str, window: MainWindow) -> Generator[None, None, QWidget]:
    """The page of a step with all its views, connected to the window; a yield after each step."""
    page = Page(key.capitalize())
    if key == "explain":
        page.column.addWidget(ExplanationCaption(window.session))
    made = yield from _build(LAYOUTS[key], key, window)
    yield
    if made is not None:
        page.whole = made
        page.column.addWidget(made.widget, 1)
    yield
    return page


def _build(node: Node, key: str, window: MainWindow) -> Generator[None, None, Arranged | None]:
    """A part of a layout; None where no view stands in it."""
    if isinstance(node, Area):
        area = yield from _area(node, key, window)
        return None if area is None else Arranged(area, node.least_px)
    across = isinstance(node, Across)
    splitter = KeptSplitter(Qt.Orientation.Horizontal if across else Qt.Orientation.Vertical)
    splitter.setHandleWidth(HANDLE_PX)
    splitter.setChildrenCollapsible(False)
    parts: list[tuple[Arranged, int]] = []
    for part, share in node.parts:
        built = yield from _build(part, key, window)
        if built is not None:
            yield  # a widget that gets a parent takes its whole inside along, which takes long
            splitter.addWidget(built.widget)
            splitter.setStretchFactor(splitter.count() - 1, share)
            parts.append((built, share))
    splitter.setSizes([share * 100 for _, share in parts])
    return Arranged(splitter, across=across, parts=tuple(parts))


def _area(area: Area, key: str, window: MainWindow) -> Generator[None, None, QWidget | None]:
    views = []
    for place in VIEWS:
        if (place.step, place.area) == (key, area.name):
            view = place.view(window.session, **place.options)
            wires.connect(view, window)
            views.append(view)
            yield
    if not views:
        return None
    if area.stacked:
        made: QWidget = _stacked(views)
    else:
        made = views[0] if len(views) == 1 else _tabs(views)
    return made


def _stacked(views: list[View]) -> QWidget:
    """Views below each other; the first takes the room."""
    widget = QWidget()
    column = QVBoxLayout(widget)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(8)
    for index, view in enumerate(views):
        column.addWidget(view, 1 if index == 0 else 0)
    return widget


def _tabs(views: list[View]) -> QTabWidget:
    """Views behind each other; the tab carries the title."""
    tabs = QTabWidget()
    tabs.setDocumentMode(True)
    tabs.setUsesScrollButtons(True)
    for view in views:
        tabs.addTab(view, view.title)
        view.title_label.hide()
    tabs.setAccessibleName(", ".join(view.title for view in views))
    tabs.tabBar().setAccessibleName(tabs.accessibleName())
    return tabs
