"""The Explain page: its caption, its state, one default method, words that fit."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtWidgets import QWidget

from app.core import wording
from app.core.results import Attribution
from app.gui.main_window.states import step_states
from app.gui.main_window.window import MainWindow
from app.gui.session import OpenCase, Session
from app.gui.views import MatrixView, RegionsView, SlicesView, SurfaceView
from app.gui.widgets.contribution_bars import ContributionBars
from app.gui.widgets.explanation_caption import ExplanationCaption
from app.gui.widgets.overlay import current_overlay
from app.gui.widgets.score_axis import HistogramKey
from app.gui.widgets.slice_stage import SliceStage


def attribution_of(session: Session) -> Attribution:
    assert session.case is not None
    assert session.case.attribution is not None
    return session.case.attribution


def with_agreement(opened: OpenCase, agreement: float, apart: int) -> OpenCase:
    found = opened.case.attribution
    assert found is not None
    disagreeing = np.arange(found.disagreeing.size) < apart
    changed = dataclasses.replace(found, agreement=agreement, disagreeing=disagreeing)
    return dataclasses.replace(opened, case=dataclasses.replace(opened.case, attribution=changed))


def test_that_methods_that_agree_poorly_need_attention(session: Session, qtbot: Any) -> None:
    assert step_states(session, frozenset())["explain"] == ("done", "")
    assert session.case is not None
    caption = ExplanationCaption(session)
    qtbot.addWidget(caption)
    assert "(a) and (b) agree" in caption.words.text()
    assert caption.sign.isHidden()
    session.show_case(with_agreement(session.case, 0.19, 225))
    state, reason = step_states(session, frozenset())["explain"]
    assert state == "attention"
    assert "+0.19" in reason
    assert not caption.sign.isHidden()
    words = caption.words.text()
    for needed in ("not a cause", "+0.19", "225 of 426", "Red", "blue", "Hatched", "Limits: n ="):
        assert needed in words


def test_that_nothing_is_said_of_a_withheld_explanation(
    session: Session, case_folders: dict[str, Path], qtbot: Any
) -> None:
    caption = ExplanationCaption(session)
    qtbot.addWidget(caption)
    session.show_case(OpenCase.read(case_folders["withheld"]))
    assert caption.isHidden()
    assert caption.words.text() == ""


def test_that_map_and_table_start_with_the_whole_scan_like_the_report(
    window: MainWindow, case_folders: dict[str, Path]
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    session, page = window.session, window.page("explain")
    scan = np.asarray(attribution_of(session).scan.per_parcel)
    overlay = current_overlay(session)
    assert overlay is not None
    np.testing.assert_array_equal(overlay.values, scan)
    regions = page.findChild(RegionsView)
    assert isinstance(regions, RegionsView)
    assert "(b)" in regions.title_label.text()
    first = regions.proxy.mapToSource(regions.proxy.index(0, 0)).row()
    assert first == int(np.abs(scan).argmax())
    for kind, letter in (("scan", "(b)"), ("branches", "(a)"), ("series", "(a)"), ("none", "")):
        session.set_display(overlay=kind)
        for view in (page.findChild(SlicesView), page.findChild(SurfaceView)):
            assert view is not None
            assert view.title_label.text() == f"{view.title} {letter}".strip()


def test_that_the_matrix_offers_both_methods(session: Session, qtbot: Any) -> None:
    view = MatrixView(session)
    qtbot.addWidget(view)
    found = attribution_of(session)
    for kind, branch in (("scan", found.scan), ("branches", found.branches)):
        session.set_display(matrix=kind)
        assert view.canvas.content is not None
        np.testing.assert_array_equal(view.canvas.content.matrix, branch.per_connection)


def inside(widget: QWidget, width: int, qtbot: Any) -> QWidget:
    qtbot.addWidget(widget)
    widget.resize(width, widget.height())
    widget.show()
    qtbot.waitExposed(widget)
    return widget


@pytest.mark.parametrize(("width", "stacked"), [(160, True), (400, False)])
def test_that_a_number_never_lies_over_its_bar(width: int, stacked: bool, qtbot: Any) -> None:
    bars = ContributionBars({"series": 0.5, "connectivity": 0.8, "bias": -0.4})
    one = bars.height()
    inside(bars, width, qtbot)
    assert bars.stacked() is stacked
    assert (bars.height() > one) is stacked


def test_that_the_key_takes_two_rows_where_one_would_be_cut(session: Session, qtbot: Any) -> None:
    assert session.case is not None
    assert session.case.case.prediction is not None
    assert session.case.case.prediction.model is not None
    key = HistogramKey(session.case.case.prediction.model)
    one = key.height()
    inside(key, round(key.needed_px()) - 20, qtbot)
    assert key.height() == 2 * one


def test_that_a_narrow_table_keeps_region_and_default_method(session: Session, qtbot: Any) -> None:
    view = RegionsView(session)
    inside(view, 300, qtbot)
    for width, left_out in ((300, {"Network", "(a)"}), (350, {"Network"}), (600, set())):
        view.resize(width, 300)
        names = enumerate(view.regions.columns)
        assert {n for i, n in names if view.table.isColumnHidden(i)} == left_out


def test_that_the_free_corner_beside_two_rows_holds_words(session: Session, qtbot: Any) -> None:
    view = SlicesView(session, source="native")
    qtbot.addWidget(view)
    view.resize(500, 520)
    view.show()
    qtbot.waitExposed(view)
    assert isinstance(view.stage, SliceStage)
    corner = view.stage.free_corner()
    assert corner is not None
    for canvas in view.stage.canvases.values():
        assert not canvas.geometry().intersects(corner)
    view.resize(1400, 300)
    assert view.stage.free_corner() is None


def test_that_the_captions_sum_is_of_the_frames_that_the_map_is_of(
    session: Session, qtbot: Any
) -> None:
    caption = ExplanationCaption(session)
    qtbot.addWidget(caption)
    session.set_display(overlay="series")
    assert "of these frames" not in caption.words.text()
    session.select_frames(20, 45)
    overlay = current_overlay(session)
    assert overlay is not None
    total = wording.signed(float(overlay.values.sum()))
    assert f"sum {total} log-odds of these frames" in caption.words.text()
