"""The truth about left and right, read from the pixels that the reader sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core.results import Outcome
from app.gui.main_window.window import MainWindow
from app.gui.views import HeaderView, RegionsView, SlicesView
from app.gui.views.surface import SurfaceView
from app.gui.widgets.plane import axis_letters, edge_letters, plane
from app.gui.widgets.slice_canvas import SliceCanvas
from app.gui.widgets.slice_content import SliceContent
from app.gui.widgets.slice_view import SliceView
from app.study.case_store import write_case
from tests.sample_case import sample_case, sample_view_files

AFFINE = np.array([[3.0, 0, 0, -12], [0, 2, 0, -9], [0, 0, 4, -8], [0, 0, 0, 1]])


def pixels(canvas: SliceCanvas) -> Any:
    image = canvas.grab().toImage().convertToFormat(canvas.grab().toImage().Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).astype(int)


def shown(name: str, convention: str, nose: str, volume: Any, qtbot: Any) -> SliceCanvas:
    canvas = SliceCanvas(plane(name, convention=convention, nose=nose))
    qtbot.addWidget(canvas)
    canvas.resize(260, 260)
    canvas.content = SliceContent(
        volume, AFFINE, (0.0, 1.0), convention_word=convention.capitalize()
    )
    canvas.scale_px_per_mm = 8.0
    canvas.voxel = (3.0, 4.0, 2.0)
    canvas.show()
    return canvas


@pytest.mark.parametrize("convention", ["radiological", "neurological"])
@pytest.mark.parametrize("name", ["coronal", "axial"])
def test_that_the_bright_left_half_lies_beside_the_letter_l(
    name: str, convention: str, qtbot: Any
) -> None:
    volume = np.zeros((7, 8, 9), np.float32)
    volume[:3] = 1.0  # low x is the participant's left in RAS+
    canvas = shown(name, convention, "left", volume, qtbot)
    picture = pixels(canvas).sum(axis=2)
    middle = picture[60:200]
    bright_on_screen_left = middle[:, 70:110].mean() > middle[:, 150:190].mean()
    letters = edge_letters(canvas.plane, AFFINE)
    assert letters["left" if bright_on_screen_left else "right"] == "L"
    assert bright_on_screen_left == (convention == "neurological")


@pytest.mark.parametrize("nose", ["left", "right"])
def test_that_the_bright_front_lies_beside_the_letter_a(nose: str, qtbot: Any) -> None:
    volume = np.zeros((7, 8, 9), np.float32)
    volume[:, 5:] = 1.0  # high y is the front
    canvas = shown("sagittal", "radiological", nose, volume, qtbot)
    middle = pixels(canvas).sum(axis=2)[60:200]
    bright_left = middle[:, 80:115].mean() > middle[:, 145:180].mean()
    assert bright_left == (nose == "left")
    assert edge_letters(canvas.plane, AFFINE)["left" if bright_left else "right"] == "A"


def test_that_the_top_of_coronal_and_sagittal_is_superior(qtbot: Any) -> None:
    volume = np.zeros((7, 8, 9), np.float32)
    volume[:, :, 6:] = 1.0
    for name in ("coronal", "sagittal"):
        canvas = shown(name, "radiological", "left", volume, qtbot)
        picture = pixels(canvas).sum(axis=2)
        assert picture[20:70, 100:120].mean() > picture[190:240, 100:120].mean()
        assert edge_letters(canvas.plane, AFFINE)["top"] == "S"


@pytest.mark.parametrize("convention", ["radiological", "neurological"])
@pytest.mark.parametrize("name", ["sagittal", "coronal", "axial"])
def test_that_a_point_and_its_voxel_agree(name: str, convention: str, qtbot: Any) -> None:
    canvas = shown(name, convention, "left", np.zeros((7, 8, 9), np.float32), qtbot)
    for voxel in ((3.0, 4.0, 2.0), (0.0, 7.0, 8.0), (6.0, 0.0, 0.0)):
        canvas.voxel = voxel
        assert canvas.voxel_at(canvas.point_of(voxel)) == pytest.approx(voxel)


def test_that_letters_come_from_the_affine() -> None:
    assert axis_letters(np.diag([-2.0, 1, 1, 1]), 0) == ("L", "R")
    angle = np.deg2rad(30)
    oblique = np.eye(4)
    oblique[:3, 0] = [np.cos(angle), np.sin(angle), 0]
    assert axis_letters(oblique, 0) == ("RA", "LP")
    slight = np.eye(4)
    slight[:3, 0] = [np.cos(0.2), np.sin(0.2), 0]
    assert axis_letters(slight, 0) == ("R", "L")


def test_that_unknown_orientation_shows_question_marks() -> None:
    drawn = plane("axial", convention="radiological", nose="left")
    assert set(edge_letters(drawn, np.eye(4), known=False).values()) == {"?"}


@pytest.fixture(scope="module")
def unknown_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case of a file with sform and qform codes of 0."""
    case = sample_case(Outcome.WITHHELD)
    scan = replace(case.scan, sform_code=0, qform_code=0, storage_orientation="RAS")
    place = tmp_path_factory.mktemp("unknown")
    return write_case(replace(case, scan=scan), place, files=sample_view_files())


def test_that_no_page_tells_left_from_right_where_orientation_is_unknown(
    window: MainWindow, unknown_folder: Path
) -> None:
    window.actions_.open_path(unknown_folder)
    opened = window.session.case
    assert opened is not None
    assert opened.case.signals is not None
    window.session.select_parcel(0)
    assert window.sidebar.convention.text() == "Orientation unknown: left and right cannot be told"
    slices = [
        view
        for step in ("load", "check", "explain")
        for view in window.page(step).findChildren(SliceView)
    ]
    assert len(slices) >= 3
    for view in slices:
        content = view.stage.content
        assert content is not None
        assert not content.orientation_known
        assert content.convention_word == "Orientation unknown"
        assert view.footnote() == "Orientation unknown: left and right cannot be told"
        assert view.read_out.full_text().startswith("x ")
        if content.labels is not None:
            assert ", side unknown" in view.region.full_text()
    (regions,) = window.page("explain").findChildren(RegionsView)
    name = regions.proxy.data(regions.proxy.index(0, list(regions.regions.columns).index("Region")))
    assert not name.endswith((" L", " R"))
    (header,) = window.page("load").findChildren(HeaderView)
    rows = dict(header.rows())
    assert rows["Storage order"] == "unknown"
    assert rows["Left and right"] == "orientation unknown: left and right cannot be told"
    (surface,) = window.findChildren(SurfaceView)
    texts = [
        box.itemText(i) for box in (surface.side_box, surface.view_box) for i in range(box.count())
    ]
    assert not any("Left" in text or "Right" in text for text in texts)
    assert surface.canvas.footnote() == "3D, orientation unknown: left and right cannot be told"


def test_that_a_known_orientation_brings_its_sides_back(
    window: MainWindow, unknown_folder: Path, case_folders: dict[str, Path]
) -> None:
    window.actions_.open_path(unknown_folder)
    (surface,) = window.page("explain").findChildren(SurfaceView)
    window.actions_.open_path(case_folders["result"])
    assert surface.view_box.itemText(0) == "Left"
    assert surface.side_box.itemText(1) == "Left side"
    (view,) = window.page("explain").findChildren(SlicesView)
    assert view.read_out.full_text()[0] in "LR"
    assert "Radiological" in window.sidebar.convention.text()
