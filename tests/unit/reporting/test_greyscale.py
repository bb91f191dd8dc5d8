"""A summary printed in grey tells up from down: by outline, by place, never by hue alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.core.colours import SignedScale, display_order
from app.reporting.figures.colour_bar import signed_bar_figure
from app.reporting.figures.matrix import matrix_figure
from app.reporting.figures.slices import FINE, LIGHT_PIXELS, painted
from app.reporting.figures.surface import face_colours, project
from app.reporting.theme import drawing_style
from tests.unit.reporting.small_case import NETWORKS, SIDES

LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as printers and viewers turn grey
SCALE = SignedScale(1.0, 0.5)
STABLE = np.zeros(2, dtype=bool)


def sheet() -> dict[str, Any]:
    """A shallow bowl that faces left: parcel 1 behind, parcel 2 before y = 0, nothing around."""
    y, z = np.meshgrid(np.arange(-8, 9), np.arange(-6, 7), indexing="ij")
    number = np.arange(y.size).reshape(y.shape)
    low, right = number[:-1, :-1], number[1:, :-1]
    up, far = number[:-1, 1:], number[1:, 1:]
    faces = np.concatenate([
        np.stack(three, axis=-1).reshape(-1, 3) for three in ((low, up, right), (right, up, far))
    ])  # fmt: skip
    labels = np.where((abs(y) < 6) & (abs(z) < 5), np.where(y < 0, 1, 2), 0).ravel()
    vertices = np.stack([-10.0 + 0.02 * (y**2 + z**2), y, z], axis=-1).reshape(-1, 3)
    return {
        "inflated_left": vertices,
        "faces_left": faces,
        "labels_left": labels,
        "sulc_left": np.full(labels.size, -1.0),
    }


@pytest.mark.parametrize("size", [0.55, 1.0])
def test_that_a_slice_tells_the_sign_without_colour(size: float) -> None:
    labels = np.zeros((8, 14), dtype=np.int16)
    labels[1:7, 1:6], labels[1:7, 8:13] = 1, 2
    values = np.array([size, -size])
    colours = SCALE.rgb(values)
    both, nobody = np.ones(2, dtype=bool), np.zeros(2, dtype=bool)
    window = np.array([0.0, 100.0])
    for tone in (5.0, 100.0):  # on dark and on bright tissue
        grey = np.full(labels.shape, tone)
        picture = painted(grey, labels, colours, both, nobody, window, values < 0)
        light = picture[..., :3] @ LUMINANCE
        row = 4 * FINE  # through the middle of both
        up = light[row, FINE : 6 * FINE]
        down = light[row, 8 * FINE : 13 * FINE]
        inside = float(down[len(down) // 2])
        # dark line, then the light one on either side of what the parcel is painted with
        assert down[0] == down[-1] < 0.2
        assert (down[1:LIGHT_PIXELS] > 0.99).all()
        assert (down[-LIGHT_PIXELS:-1] > 0.99).all()
        assert inside < 0.75
        assert (up < 0.75).all()
        # painted alone the two could hardly be told apart: their outlines do
        assert abs(float(up[len(up) // 2]) - inside) < 0.25


@pytest.mark.parametrize("size", [0.55, 1.0])
def test_that_the_surface_tells_the_sign_without_colour(size: float) -> None:
    mesh = sheet()
    scene = project(mesh["inflated_left"], mesh["faces_left"], -1)
    corners = mesh["labels_left"][mesh["faces_left"]][scene.face]
    inside, touching = (corners == 1).all(axis=1), (corners == 1).any(axis=1)
    outline = touching & ~inside
    assert outline.sum() > 20
    assert inside.sum() > 20
    for value in (size, -size):
        colours = face_colours(scene, mesh, "left", np.array([value, 0.0]), STABLE, SCALE)
        light = colours @ LUMINANCE
        if value > 0:
            assert (light[outline] < 0.2).all()
        else:
            assert (light[outline] > 0.99).all()
        assert (light[inside] < 0.75).all()
        assert (light[~touching] < 0.9).all()  # the bare surface is darker than the light line


def test_that_where_two_signs_meet_on_the_surface_each_keeps_its_outline() -> None:
    mesh = sheet()
    scene = project(mesh["inflated_left"], mesh["faces_left"], -1)
    corners = mesh["labels_left"][mesh["faces_left"]][scene.face]
    light = face_colours(scene, mesh, "left", np.array([1.0, -1.0]), STABLE, SCALE) @ LUMINANCE
    upward = ((corners == 1).sum(axis=1) == 2) & (corners == 2).any(axis=1)
    downward = ((corners == 2).sum(axis=1) == 2) & (corners == 1).any(axis=1)
    assert upward.any()
    assert downward.any()
    assert (light[upward] < 0.2).all()
    assert (light[downward] > 0.99).all()


def test_that_the_bar_says_how_the_sign_is_told_without_colour() -> None:
    with drawing_style():
        figure = signed_bar_figure(SignedScale(0.25, 0.1), "Log-odds", clipped=True, width_mm=64)
    key = figure.axes[1]
    assert [text.get_text() for text in key.texts] == ["down: light outline", "up: dark outline"]
    light = [float(np.array(patch.get_facecolor()[:3]) @ LUMINANCE) for patch in key.patches]
    down, up = light[:3], light[3:]  # from the outline inward
    assert down[0] < 0.2 < 0.99 < down[1]
    assert down[2] < 0.75
    assert up[0] < 0.2
    assert len(up) == 2
    # the middle of the key is painted blue for down and red for up
    blue, red = key.patches[2].get_facecolor(), key.patches[4].get_facecolor()
    assert blue[2] > blue[0]
    assert red[0] > red[2]


def test_that_a_matrix_paints_what_is_above_zero_over_its_diagonal_and_the_rest_under_it() -> None:
    matrix = np.zeros((8, 8))
    matrix[2, 5] = matrix[5, 2] = 1.0
    matrix[0, 7] = matrix[7, 0] = -1.0
    with drawing_style():
        figure = matrix_figure(matrix, NETWORKS, SIDES, SignedScale(1.0, 0.0), "r", 56)
    picture = np.asarray(figure.axes[0].images[0].get_array())
    order = display_order(NETWORKS, SIDES).tolist()
    painted_cells = {tuple(cell) for cell in np.argwhere((picture @ LUMINANCE) < 200).tolist()}
    up = sorted((order.index(2), order.index(5)))
    down = sorted((order.index(0), order.index(7)), reverse=True)
    assert painted_cells == {tuple(up), tuple(down)}
