"""The ring's curves have the bar's own colours in both themes, and are not lost on the panel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor

from app.connectome.orders import Edges
from app.core.colours import SignedScale
from app.gui.widgets.ring_canvas import RingCanvas, RingContent, lost_on
from app.gui.widgets.theme import DARK, LIGHT, Tokens, _palette

VALUES = np.array([0.95, -0.9, 0.72, -0.45, 0.3, 0.05])
SCALE = SignedScale(1.0, 0.0, "r")


def _ring() -> RingContent:
    """Six curves between 12 parcels; none crosses another."""
    first = np.arange(0, 12, 2)
    edges = Edges(first, first + 1, VALUES, 66, 0.05)
    return RingContent(edges, np.arange(12), ("Visual",) * 6 + ("Default",) * 6, SCALE)


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_that_the_middle_of_each_curve_is_painted_in_the_bars_colour(
    theme: Tokens, qtbot: Any
) -> None:
    canvas = RingCanvas()
    qtbot.addWidget(canvas)
    canvas.setPalette(_palette(theme))
    canvas.resize(640, 600)
    canvas.show_content(_ring())
    picture = canvas.grab().toImage()
    for index, wanted in enumerate(SCALE.rgb(VALUES)):
        at = canvas.edge_point(index).toPoint()
        around = [
            picture.pixelColor(at.x() + right, at.y() + down).getRgb()[:3]
            for right in (-1, 0, 1)
            for down in (-1, 0, 1)
        ]
        assert np.abs(np.array(around) - wanted).max(axis=1).min() <= 12, index


@pytest.mark.parametrize(("theme", "lost"), [(DARK, [0, 1]), (LIGHT, [3, 4, 5])])
def test_that_colours_near_the_panels_are_known_as_lost(theme: Tokens, lost: list[int]) -> None:
    found = lost_on(SCALE.rgb(VALUES), QColor(theme.surface))
    assert np.flatnonzero(found).tolist() == lost


def test_that_contrast_is_measured_as_wcag_does() -> None:
    grey = np.array([[118, 118, 118], [149, 149, 149], [148, 148, 148]])
    # 4.54, 3.03, 2.99 to 1 on white
    assert lost_on(grey, QColor(Qt.GlobalColor.white)).tolist() == [False, True, False]


def test_that_negative_curves_are_dotted_and_the_ring_says_so(qtbot: Any) -> None:
    canvas = RingCanvas()
    qtbot.addWidget(canvas)
    assert canvas.key_words() == ""
    content = _ring()
    canvas.show_content(content)
    assert canvas.dotted().tolist() == [False, True, False, True, False, False]
    assert canvas.key_words() == "dotted: negative"
    unstable = np.array([True, False, False, False, False, False])
    canvas.show_content(replace(content, unstable=unstable))
    assert canvas.key_words() == "dotted: negative, dashed: unstable"
    canvas.setPalette(_palette(LIGHT))
    canvas.resize(640, 600)
    canvas.show_content(content)
    picture = canvas.grab().toImage()

    def dark_share(index: int) -> float:
        """Share of the points along a curve that are not as light as the ground."""
        at = [canvas._centre() + QPointF(*map(float, point)) * canvas._radius()
              for point in canvas._curves[index]]  # fmt: skip
        return float(np.mean([picture.pixelColor(p.toPoint()).lightness() < 170 for p in at]))

    assert dark_share(0) > 0.95  # +0.95
    assert dark_share(1) < 0.85  # -0.9
