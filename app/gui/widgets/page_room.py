"""The room that pages have: as large as the window leaves, scrolled where a page needs more."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QScrollArea, QStackedWidget, QWidget


class PageRoom(QScrollArea):
    """Scrolls a stack of pages only where the page on screen cannot be made small enough.

    A page with wrapped words would otherwise be made as high as it likes to be, not as it must.
    """

    def __init__(self, stack: QStackedWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stack = stack
        self._least = QSize(0, 0)
        self._floor = QWidget()
        stack.setParent(self._floor)
        self.setWidget(self._floor)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        stack.currentChanged.connect(lambda _index: self.fit())

    def set_least(self, width: int, height: int) -> None:
        """The size that pages need with the text size that is chosen."""
        self._least = QSize(width, height)
        self.fit()

    def fit(self) -> None:
        """Give the page on screen the room that there is, or what it must have."""
        page = self._stack.currentWidget()
        must = page.minimumSizeHint() if page is not None else QSize(0, 0)
        least = must.expandedTo(self._least)
        size = self.maximumViewportSize()
        if least.height() > size.height():
            size.setWidth(size.width() - self.verticalScrollBar().sizeHint().width())
        if least.width() > size.width():
            size.setHeight(size.height() - self.horizontalScrollBar().sizeHint().height())
        size = size.expandedTo(least)
        layout = page.layout() if page is not None else None
        if layout is not None and layout.hasHeightForWidth():  # words wrap to that width
            high = layout.minimumHeightForWidth(size.width())
            size.setHeight(max(size.height(), high))
        if size != self._floor.size():
            self._floor.resize(size)
        if size != self._stack.size():
            self._stack.resize(size)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The window's size changed."""
        super().resizeEvent(event)
        self.fit()

    def minimumSizeHint(self) -> QSize:
        """Any: what does not fit is scrolled."""
        return QSize(200, 150)
