"""No number of a colour bar is cut, whatever the size of the text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtGui import QColor, QImage

from app.core.colours import SignedScale
from app.gui.widgets.colour_bar import ColourBar


@pytest.mark.parametrize("percent", [100, 150, 200, 300])
@pytest.mark.parametrize("note", ["", "baseline: reference 2 of 4 alone"])
def test_that_numbers_unit_and_note_end_before_the_edge(
    percent: int, note: str, qapp: Any, qtbot: Any
) -> None:
    bar = ColourBar()
    qtbot.addWidget(bar)
    larger = bar.font()
    larger.setPointSizeF(larger.pointSizeF() * percent / 100.0)
    bar.setFont(larger)
    bar.set_scale(SignedScale(0.0284, 0.0172), note=note)
    bar.resize(bar.sizeHint().width(), 600)
    image = QImage(bar.size(), QImage.Format.Format_RGB888)
    image.fill(QColor("white"))
    bar.render(image)
    pixels = np.array(
        [
            [image.pixelColor(x, y).lightness() for x in range(image.width())]
            for y in range(image.height())
        ]
    )
    ground = pixels[:, 1].max()
    assert (np.abs(pixels[:, -1].astype(int) - int(ground)) < 8).all()
    assert bar.accessibleDescription().startswith("log-odds, from")
