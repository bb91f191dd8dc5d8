"""From the first start to the summary: one sentence and one button at a time."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QFileDialog

from app.gui.main_window.guide import advice
from app.gui.main_window.window import MainWindow
from app.gui.session import OpenCase, ScanPreview, Session
from app.gui.views import IntakeView
from app.study.case_store import read_case, update_case
from app.worker.protocol import Job, JobAnnouncement
from tests.gui.conftest import FakeWorker


def test_that_the_tour_leads_from_the_first_start_to_the_pdf(
    window: MainWindow,
    worker: FakeWorker,
    case_folders: dict[str, Path],
    tmp_path: Path,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = Path(shutil.copytree(case_folders["result"], tmp_path / case_folders["result"].name))
    case = OpenCase.read(folder)
    update_case(folder, read_case(folder), {case.summary_pdf.name: b"%PDF"})
    scan = tmp_path / "sub-demo_task-rest_bold.nii"
    scan.write_bytes(b"x")
    worker.answers["demonstrate"] = lambda _job, _tell: {"demonstration": str(scan)}

    def analyse(job: Job, tell: Any) -> dict[str, Any]:
        tell(JobAnnouncement(job.job_id, "case_updated", {"case_folder": str(folder)}))
        return {"case_folder": str(folder)}

    worker.answers["analyse"] = analyse
    assert not window.guide.bar.isVisible()
    window.start.tour_asked.emit()
    bar = window.guide.bar
    assert bar.isVisible()
    assert bar.take.text() == "Use the demonstration participant"
    assert window.guide.place.text() == "Step 1 of 5"
    bar.take.click()
    qtbot.waitUntil(lambda: any(job.name == "inspect" for job in worker.jobs))
    assert worker.jobs[0].name == "demonstrate"
    window.actions_.cancel_all()
    window.session.show_preview(ScanPreview(scan, case.case.scan, ()))
    window.show_step("load")
    assert bar.take.text() == "Run the analysis"
    assert window.steps.buttons["load"].is_next
    assert "next step of the guide" in window.steps.buttons["load"].accessibleName()
    bar.take.click()
    qtbot.waitUntil(lambda: window.session.case is not None and not window.jobs.running())
    words = []
    for _ in range(12):
        words.append(bar.words.text())
        if bar.take.text().startswith("Export"):
            break
        window.menus.actions["help.next"].trigger()
    assert [w for w in words if w.startswith("Next: Check")]
    assert [w for w in words if w.startswith("Result. Read the outcome")]
    assert window.step == "report"
    assert window.steps.buttons["report"].is_next
    target = tmp_path / "out.pdf"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, **_k: (str(target), ""))
    bar.take.click()
    assert target.read_bytes() == b"%PDF"
    assert "The summary was saved" in bar.words.text()
    assert "summary" not in window.banner.text()  # it would cover the tabs to say it again
    bar.take.click()
    assert window.session.case is None
    bar.decline.click()
    assert not bar.isVisible()
    assert not any(button.is_next for button in window.steps.buttons.values())


def test_that_the_guide_goes_past_an_explanation_that_is_withheld(
    case_folders: dict[str, Path], qapp: Any
) -> None:
    session = Session()
    session.show_case(OpenCase.read(case_folders["withheld"]))
    told = advice(session, frozenset(), "predict", frozenset({"check"}), exported=False)
    assert told.words.startswith("Withheld")
    told = advice(session, frozenset(), "predict", frozenset({"check", "predict"}), exported=False)
    assert (told.step, told.action) == ("report", "go")


def test_that_clinic_mode_hides_what_is_for_research_and_comes_back(window: MainWindow) -> None:
    window.actions_.change_setting("research_mode", True)
    assert window.steps.buttons["cohort"].isVisible()
    assert window.session.research_wanted
    window.show_step("cohort")
    window.menus.actions["view.clinic"].trigger()
    assert not window.steps.buttons["cohort"].isVisible()
    assert window.step == "load"
    assert window.guide.bar.isVisible()
    assert not window.session.research_wanted
    form = window.page("load").findChildren(IntakeView)[0]
    assert form.research.isHidden()
    assert not form.values()["research"]
    window.menus.actions["view.clinic"].trigger()
    assert window.steps.buttons["cohort"].isVisible()
    assert not window.guide.bar.isVisible()
    assert not form.research.isHidden()


def test_that_left_and_right_are_asked_once(window: MainWindow) -> None:
    assert window.start.convention.isVisible()
    window.start.convention_chosen.emit("neurological")
    window.close_case()
    assert not window.start.convention.isVisible()
    assert window.session.display.convention == "neurological"
    assert window.actions_.settings.convention_asked


def test_that_text_of_twice_the_size_is_followed_at_once(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    before = window.visible_views()[0].title_label.font().pointSizeF()
    window.actions_.change_setting("text_size_percent", 200)
    assert window.visible_views()[0].title_label.font().pointSizeF() == pytest.approx(2 * before)
    window.session.select_parcel(33)  # nothing of the old pages is called any more
    window.session.set_display(overlay="branches")
    qtbot.wait(50)
    window.actions_.change_setting("text_size_percent", 100)
    assert window.visible_views()[0].title_label.font().pointSizeF() == pytest.approx(before)


def test_that_every_page_fits_into_1280_by_720_without_scrolling(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    room = window.page_area
    for key in ("load", "check", "predict", "explain", "report", "cohort"):
        window.show_step(key)
        qtbot.wait(20)
        must = window.page(key).minimumSizeHint()
        assert must.width() <= room.maximumViewportSize().width(), key
        assert must.height() <= room.maximumViewportSize().height(), key
        assert not room.horizontalScrollBar().isVisible()
        assert window.stack.size() == room.maximumViewportSize()


def test_that_the_guide_waits_for_the_explanation_and_the_end_of_the_analysis(
    session: Session,
) -> None:
    assert session.case is not None
    seen = frozenset({"check", "predict"})
    whole = session.case
    unexplained = replace(whole, case=replace(whole.case, attribution=None))
    session.show_case(unexplained)
    told = advice(session, frozenset({"analyse"}), "predict", seen, exported=False)
    assert (told.step, told.button, told.action) == ("explain", "", "")
    session.show_case(whole)
    seen |= {"explain"}
    for job in ("analyse", "report"):
        told = advice(session, frozenset({job}), "report", seen, exported=False)
        assert (told.step, told.button, told.action) == ("report", "", "")
    assert advice(session, frozenset(), "report", seen, exported=False).action == "export"
