"""The half of the window that knows its pages: which views are seen, which has the keyboard."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QDockWidget, QMainWindow, QStackedWidget, QWidget

from app.gui.main_window.focus import focus_first
from app.gui.main_window.start import StartPanel
from app.gui.widgets.view import View

_ROW_PX = 60  # views whose tops differ by less stand in one row


class PagesWindow(QMainWindow):
    """Pages behind each other, and the keyboard's way through their views."""

    stack: QStackedWidget
    start: StartPanel
    history_dock: QDockWidget

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
