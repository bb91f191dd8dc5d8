"""The room that pages have: as large as the window leaves, scrolled where a page needs more."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QScrollArea, QStackedWidget, QWidget


class FittedPage(QWidget):
    """A page that is never lower than `least_high_px`, and may lay itself out for its width."""

    least_high_px = 0

    def arrange(self, width: int) -> None:
        """The width that there is, in pixels; called before the page is asked what it needs."""


class PageRoom(QScrollArea):
    """Scrolls a stack of pages only where the page on screen cannot be made small enough.

    A page with wrapped words would otherwise be made as high as it likes to be, not as it must.
    """

    def __init__(self, stack: QStackedWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stack = stack
        self._floor = QWidget()
        stack.setParent(self._floor)
        self.setWidget(self._floor)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._fit_later = QTimer(self)  # once all that changed in the page was told
        self._fit_later.setSingleShot(True)
        self._fit_later.timeout.connect(self.fit)
        stack.installEventFilter(self)
        stack.currentChanged.connect(lambda _index: self.fit())

    def fit(self) -> None:
        """Give the page on screen the room that there is, or what it must have."""
        page, size = self._stack.currentWidget(), self.maximumViewportSize()
        beside_bar = size.width() - self.verticalScrollBar().sizeHint().width()
        least = QSize(0, 0)
        if isinstance(page, FittedPage):
            page.arrange(beside_bar)
            least.setHeight(page.least_high_px)
        if page is not None:
            least = least.expandedTo(page.minimumSizeHint())
        layout = page.layout() if page is not None else None
        wraps = layout is not None and layout.hasHeightForWidth()  # words, to that width

        def high(width: int) -> int:
            own = layout.minimumHeightForWidth(width) if layout is not None and wraps else 0
            return max(least.height(), own)

        if high(max(size.width(), least.width())) > size.height():
            size.setWidth(beside_bar)
        if least.width() > size.width():
            size.setHeight(size.height() - self.horizontalScrollBar().sizeHint().height())
        size = size.expandedTo(least)
        size.setHeight(max(size.height(), high(size.width())))
        if size != self._floor.size():
            self._floor.resize(size)
        if size != self._stack.size():
            self._stack.resize(size)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The window's size changed."""
        super().resizeEvent(event)
        self.fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """What the page needs changed."""
        if watched is self._stack and event.type() == QEvent.Type.LayoutRequest:
            self._fit_later.start(0)
        return super().eventFilter(watched, event)

    def minimumSizeHint(self) -> QSize:
        """Any: what does not fit is scrolled."""
        return QSize(200, 150)
