"""Slices on screen tell up from down without colour, as those on paper do."""

from __future__ import annotations

import numpy as np

from app.core.colours import SignedScale
from app.gui.widgets.layer_pixels import overlay_paint, paint_layers
from app.gui.widgets.overlay import Overlay

LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def grey_of(pixels: np.ndarray) -> np.ndarray:
    rgb = np.stack([(pixels >> shift) & 255 for shift in (16, 8, 0)], axis=-1)
    return np.asarray(rgb / 255.0 @ LUMINANCE)


def test_that_a_parcel_below_zero_has_a_light_line_inside_its_dark_outline() -> None:
    labels = np.zeros((16, 30), dtype=np.int16)
    labels[2:14, 2:13], labels[2:14, 16:28] = 1, 2
    values, nobody = np.array([0.8, -0.8]), np.zeros(2, dtype=bool)
    overlay = Overlay("scan", "(b)", values, SignedScale(1.0, 0.5), ~nobody, nobody)
    (pixels,) = paint_layers((overlay_paint(overlay, 1.0),), labels, lambda volume: volume, 1)
    light = grey_of(np.asarray(pixels))
    up, down = light[8, 2:13], light[8, 16:28]
    for line in (up, down):
        assert line[0] == line[-1] < 0.1  # the outline
    assert down[1] == down[-2] > 0.95
    assert (down[2:-2] < 0.6).all()  # the colour keeps the inside
    assert (up[1:-1] < 0.6).all()
    assert abs(float(up[5] - down[5])) < 0.2  # painted alone they could hardly be told apart


def test_that_a_hidden_parcel_and_a_map_without_negatives_have_no_such_line() -> None:
    labels = np.zeros((12, 12), dtype=np.int16)
    labels[1:11, 1:11] = 1
    scale = SignedScale(1.0, 0.5)
    for value, shown in ((-0.2, False), (0.9, True)):
        overlay = Overlay(
            "scan", "(b)", np.array([value]), scale, np.array([shown]), np.zeros(1, dtype=bool)
        )
        (pixels,) = paint_layers((overlay_paint(overlay, 1.0),), labels, lambda v: v, 1)
        assert (grey_of(np.asarray(pixels)) < 0.95).all()
