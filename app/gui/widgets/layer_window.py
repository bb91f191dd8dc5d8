"""The layers beside the slices, in a window of their own, and the menu of a slice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QAction, QCloseEvent, QHideEvent
from PySide6.QtWidgets import QDialog, QMenu, QTabWidget, QVBoxLayout, QWidget

from app.gui.widgets.layer_panel import LayerPanel

_SIZE = (340, 440)


class LayerWindow(QDialog):
    """Holds the panel, so that the slices keep their room."""

    closed = Signal()

    def __init__(self, panel: LayerPanel, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Layers: {title.lower()}")
        self.setWindowFlag(Qt.WindowType.Tool)
        QVBoxLayout(self).addWidget(panel)
        self.resize(*_SIZE)

    def hideEvent(self, event: QHideEvent) -> None:
        """However it was closed, its button comes up."""
        super().hideEvent(event)
        self.closed.emit()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Hide only."""
        super().closeEvent(event)
        self.closed.emit()


def bring_forward(view: QWidget) -> None:
    """Make a view the tab that is seen, where it is one of several."""
    around = view.parentWidget()
    while around is not None and not isinstance(around, QTabWidget):
        around = around.parentWidget()
    if isinstance(around, QTabWidget):
        around.setCurrentWidget(view)


def open_menu(
    parent: QWidget,
    at: QPoint,
    actions: Sequence[QAction],
    more: Mapping[str, Callable[[], None]],
) -> QMenu:
    """A menu of key actions, then of further wishes; it goes when it closes."""
    menu = QMenu(parent)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    menu.addActions(list(actions))
    menu.addSeparator()
    for words, do in more.items():
        menu.addAction(words).triggered.connect(lambda _checked=False, act=do: act())
    menu.popup(at)
    return menu
