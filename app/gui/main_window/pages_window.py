"""The half of the window that knows its pages: which views are seen, which has the keyboard."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QMainWindow,
    QStackedWidget,
    QWidget,
)

from app.gui.main_window.focus import focus_first
from app.gui.main_window.start import StartPanel
from app.gui.widgets.fields import leave_drops
from app.gui.widgets.view import View

if TYPE_CHECKING:
    from app.gui.main_window.page_look import PageLook

_ROW_PX = 60  # views whose tops differ by less stand in one row


class PagesWindow(QMainWindow):
    """Pages behind each other, and the keyboard's way through their views."""

    stack: QStackedWidget
    start: StartPanel
    history_dock: QDockWidget

    def __init__(self) -> None:
        super().__init__()
        self._pages: dict[str, QWidget] = {}
        self._parts: dict[str, Generator[None, None, QWidget]] = {}  # pages that are being made
        self._looks: dict[str, PageLook] = {}  # of pages that are to be made anew

    def page(self, key: str) -> QWidget:
        """The page of a step."""
        raise NotImplementedError

    def _add_page(self, key: str, page: QWidget) -> None:
        self._parts.pop(key, None)
        leave_drops(page)
        self._pages[key] = page
        self.stack.addWidget(page)
        look = self._looks.pop(key, None)
        if look is not None:
            look.put_back(page)

    def _drop_pages(self) -> None:
        """Pages are to be made anew, as the next ones to be seen; they will look as these do."""
        from app.gui.main_window.page_look import PageLook

        for key in tuple(self._parts):
            self.page(key)  # a half that is left behind would still follow the session
        self._looks |= {key: PageLook.of(page) for key, page in self._pages.items()}
        self._close_views()
        for page in self._pages.values():
            for view in page.findChildren(View):
                view.stop_listening()
            self.stack.removeWidget(page)
            page.deleteLater()
        self._pages.clear()

    def _close_views(self) -> None:
        for page in self._pages.values():
            for view in page.findChildren(View):
                close = getattr(view, "close_scene", None)
                if close is not None:
                    close()

    def shown_page(self) -> QWidget:
        """The page on screen."""
        return self.stack.currentWidget() or self.start

    def visible_views(self) -> list[View]:
        """The views on screen, in reading order: rows from the top, each from the left."""
        page = self.shown_page()

        def place(view: View) -> tuple[int, int]:
            corner = view.mapTo(page, QPoint(0, 0))
            return corner.y() // _ROW_PX, corner.x()

        seen = [view for view in page.findChildren(View) if view.isVisible()]
        return sorted(seen, key=place)

    def focused_view(self) -> View | None:
        """The view that has the keyboard, else the first one on the page."""
        widget = QApplication.focusWidget()
        while widget is not None:
            if isinstance(widget, View) and widget.isVisible():
                return widget
            widget = widget.parentWidget()
        return next(iter(self.visible_views()), None)

    def next_view(self, step: int) -> None:
        """Give the keyboard to the next or previous view of the page."""
        views = self.visible_views()
        if not views:
            return
        now = self.focused_view()
        inside = now is not None and now.isAncestorOf(QApplication.focusWidget() or self)
        at = views.index(now) + step if now in views and inside else 0
        focus_first(views[at % len(views)])

    def maximise(self, view: View | None = None) -> None:
        """Fill the page with a view, or put everything back."""
        view = view or self.focused_view()
        page = self.shown_page()
        fill = getattr(page, "maximise", None)
        if view is not None and fill is not None:
            fill(view)

    def toggle_history(self) -> None:
        """Show the list of changes, or hide it."""
        self.history_dock.setVisible(not self.history_dock.isVisible())
        if self.history_dock.isVisible():
            least = self.history_dock.widget().minimumWidth()
            self.resizeDocks([self.history_dock], [least], Qt.Orientation.Horizontal)
            self.history_dock.widget().setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _focus_changed(self) -> None:
        now = QApplication.focusWidget()
        for view in self.shown_page().findChildren(View):
            view.show_focus(now is not None and (view is now or view.isAncestorOf(now)))
