"""The list of changes: choosing an entry goes back or forward to it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDockWidget, QListView, QUndoView, QWidget

from app.gui.history import History


def make_history_dock(history: History, parent: QWidget) -> QDockWidget:
    """A panel at the right, hidden at first; arrows and Enter work in it."""
    dock = QDockWidget("History", parent)
    dock.setObjectName("history")
    dock.setAllowedAreas(
        Qt.DockWidgetArea.RightDockWidgetArea | Qt.DockWidgetArea.LeftDockWidgetArea
    )
    entries = QUndoView(history.stack)
    entries.setEmptyLabel("As it was opened")
    entries.setAccessibleName("History of changes")
    entries.setToolTip("Import, runs, export and signing cannot be undone")
    entries.setMinimumWidth(entries.fontMetrics().averageCharWidth() * 26)
    entries.setWordWrap(True)  # an entry names values, which are never cut
    entries.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    entries.setResizeMode(QListView.ResizeMode.Adjust)
    dock.setWidget(entries)
    dock.hide()
    return dock
