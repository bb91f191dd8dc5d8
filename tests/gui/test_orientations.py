"""All 48 ways to store a volume in both conventions: the bright left marker lies beside L."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from nibabel import orientations
from PySide6.QtGui import QImage

from app.gui.main_window.window import MainWindow
from app.gui.views import SurfaceView
from app.gui.widgets.plane import edge_letters, plane
from app.gui.widgets.slice_canvas import SliceCanvas
from app.gui.widgets.slice_content import SliceContent
from app.scans.volume import decode_volume

CODES = ["".join(letters[i] for i in order)
         for order in permutations(range(3))
         for letters in product("LR", "PA", "IS")]  # fmt: skip
# 9 x 8 x 7 voxels of 2 x 3 x 4 mm around the origin, in RAS+ order.
AFFINE = np.array([[2.0, 0, 0, -8], [0, 3, 0, -10.5], [0, 0, 4, -12], [0, 0, 0, 1]])


def marked() -> Any:
    """Dim inside, bright at the participant's left (low x), black elsewhere."""
    volume = np.zeros((9, 8, 7), np.float32)
    volume[1:8, 1:7, 1:6] = 20.0
    volume[1:3, 3:5, 2:5] = 250.0
    return volume


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same volume in every storage order, written by nibabel."""
    folder = tmp_path_factory.mktemp("orientations")
    files = {}
    upright = nibabel.Nifti1Image(marked(), AFFINE)
    for code in CODES:
        turn = orientations.ornt_transform(
            orientations.io_orientation(AFFINE), orientations.axcodes2ornt(tuple(code))
        )
        image = upright.as_reoriented(turn)
        assert "".join(nibabel.aff2axcodes(image.affine)) == code
        image.set_sform(image.affine, 1)
        files[code] = folder / f"{code}.nii"
        image.to_filename(files[code])
    return files


def grey(image: QImage) -> Any:
    image = image.convertToFormat(QImage.Format.Format_Grayscale8)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width()].astype(int)


def test_that_there_are_48_orientations() -> None:
    assert len(set(CODES)) == 48


@pytest.mark.parametrize("convention", ["radiological", "neurological"])
@pytest.mark.parametrize("name", ["axial", "coronal"])
def test_that_the_left_marker_lies_beside_l_on_screen_and_in_png(
    name: str, convention: str, stored: dict[str, Path], tmp_path: Path, qtbot: Any
) -> None:
    canvas = SliceCanvas(plane(name, convention=convention, nose="left"))
    qtbot.addWidget(canvas)
    canvas.resize(180, 180)
    canvas.scale_px_per_mm = 5.0
    canvas.voxel = (8.0, 3.0, 3.0)  # the cross stands at the right, away from the marker
    canvas.show()
    middle = canvas.width() / 2.0
    for code, path in stored.items():
        found = decode_volume(path, "The scan")
        canvas.content = SliceContent(
            np.ascontiguousarray(found.data), found.affine, (0.0, 250.0),
            convention_word=convention.capitalize(), secondary_letters=False,
        )  # fmt: skip
        letters = edge_letters(canvas.plane, found.affine)
        target = tmp_path / "slice.png"
        assert canvas.grab().save(str(target), "PNG")
        for picture in (grey(canvas.grab().toImage()), grey(QImage(str(target)))):
            block = picture[50:130, 25:155]  # between the letters
            columns = np.flatnonzero((block > 200).any(axis=0)) + 25
            side = "left" if columns.mean() < middle else "right"
            assert letters[side] == "L", code
            assert side == ("right" if convention == "radiological" else "left"), code


@pytest.mark.parametrize("convention", ["radiological", "neurological"])
def test_that_space_is_never_mirrored(
    convention: str, window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    window.actions_.set_convention(convention)
    (view,) = window.page("explain").findChildren(SurfaceView)
    view.load_now()
    scene = view.canvas.scene
    assert scene is not None
    opened = window.session.case
    assert opened is not None
    assert opened.case.signals is not None
    left = np.array([side == "L" for side in opened.case.signals.hemispheres])
    scene.set_outline(())
    scene.set_cursor(None)
    scene.set_colours(np.tile(np.array([[255, 0, 0]], np.uint8), (len(left), 1)), left)
    # Standing before a face, its left is on one's right; from behind, on one's left.
    for name, l_is_on in (("Front", "right"), ("Back", "left"), ("Top", "left"), ("Bottom", None)):
        view.look_from(name)
        pixels = scene.render(240, 200).astype(int)
        red = np.argwhere((pixels[..., 0] > 90) & (pixels[..., 1] < 60))
        places = scene.side_places()
        marker = red[:, 1].mean()
        beside = "L" if abs(marker - places["L"][0]) < abs(marker - places["R"][0]) else "R"
        assert beside == "L", name
        if l_is_on is not None:
            assert (marker < 120) == (l_is_on == "left"), name
