"""What a view scrolls is on its picture as a whole, and no scroll bar lies on its numbers."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtWidgets import QScrollArea

from app.gui.main_window.window import MainWindow
from app.gui.views import HealthView, NetworksView
from app.gui.widgets.pictures import whole
from app.gui.widgets.view import View
from tests.live_case import view_of


@pytest.mark.parametrize("kind", [NetworksView, HealthView])
def test_that_no_scroll_bar_takes_room_in_a_picture(
    kind: type[View], judged: MainWindow, qtbot: Any
) -> None:
    judged.resize(1600, 700)
    view = view_of(judged, "explain", kind, qtbot)
    area = view.findChild(QScrollArea)
    assert area is not None
    assert area.verticalScrollBar().isVisible()
    policy, place = area.verticalScrollBarPolicy(), area.verticalScrollBar().maximum() // 2
    area.verticalScrollBar().setValue(place)
    with whole(view):
        assert not area.verticalScrollBar().isVisible()
        assert area.viewport().width() == area.width() - 2 * area.frameWidth()
        inside = area.widget()
        assert inside is not None
        assert inside.width() <= area.viewport().width()
        assert inside.height() <= area.viewport().height()
    qtbot.wait(20)
    assert area.verticalScrollBarPolicy() == policy
    assert area.verticalScrollBar().value() == place
