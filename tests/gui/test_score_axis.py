"""The strip below a probability hides nobody who stands behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication

from app.core.colours import NON_RESPONDER, RESPONDER
from app.core.results import ModelSummary, Outcome
from app.gui.widgets.score_axis import ScoreAxis
from app.gui.widgets.theme import apply_theme
from tests.sample_case import sample_case

RESPONDERS = (0, 1, 0, 1, 60, 1, 0, 0, 0, 1)  # of ten bins
OTHERS = (1, 0, 1, 1, 0, 1, 40, 0, 0, 0)


def model() -> ModelSummary:
    prediction = sample_case(Outcome.RESULT).prediction
    assert prediction is not None and prediction.model is not None
    return dataclasses.replace(
        prediction.model,
        score_edges=np.linspace(0.0, 1.0, 11),
        score_counts_responder=np.array(RESPONDERS, np.float64),
        score_counts_non_responder=np.array(OTHERS, np.float64),
    )


def near(image: QImage, column: int, rows: range, colour: QColor) -> list[int]:
    """The rows of a column whose colour is a solid `colour`; axis and words are far from it."""
    found = []
    for row in rows:
        pixel = image.pixelColor(column, row)
        apart = (
            pixel.red() - colour.red(),
            pixel.green() - colour.green(),
            pixel.blue() - colour.blue(),
        )
        if max(map(abs, apart)) < 20:
            found.append(row)
    return found


@pytest.fixture(params=["light", "dark"])
def dark(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[bool]:
    palette, sheet = qapp.palette(), qapp.styleSheet()
    yield apply_theme(qapp, request.param).dark
    qapp.setPalette(palette)
    qapp.setStyleSheet(sheet)


@pytest.mark.parametrize("height", [104, 160])
def test_that_one_person_is_seen_below_the_interval(qtbot: Any, dark: bool, height: int) -> None:
    # the interval reaches over every bin, the mark stands in one that holds a single person
    responder, other = (QColor(*rgb) for rgb in (RESPONDER, NON_RESPONDER))
    if dark:
        responder, other = responder.lighter(150), other.lighter(150)
    axis = ScoreAxis(model(), 0.36, (0.02, 0.98), histogram=True)
    qtbot.addWidget(axis)
    axis.resize(340, height)
    image = axis.grab().toImage()
    assert image.devicePixelRatio() == 1.0
    rows = range(image.height())
    for index, count in enumerate(RESPONDERS):
        column = round(12 + (index + 0.3) / 10 * (340 - 24))
        assert bool(near(image, column, rows, responder)) is (count > 0), index
    for index, count in enumerate(OTHERS):
        left, right = (round(12 + (index + at) / 10 * (340 - 24)) for at in (0.2, 0.9))
        hatched = [near(image, x, rows, other) for x in range(left, right)]
        assert any(hatched) is (count > 0), index
