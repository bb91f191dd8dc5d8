"""Words of the views: each thing is said once, and only where it holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtWidgets import QLabel

from app.core import wording
from app.gui.connections import shown_connections
from app.gui.session import OpenCase, Session
from app.gui.view_state import OVERLAYS
from app.gui.views import CardView, SurfaceView
from app.gui.widgets.connection_rows import connection_table
from app.gui.widgets.explanation_caption import ExplanationCaption

REASONS = ("Withheld: the scan's task is 'movie'.", "Too much head motion.")


def said(view: Any) -> list[str]:
    return [label.text() for label in view.area.widget().findChildren(QLabel)]


@pytest.fixture
def card(session: Session, qtbot: Any) -> CardView:
    made = CardView(session)
    qtbot.addWidget(made)
    return made


def test_that_a_withheld_card_says_it_once_and_from_how_many_people(
    card: CardView, session: Session, case_folders: dict[str, Path]
) -> None:
    opened = OpenCase.read(case_folders["withheld"])
    prediction, shown = opened.case.prediction, session.case
    assert prediction is not None and shown is not None and shown.case.prediction is not None
    model = shown.case.prediction.model
    assert model is not None
    told = replace(prediction, reasons=REASONS, model=model)
    session.show_case(replace(opened, case=replace(opened.case, prediction=told)))
    card.refresh()
    words = said(card)
    assert "•  The scan's task is 'movie'." in words
    assert "•  Too much head motion." in words
    assert card.sentence() == "Withheld: The scan's task is 'movie'.; Too much head motion."
    assert f"{model.population} (n = {model.training_count})" in words


def test_that_a_stale_card_does_not_say_that_likeness_was_never_measured(
    card: CardView, session: Session
) -> None:
    opened = session.case
    assert opened is not None and opened.case.prediction is not None
    assert wording.likeness_text(opened.case.prediction.novelty) in said(card)
    session.exchange_case(opened.edited(opened.case, "Stale: edited"))
    card.refresh()
    words = " ".join(said(card))
    assert wording.LIKENESS_STALE in words
    assert "not measured" not in words


def test_that_the_names_of_the_question_are_never_narrower_than_their_words(
    card: CardView,
) -> None:
    names = [one for one in card.area.widget().findChildren(QLabel) if one.objectName() == "muted"]
    name = next(one for one in names if one.text() == "Responder definition")
    card.resize(400, 300)  # far too narrow
    assert name.minimumWidth() >= name.fontMetrics().horizontalAdvance("Responder definition")


def test_that_a_measured_matrix_has_no_stability(session: Session) -> None:
    column = -1
    table = connection_table(session)
    shown = shown_connections(session)
    assert table is not None and shown is not None and shown.kind == "correlation"
    assert {row[column] for row in table.rows} == {"does not apply"}
    session.change("Matrix", "display", matrix="scan")
    table = connection_table(session)
    assert table is not None
    assert "does not apply" not in {row[column] for row in table.rows}


def test_that_a_surface_without_overlay_says_so(session: Session, qtbot: Any) -> None:
    view = SurfaceView(session)
    qtbot.addWidget(view)
    view.words.setText("")
    assert view.sentence().endswith("view of the surface, no overlay.")


@pytest.mark.parametrize("overlay", sorted(OVERLAYS))
def test_that_the_caption_names_the_sum_of_the_map_that_is_drawn(
    session: Session, overlay: str, qtbot: Any
) -> None:
    caption = ExplanationCaption(session)
    qtbot.addWidget(caption)
    session.change("Overlay", "display", overlay=overlay)
    words, opened = caption.words.text(), session.case
    assert opened is not None and opened.attribution is not None
    if overlay in ("seed", "none"):
        assert "relative to" not in words
        return
    own = opened.attribution
    total = {
        "scan": own.scan.per_parcel,
        "branches": own.branches.per_parcel,
        "series": own.branches.per_parcel_series,
        "scan_series": own.scan.per_parcel_series,
        "connectivity": own.branches.per_parcel - own.branches.per_parcel_series,
    }[overlay]
    told = (
        f"{OVERLAYS[overlay]}: sum {wording.signed(float(np.nansum(total)))} log-odds relative to"
    )
    assert told in words
