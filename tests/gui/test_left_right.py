"""The truth about left and right, read from the pixels that the reader sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.gui.widgets.plane import axis_letters, edge_letters, plane
from app.gui.widgets.slice_canvas import SliceCanvas
from app.gui.widgets.slice_content import SliceContent

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
