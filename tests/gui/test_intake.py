"""Who was scanned: what is typed counts or is refused in sight, and never silently dropped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QLocale, Qt

from app.core.results import Outcome
from app.gui.main_window.window import MainWindow
from app.gui.session import ScanPreview, Session
from app.gui.views import IntakeView
from tests.gui.conftest import FakeWorker
from tests.sample_case import sample_case

TOLD = {
    "label": "sub-03",
    "session": "ses-2",
    "age_years": 45.0,
    "sex": "F",
    "baseline_pain": 6.5,
    "site": "North",
}


def preview_of(path: Path, told: dict[str, object] | None = None) -> ScanPreview:
    scan = sample_case(Outcome.RESULT).scan
    return ScanPreview(path, scan, (), participant=TOLD if told is None else told)


@pytest.fixture
def form(qapp: Any, qtbot: Any, tmp_path: Path) -> IntakeView:
    session = Session()
    session.show_preview(preview_of(tmp_path / "s.nii"))
    view = IntakeView(session)
    qtbot.addWidget(view)
    return view


@pytest.mark.parametrize("language", ["en_US", "de_DE"])
@pytest.mark.parametrize("typed", ["4.5", "4,5", " 4,50 "])
def test_that_point_and_comma_mean_the_same_in_every_language(
    form: IntakeView, language: str, typed: str
) -> None:
    before = QLocale()
    QLocale.setDefault(QLocale(language))
    try:
        form.pain.setText(typed)
        assert form.run.isEnabled()
        assert form.values()["baseline_pain"] == 4.5
    finally:
        QLocale.setDefault(before)


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("pain", "11"),
        ("pain", "45"),
        ("pain", "-1"),
        ("pain", "nan"),
        ("pain", "much"),
        ("age", "150"),
        ("age", "1,234.5"),
        ("label", "Anna Meier"),
        ("visit", "1 May"),
    ],
)
def test_that_what_cannot_be_used_is_marked_and_stops_the_run(
    form: IntakeView, qtbot: Any, field: str, typed: str
) -> None:
    box = getattr(form, field)
    box.clear()
    qtbot.keyClicks(box, typed)
    assert box.text() == typed
    assert box.property("refused")
    assert form.note.text() == form.problem() == box.accessibleDescription() != ""
    assert not form.run.isEnabled()
    with qtbot.assertNotEmitted(form.run_asked):
        qtbot.mouseClick(form.run, Qt.MouseButton.LeftButton)
    box.setText("7")
    assert not box.property("refused")
    assert form.problem() == ""
    assert form.run.isEnabled()


def test_that_a_cleared_field_is_sent_as_cleared_and_an_empty_one_is_not(
    form: IntakeView, tmp_path: Path
) -> None:
    assert form.values()["cleared"] == ()
    form.age.clear()
    form.sex.setCurrentIndex(0)
    form.pain.setText("3")
    values = form.values()
    assert values["cleared"] == ("age_years", "sex")
    assert (values["age_years"], values["sex"], values["baseline_pain"]) == (None, None, 3.0)
    form.session.show_preview(preview_of(tmp_path / "other.nii", {}))
    assert form.values()["cleared"] == ()


def test_that_a_pseudonym_gets_its_prefix(form: IntakeView) -> None:
    form.label.setText(" 07")
    form.visit.setText("baseline")
    assert form.values()["participant_label"] == "sub-07"
    assert form.values()["session"] == "ses-baseline"


def test_that_the_menu_does_not_run_what_the_form_refuses(
    window: MainWindow, worker: FakeWorker, tmp_path: Path, qtbot: Any
) -> None:
    window.session.show_preview(preview_of(tmp_path / "s.nii"))
    form = window.page("load").findChildren(IntakeView)[0]
    form.pain.setText("11")
    window.menus.run.trigger()
    assert window.banner.text() == form.problem()
    assert not window.jobs.running()
    form.pain.setText("10")
    form.age.clear()
    window.menus.run.trigger()
    qtbot.waitUntil(lambda: bool(worker.jobs))
    request = worker.jobs[0].arguments["request"]
    assert request["baseline_pain"] == 10.0
    assert "age_years" in str(request["cleared"])
    window.actions_.cancel_all()
