"""The small button in a view's title row: its commands, table, picture, more room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QMenu, QSizePolicy, QToolButton

if TYPE_CHECKING:
    from app.gui.widgets.view import View


_LEAST_PX = 24


class MoreButton(QToolButton):
    """Opens the view's menu; it goes with the title, and the View menu holds the same."""

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self._view = view
        self.setText("\N{MIDLINE HORIZONTAL ELLIPSIS}")
        self.setAutoRaise(True)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"More of {view.title}")
        self.setToolTip("Table, picture, keys")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self)
        menu.aboutToShow.connect(lambda: fill_menu(menu, view))
        self.setMenu(menu)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def sizeHint(self) -> QSize:
        """Large enough for a finger, whatever the text's size."""
        metrics = self.fontMetrics()
        return QSize(
            metrics.horizontalAdvance(self.text()) + 16, max(metrics.height() + 8, _LEAST_PX)
        )

    def minimumSizeHint(self) -> QSize:
        """The same."""
        return self.sizeHint()


def fill_menu(menu: QMenu, view: View) -> None:
    """What can be done with a view now."""
    menu.clear()
    for action in view.key_actions.values():
        menu.addAction(action)  # with its keys beside it
    if view.key_actions:
        menu.addSeparator()
    menu.addAction("Show as &table", view.table_asked.emit)
    menu.addAction("Save as &picture\N{HORIZONTAL ELLIPSIS}", view.picture_asked.emit)
    menu.addAction("Ma&ximise, or put back", view.maximise_asked.emit)
