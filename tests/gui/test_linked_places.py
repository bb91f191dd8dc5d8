"""One place in the template's and the scan's space, and one selection that fits together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QTableView

from app.gui.main_window.window import MainWindow
from app.gui.session import OpenCase, Session
from app.gui.views import ConnectionsView, RegionsView
from tests.live_case import view_of

GRID = np.diag([10.0, 12.0, 15.0, 1.0])
GRID[:3, 3] = (-90.0, -126.0, -75.0)
# a turn, a stretch and a shift: scanner = AFFINE @ (p + displacement(p))
AFFINE = np.array(
    [[0.98, -0.17, 0.0, 6.0], [0.17, 0.98, 0.05, -14.0], [0.0, -0.05, 1.04, 22.0], [0, 0, 0, 1.0]]
)


@pytest.fixture
def moved(qapp: Any, case_folders: dict[str, Path]) -> Session:
    """A session on a case whose scan lies turned, stretched and warped against the template."""
    opened = OpenCase.read(case_folders["result"])
    x, y, z = np.meshgrid(*(np.arange(n) for n in (19, 20, 12)), indexing="ij")
    field = np.stack([3 * np.sin(x / 4.0), 4 * np.cos(y / 5.0), 2 * np.sin(z / 3.0)], axis=-1)
    opened.__dict__["_to_scanner"] = (AFFINE, field, GRID)
    session = Session()
    session.show_case(opened)
    return session


def test_that_the_way_back_from_the_scan_ends_where_it_began(moved: Session) -> None:
    opened = moved.case
    assert opened is not None
    for mm in ((-42.0, -20.0, 51.0), (30.0, 44.0, -12.0), (5.0, -90.0, 3.0), (200.0, 0.0, 0.0)):
        there = opened.scanner_point(mm)
        assert there is not None
        assert opened.template_point(there) == pytest.approx(mm, abs=0.02)


def test_that_both_crosshairs_mark_one_place(moved: Session) -> None:
    opened = moved.case
    assert opened is not None
    moved.select_parcel(200)
    assert moved.native_mm == pytest.approx(opened.scanner_point(moved.crosshair_mm))
    moved.select_point((-42.0, -20.0, 51.0))
    assert moved.native_mm == pytest.approx(opened.scanner_point((-42.0, -20.0, 51.0)))
    centre = opened.parcel_centre_mm(17)
    assert centre is not None
    there = opened.scanner_point(centre)
    assert there is not None
    moved.select_native_point(there)
    assert moved.native_mm == there  # where the user clicked, to the last digit
    assert moved.crosshair_mm == pytest.approx(centre, abs=0.02)
    assert moved.parcel == 17


def test_that_without_a_transform_each_space_keeps_its_own_crosshair(session: Session) -> None:
    opened = session.case
    assert opened is not None
    assert opened.scanner_point((0.0, 0.0, 0.0)) is None
    before, native = session.crosshair_mm, session.native_mm
    session.select_native_point((4.0, 5.0, 6.0))
    assert session.crosshair_mm == before
    session.select_point((1.0, 2.0, 3.0))
    assert session.native_mm == (4.0, 5.0, 6.0) != native


def test_that_a_parcel_lets_go_of_a_connection_that_does_not_end_in_it(session: Session) -> None:
    session.select_edge(7, 9)
    session.select_parcel(9)
    assert session.edge == (7, 9)
    session.select_parcel(12)
    assert session.edge is None
    session.select_edge(7, 9)
    opened = session.case
    assert opened is not None
    centre = opened.parcel_centre_mm(300)
    assert centre is not None
    session.select_point(centre)
    assert (session.parcel, session.edge) == (300, None)


def click_row(table: QTableView) -> None:
    where = table.visualRect(table.currentIndex()).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=where)


@pytest.mark.parametrize("kind", [RegionsView, ConnectionsView])
def test_that_a_click_on_the_selected_row_brings_the_crosshair_back(
    live: MainWindow, kind: type[RegionsView | ConnectionsView], qtbot: Any
) -> None:
    view = view_of(live, "explain", kind, qtbot)
    session = live.session
    if kind is RegionsView:
        session.select_parcel(41)
    else:
        view.table.setFocus()
        view.table.setCurrentIndex(view.proxy.index(3, 0))
        assert session.edge is not None
    place, parcel = session.crosshair_mm, session.parcel
    session.select_point((90.0, 120.0, 100.0))  # outside the atlas
    assert session.crosshair_mm != place
    click_row(view.table)
    assert (session.crosshair_mm, session.parcel) == (place, parcel)
