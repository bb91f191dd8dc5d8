"""The layers beside the slices, in a window of their own, and the menu of a slice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QAction, QCloseEvent, QHideEvent, QShowEvent
from PySide6.QtWidgets import QMenu, QTabWidget, QWidget

from app.gui.widgets.framed_dialog import FramedDialog
from app.gui.widgets.layer_panel import LayerPanel

_SIZE = (360, 480)
_GAP_PX = 8


class LayerWindow(FramedDialog):
    """Holds the panel, so that the slices keep their room."""

    closed = Signal()

    def __init__(self, panel: LayerPanel, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Layers: {title.lower()}")
        self.setWindowFlag(Qt.WindowType.Tool)
        self.inside.addWidget(panel)
        self.wish(*_SIZE)
        self._placed = False

    def showEvent(self, event: QShowEvent) -> None:
        """At first beside the slices, not over them, where the window has room for it."""
        super().showEvent(event)
        view = self.parentWidget()
        if self._placed or view is None:
            return
        self._placed = True
        window, width = view.window().frameGeometry(), self.frameGeometry().width()
        corner = view.mapToGlobal(QPoint(0, 0))
        right, left = corner.x() + view.width() + _GAP_PX, corner.x() - width - _GAP_PX
        if right + width <= window.right():
            self.move(right, corner.y())
        elif left >= window.left():
            self.move(left, corner.y())

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
