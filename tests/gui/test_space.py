"""The brain in space: the same connections as the matrix, picked at any pixel ratio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt

from app.gui.connections import shown_connections
from app.gui.main_window.window import MainWindow
from app.gui.views import SurfaceView
from app.gui.widgets.connectome_mesh import (
    NODE_RADIUS_MM,
    TUBE_RADIUS_MM,
    Connections,
    edge_tubes,
    node_spheres,
    tube_radius,
)


@pytest.fixture
def view(window: MainWindow, case_folders: dict[str, Path], qtbot: Any) -> SurfaceView:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    (found,) = window.page("explain").findChildren(SurfaceView)
    found.load_now()
    return found


def test_that_20_connections_in_the_matrix_are_the_same_20_in_space(
    view: SurfaceView, window: MainWindow, qtbot: Any
) -> None:
    session = window.session
    session.change("Connections", "plots", edge_count=20)
    view.shape_box.setCurrentIndex(view.shape_box.findData("glass"))
    view.shape_box.activated.emit(view.shape_box.currentIndex())
    assert session.case is not None
    assert session.case.case.connectome is not None
    matrix = np.abs(np.triu(np.asarray(session.case.case.connectome.matrix), 1))
    strongest = np.argsort(-matrix.ravel(), kind="stable")[:20]
    wanted = {tuple(int(v) for v in np.unravel_index(i, matrix.shape)) for i in strongest}
    shown = shown_connections(session)
    assert shown is not None
    assert set(shown.edges.pairs()) == wanted
    scene = view.canvas.scene
    assert scene is not None
    drawn = scene.connections
    assert drawn is not None
    pairs = zip(drawn.first[drawn.edges], drawn.second[drawn.edges], strict=True)
    assert {(int(a), int(b)) for a, b in pairs} == wanted
    assert view.words.text().startswith("20 of 90525 connections")
    assert next(words for _, words in view.canvas.legend.nodes) == "1 connection"
    assert len(view.canvas.legend.edges) == 2
    session.history.stack.undo()
    assert view.shape() == "pial"


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
def test_that_nodes_edges_and_parcels_are_picked_at_any_pixel_ratio(
    ratio: float, view: SurfaceView, window: MainWindow, qtbot: Any, monkeypatch: Any
) -> None:
    session = window.session
    monkeypatch.setattr(view.canvas, "devicePixelRatioF", lambda: ratio)
    session.change("Connections", "plots", edge_count=3)
    session.change("Glass", "slices", scene="glass")
    view.from_top()
    view.canvas.draw_now()
    scene = view.canvas.scene
    assert scene is not None
    assert scene.connections is not None
    drawn = scene.connections
    node = int(drawn.first[0])
    session.select_parcel(None if session.parcel != node else 5)
    click(view, scene.place_of(tuple(drawn.centres_mm[node])), ratio, qtbot)
    assert session.parcel == node
    middle = drawn.centres_mm[[drawn.first[1], drawn.second[1]]].mean(axis=0)
    click(view, scene.place_of(tuple(middle)), ratio, qtbot)
    assert session.edge == (int(drawn.first[1]), int(drawn.second[1]))
    session.change("Surface", "slices", scene="surface")
    view.from_left()
    view.canvas.draw_now()
    assert session.case is not None
    labels = session.case.view.surfaces["left"]
    outermost = int(np.argmin(np.where(labels.labels > 0, labels.pial_mm[:, 0], np.inf)))
    click(view, scene.place_of(tuple(labels.pial_mm[outermost])), ratio, qtbot)
    assert session.parcel == int(labels.labels[outermost]) - 1


def click(view: SurfaceView, place: tuple[float, float], ratio: float, qtbot: Any) -> None:
    at = QPointF(place[0] / ratio, place[1] / ratio).toPoint()
    qtbot.mouseClick(view.canvas, Qt.MouseButton.LeftButton, pos=at)


def test_that_keys_turn_and_choose_standard_views(
    view: SurfaceView, window: MainWindow, qtbot: Any
) -> None:
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    view.canvas.setFocus()
    qtbot.keyClick(view.canvas, Qt.Key.Key_5)
    assert view.view_box.currentData() == "Top"
    scene = view.canvas.scene
    assert scene is not None
    before = scene.place_of((40.0, 0.0, 20.0))
    qtbot.keyClick(view.canvas, Qt.Key.Key_Right)
    assert scene.place_of((40.0, 0.0, 20.0)) != before
    qtbot.keyClick(view.canvas, Qt.Key.Key_R)
    assert scene.place_of((40.0, 0.0, 20.0)) == pytest.approx(before)


def test_that_the_picture_stands_still_while_the_crosshair_runs(
    view: SurfaceView, window: MainWindow, qtbot: Any
) -> None:
    view.canvas.draw_now()
    drawn = view.canvas.rendered
    for z in range(20):
        window.session.select_point((-10.0, -20.0, float(z)))
    assert view.canvas.rendered == drawn
    qtbot.waitUntil(lambda: view.canvas.rendered == drawn + 1)


def test_that_sizes_grow_with_connections_and_strength() -> None:
    centres = np.array([[0.0, 0, 0], [10, 0, 0], [0, 20, 0], [np.nan, 0, 0]])
    rgb = np.zeros((4, 3), np.uint8)
    found = Connections(
        centres, np.array([0, 0, 1]), np.array([1, 2, 3]), np.array([0.2, -0.8, 0.5]),
        np.zeros((3, 3), np.uint8), rgb,
    )  # fmt: skip
    assert found.nodes.tolist() == [0, 1, 2]  # the fourth has no place
    assert found.edges.tolist() == [0, 1]
    spheres = node_spheres(found)
    for parcel, radius in ((0, NODE_RADIUS_MM[1]), (2, NODE_RADIUS_MM[0])):
        corners = spheres.points[spheres.faces[spheres.owner == parcel].ravel()]
        away = np.linalg.norm(corners - centres[parcel], axis=1)
        np.testing.assert_allclose(away, radius)
    tubes = edge_tubes(found)
    weak = tubes.points[tubes.faces[tubes.owner == 0].ravel()]
    np.testing.assert_allclose(np.hypot(weak[:, 1], weak[:, 2]), TUBE_RADIUS_MM[0])
    assert (weak[:, 0].min(), weak[:, 0].max()) == (0.0, 10.0)
    np.testing.assert_allclose(tube_radius(np.array([0.5, 0.5])), np.mean(TUBE_RADIUS_MM))


def test_that_connections_beyond_the_bar_are_marked_at_its_ends(
    view: SurfaceView, window: MainWindow
) -> None:
    session = window.session
    session.change("Glass", "slices", scene="glass")
    session.set_display(matrix="scan")
    shown = shown_connections(session)
    assert shown is not None
    assert np.abs(shown.matrix).max() > shown.scale.limit  # the strongest hundredth is clipped
    assert view.bar.clipped == (True, True)
    session.set_display(matrix="correlation")
    assert view.bar.clipped == (False, False)
