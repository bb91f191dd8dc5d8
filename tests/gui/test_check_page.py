"""The Check page as a neuroimager uses it: registration, coverage, carpet, gates, overruling."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QComboBox, QPushButton, QTabWidget

from app.core.request import AnalysisRequest
from app.core.results import PARCEL_SPACE, Outcome, QualityMetric, Verdict
from app.gui.dialogs.override import OverrideDialog
from app.gui.main_window.window import MainWindow
from app.gui.session import OpenCase
from app.gui.views import CoverageView, GatesView, MotionView, RecordView, RegistrationView
from app.gui.views.gates import INFORMING_TITLE
from app.gui.views.record import record_rows, route_text
from app.gui.widgets.coverage_table import COLUMNS, share_text
from app.gui.widgets.frame_limits import flag_limits
from app.gui.widgets.view import View
from app.study.case_store import write_case
from app.study.database import open_index
from tests.sample_case import make_sample_case, sample_case, sample_view_files

Key = Qt.Key
Shown = TypeVar("Shown", bound=View)


@pytest.fixture
def check(window: MainWindow, case_folders: dict[str, Path], qtbot: Any) -> Any:
    window.actions_.open_path(case_folders["result"])
    window.show_step("check")
    qtbot.wait(50)
    return window.page("check")


def view_of(page: Any, kind: type[Shown]) -> Shown:
    found = page.findChild(kind)
    assert found is not None
    return found  # type: ignore[no-any-return]


def pick(box: QComboBox, key: str, qtbot: Any) -> None:
    """Choose an entry with the keyboard, as a person would."""
    box.setFocus()
    qtbot.keyClick(box, Key.Key_Home)
    for _ in range(box.findData(key)):
        qtbot.keyClick(box, Key.Key_Down)
    box.activated.emit(box.currentIndex())  # what closing the list does
    assert box.currentData() == key


def show_altered(window: MainWindow, case_folders: dict[str, Path], **view: Any) -> OpenCase:
    """The sample case with other view arrays, as older cases have them."""
    read = OpenCase.read(case_folders["result"])
    opened = replace(read, view=replace(read.view, **view))
    window.session.show_case(opened)
    return opened


# registration ------------------------------------------------------------------------


def test_that_both_masks_lie_as_edges_over_the_picture(check: Any) -> None:
    view = view_of(check, RegistrationView)
    content = view.stage.content
    opened = view.session.case
    assert content is not None
    assert opened is not None
    template, participant = content.outlines
    assert np.array_equal(template.mask, opened.view.template_mask)
    assert np.array_equal(participant.mask, opened.view.mask)
    assert not np.array_equal(template.mask, participant.mask)
    assert (template.dashed, participant.dashed) == (False, True)
    assert "dashed: participant's brain mask" in view.legend.accessibleName()


def test_that_an_edge_is_drawn_where_the_mask_ends(qapp: Any) -> None:
    from app.gui.widgets.layer_pixels import Outline, outline_pixels

    inside = np.zeros((12, 17), dtype=bool)
    inside[4:8, 5:12] = True
    drawn = outline_pixels(inside, Outline(inside, (64, 224, 232)), 1) == 0xFF40E0E8
    assert not (drawn & inside).any()
    assert drawn[3, 5:12].all()
    assert drawn[8, 5:12].all()
    assert drawn[4:8, 4].all()
    assert drawn[4:8, 12].all()
    assert drawn.sum() == 2 * 7 + 2 * 4


def test_that_a_picture_is_chosen_by_keyboard_and_named_on_it(check: Any, qtbot: Any) -> None:
    view = view_of(check, RegistrationView)
    opened = view.session.case
    assert opened is not None
    for key, words in (("template", "Template"), ("boldref", "Participant"), ("tsnr", "tSNR map")):
        pick(view.picture_box, key, qtbot)
        assert view.stage.content is not None
        assert view.stage.content.volume is getattr(opened.view, key)
        assert view.stage.content.caption == words
    assert view.bar.isVisible()
    assert "tSNR, from 0 to" in view.bar.accessibleDescription()
    assert view.stage.content is not None
    assert view.stage.content.colours is not None
    voxel = tuple(int(v) for v in view.stage.canvases["axial"].voxel)
    assert opened.view.tsnr is not None
    assert f"tSNR {opened.view.tsnr[voxel]:.1f}" in view.read_out.full_text()


def test_that_unmeasured_voxels_of_the_map_stay_black(check: Any, qtbot: Any) -> None:
    view = view_of(check, RegistrationView)
    pick(view.picture_box, "tsnr", qtbot)
    pick(view.layer_box, "none", qtbot)
    canvas = view.stage.canvases["axial"]
    assert view.stage.content is not None
    picture = canvas.grab().toImage()
    outside = canvas.point_of((view.stage.content.volume.shape[0] - 3.0, 4.0, canvas.voxel[2]))
    spot = outside.toPoint()
    if canvas.rect().contains(spot):
        assert picture.pixelColor(spot).lightness() < 8
    brain = canvas.point_of((55.0, 70.0, canvas.voxel[2])).toPoint()
    colour = picture.pixelColor(brain)
    assert colour.lightness() > 30
    assert (colour.red(), colour.green()) != (colour.blue(), colour.blue())  # not grey


def test_that_an_older_case_says_what_it_lacks(
    check: Any, window: MainWindow, case_folders: dict[str, Path]
) -> None:
    view = view_of(check, RegistrationView)
    show_altered(window, case_folders, tsnr=None, mask=None, template_mask=None)
    assert view.stage.content is not None
    assert len(view.stage.content.outlines) == 1
    assert "rim of the atlas" in view.legend.accessibleName()
    view.show_picture("tsnr")
    assert view.stage.content is None
    assert "written before the tSNR map was kept" in view.stage.reason
    show_altered(window, case_folders, tsnr=None)
    assert view.stage.reason == "No tSNR map: the run was preprocessed elsewhere."


def test_that_the_flicker_is_off_until_asked_and_ends_when_the_page_is_left(
    check: Any, window: MainWindow, qtbot: Any
) -> None:
    view = view_of(check, RegistrationView)
    assert not view.flicker.isChecked()
    assert not view._timer.isActive()
    assert 2 * view._timer.interval() >= 334  # fewer than 3 changes of picture to and fro a second
    qtbot.mouseClick(view.flicker, Qt.MouseButton.LeftButton)
    assert view._timer.isActive()
    seen = {view.current_picture()}
    for _ in range(2):
        with qtbot.waitSignal(view._timer.timeout, timeout=3000):
            pass
        assert view.stage.content is not None
        seen.add(view.stage.content.caption)
    assert {"Template", "Participant"} <= seen
    window.show_step("predict")
    assert not view._timer.isActive()
    assert not view.flicker.isChecked()
    window.show_step("check")
    assert view.current_picture() == "boldref"
    assert not view._timer.isActive()


def test_that_space_held_shows_the_other_picture_and_f_toggles_the_flicker(
    check: Any, qtbot: Any
) -> None:
    view = view_of(check, RegistrationView)
    canvas = view.stage.canvases["coronal"]
    canvas.setFocus()
    qtbot.keyPress(canvas, Key.Key_Space)
    assert view.stage.content is not None
    assert view.stage.content.caption == "Template"
    qtbot.keyRelease(canvas, Key.Key_Space)
    assert view.stage.content.caption == "Participant"
    view.window().activateWindow()
    qtbot.waitUntil(view.window().isActiveWindow)
    canvas.setFocus()
    qtbot.keyClick(canvas, Key.Key_F)
    assert view.flicker.isChecked()
    qtbot.keyClick(canvas, Key.Key_F)
    assert not view._timer.isActive()
    assert view.current_picture() == "boldref"


# coverage ----------------------------------------------------------------------------


@pytest.fixture
def gappy(check: Any, window: MainWindow, case_folders: dict[str, Path]) -> Any:
    """The sample case with parcel 400 at 62 %, 33 at 41 %, 7 missing."""
    read = OpenCase.read(case_folders["result"])
    assert read.case.signals is not None
    share = np.ones(len(read.case.signals.coverage))
    share[400], share[33], share[7] = 0.62, 0.41, 0.0
    signals = replace(read.case.signals, coverage=share)
    window.session.show_case(replace(read, case=replace(read.case, signals=signals)))
    return check


def test_that_parcels_with_a_gap_are_listed_worst_first_and_a_click_selects_everywhere(
    gappy: Any, window: MainWindow, qtbot: Any
) -> None:
    tabs = gappy.findChild(QTabWidget)
    view = view_of(gappy, CoverageView)
    tabs.setCurrentWidget(view)
    assert view.count.text() == "2 of 426 parcels partly covered, 1 missing"
    column = COLUMNS.index("Covered")
    shown = [view.proxy.index(row, column).data() for row in range(view.proxy.rowCount())]
    assert shown == ["missing", "41 %, below half", "62 %"]
    row = view.table.visualRect(view.proxy.index(1, 0)).center()
    qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=row)
    assert window.session.parcel == 33
    registration = view_of(gappy, RegistrationView)
    assert registration.stage.content is not None
    assert registration.stage.content.selected == 33
    assert "covered 41 %" in registration.region.full_text()
    qtbot.keyClick(view.table, Key.Key_Down)
    assert window.session.parcel == 400
    view.all_box.click()
    assert view.proxy.rowCount() == 426
    assert view.proxy.mapToSource(view.table.currentIndex()).row() == 400


def test_that_coverage_lies_on_the_registration_slices(gappy: Any, qtbot: Any) -> None:
    view = view_of(gappy, RegistrationView)
    pick(view.layer_box, "coverage", qtbot)
    assert view.overlay is not None
    assert np.flatnonzero(view.overlay.shown).tolist() == [7, 33, 400]
    assert np.flatnonzero(view.overlay.disagreeing).tolist() == [7]
    assert view.overlay.values[33] == pytest.approx(41.0)
    assert "covered, %, from 0 to 100" in view.bar.accessibleDescription()
    assert view.hidden.text() == "2 of 426 parcels partly covered, 1 missing"


def test_that_a_gap_is_never_rounded_away() -> None:
    assert [share_text(v) for v in (1.0, 0.999, 0.5, 0.4999, 0.0)] == [
        "100 %", "99 %", "50 %", "50 %, below half", "missing",
    ]  # fmt: skip


# motion and carpet -------------------------------------------------------------------


def test_that_limits_come_from_the_case_and_the_count_is_in_words(check: Any) -> None:
    from app.gui.widgets.frame_limits import limit_text

    view = view_of(check, MotionView)
    opened = view.session.case
    assert opened is not None
    assert flag_limits(opened.case) == {"framewise_displacement": 0.5, "std_dvars": 1.5}
    assert opened.case.provenance is not None
    told = {**opened.case.provenance.parameters, "flag_fd_power_mm": 0.2}
    strict = replace(opened.case, provenance=replace(opened.case.provenance, parameters=told))
    assert flag_limits(strict)["framewise_displacement"] == 0.2
    values = np.array([np.nan, 0.1, 0.21, 0.2, 3.0])
    assert limit_text(values, 0.2, "mm") == "limit 0.2 mm: 2 of 5 over"
    assert limit_text(values, 1.5, "") == "limit 1.5: 1 of 5 over"


def test_that_a_click_on_the_carpet_selects_its_frame_and_keys_go_to_flagged_ones(
    check: Any, window: MainWindow, qtbot: Any
) -> None:
    view = view_of(check, MotionView)
    box = view._plots[-1].getViewBox()
    scene = box.mapViewToScene(QPointF(77.0, 100.0))
    at = view.graphics.mapFromScene(scene)
    qtbot.mouseClick(
        view.graphics.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(at.x(), at.y())
    )
    assert window.session.frame == 77
    assert all(cursor.value() == 77 for cursor in view._marks.cursors)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    view.setFocus()
    qtbot.keyClick(view, Key.Key_Period, Qt.KeyboardModifier.ShiftModifier)
    assert window.session.frame == 120
    assert "flagged: not used" in view.read_out.full_text()
    qtbot.keyClick(view, Key.Key_Comma, Qt.KeyboardModifier.ShiftModifier)
    assert window.session.frame == 41
    qtbot.keyClick(view, Key.Key_Comma)
    assert window.session.frame == 40
    qtbot.keyClick(view, Key.Key_B)
    assert window.session.state.plots.carpet_share == 0.0


def test_that_networks_and_the_selected_parcel_are_named_at_the_carpet(
    check: Any, window: MainWindow
) -> None:
    view = view_of(check, MotionView)
    opened = window.session.case
    assert opened is not None
    assert opened.case.signals is not None
    for short in ("VIS", "SOM", "DMN", "THA"):
        assert short in view.networks.text()
    window.session.select_parcel(211)
    assert view._row_line is not None
    row = int(view._row_line.value())
    assert opened.view.carpet_rows is not None
    assert opened.view.carpet_rows[row] == 211


# gates and record --------------------------------------------------------------------


def test_that_informing_measures_stand_apart_and_the_table_is_named(
    check: Any, window: MainWindow, case_folders: dict[str, Path]
) -> None:
    read = OpenCase.read(case_folders["result"])
    assert read.case.quality is not None
    informing = QualityMetric(
        "global_correlation", "Global correlation (GCOR)", 0.031, "", "informs only",
        "Saad 2013; MRIQC", Verdict.PASS,
    )  # fmt: skip
    quality = replace(read.case.quality, informing=(informing,))
    window.session.show_case(replace(read, case=replace(read.case, quality=quality)))
    view = view_of(check, GatesView)
    judged = len(quality.metrics)
    assert view.table.rowCount() == judged + 2
    assert view.table.item(judged, 0).text() == INFORMING_TITLE
    assert view.table.item(judged + 1, 1).text() == "0.0310"
    assert view.table.item(judged + 1, 2).text() == "informs"
    assert view.verdict.text() == "Overall: Attention  ·  table 1"


def test_that_the_route_is_told_with_both_scores() -> None:
    case = sample_case(Outcome.RESULT)
    assert case.provenance is not None
    assert route_text(case) == "not recorded"

    def with_told(**told: object) -> Any:
        assert case.provenance is not None
        parameters = {**case.provenance.parameters, "preprocessing": told}
        return replace(case, provenance=replace(case.provenance, parameters=parameters))

    direct = with_told(registration_route="direct", registration_route_scores={"direct": 0.61})
    assert route_text(direct) == "EPI to template"
    both = with_told(
        registration_route="t1", registration_route_scores={"direct": 0.612, "t1": 0.655}
    )
    assert route_text(both).startswith("through the T1 image; kept as the better of both")
    assert "EPI to template 0.612, through the T1 image 0.655" in route_text(both)
    elsewhere = replace(case, scan=replace(case.scan, space="MNI152NLin6Asym"))
    assert route_text(elsewhere) == "derivatives: the run already lies in MNI152NLin6Asym"
    series = replace(case, scan=replace(case.scan, space=PARCEL_SPACE))
    assert route_text(series) == "parcel series: no image was opened"
    rows = dict(record_rows(with_told(override_reason="pilot", slice_timing_reference_s=None)))
    assert rows["Verdict overruled"] == "in research mode: pilot"
    assert rows["Slice timing"] == "not corrected"
    assert "Interpolation" not in rows  # not recorded, so not claimed


def test_that_the_record_lists_every_finding_and_can_be_copied(check: Any, qtbot: Any) -> None:
    from PySide6.QtWidgets import QApplication, QLabel

    view = view_of(check, RecordView)
    check.findChild(QTabWidget).setCurrentWidget(view)
    words = "\n".join(label.text() for label in view.area.findChildren(QLabel))
    assert "Warning: 6 frames were flagged for motion. They are interpolated" in words
    assert "Note: This scan was written by the simulator." in words
    qtbot.mouseClick(view.copy, Qt.MouseButton.LeftButton)
    assert "Repetition time\t2 s, from the sidecar" in QApplication.clipboard().text()
    QApplication.clipboard().clear()


# overruling --------------------------------------------------------------------------


@pytest.fixture
def withheld(window: MainWindow, case_folders: dict[str, Path], tmp_path: Path) -> MainWindow:
    """A withheld case on the Check page whose scan was analysed in this session."""
    window.actions_.open_path(case_folders["withheld"])
    window.show_step("check")
    scan = tmp_path / "scan.nii.gz"
    scan.write_bytes(b"x")
    opened = window.session.case
    assert opened is not None
    window.actions_.requests[opened.case.scan.sha256] = AnalysisRequest(scan, tmp_path / "out")
    return window


def test_that_overruling_is_offered_in_research_mode_only(withheld: MainWindow) -> None:
    view = view_of(withheld.page("check"), GatesView)
    assert not view.override.isVisible()
    withheld.tools.ask_override()
    withheld.tools.overrule("a reason that is long enough")
    assert withheld.findChild(OverrideDialog) is None
    assert not withheld.jobs.running()
    withheld.session.set_research_wanted(True)
    assert view.override.isVisible()
    withheld.session.set_research_wanted(False)
    assert not view.override.isVisible()


def test_that_overruling_needs_a_reason_which_travels_with_the_job(
    withheld: MainWindow, worker: Any, qtbot: Any
) -> None:
    withheld.session.set_research_wanted(True)
    view = view_of(withheld.page("check"), GatesView)
    qtbot.mouseClick(view.override, Qt.MouseButton.LeftButton)
    dialog = withheld.findChild(OverrideDialog)
    assert dialog is not None
    assert "Mean framewise displacement (Power): 0.710 mm" in dialog.failed.text()
    assert not dialog.compute.isEnabled()
    qtbot.keyClicks(dialog.reason, "   a  b   ")
    assert not dialog.compute.isEnabled()
    dialog.reason.clear()
    qtbot.keyClicks(dialog.reason, "pilot of the  motion correction")
    qtbot.mouseClick(dialog.compute, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(worker.jobs), timeout=5000)
    text = json.dumps(worker.jobs[0].arguments)
    assert '"override_reason": "pilot of the motion correction"' in text
    assert '"research": true' in text
    opened = withheld.session.case
    assert opened is not None
    assert opened.case.participant.uuid in text
    assert opened.case.quality is not None
    assert opened.case.quality.verdict is Verdict.WITHHELD
    withheld.actions_.cancel_all()


def test_that_a_case_opened_from_disk_asks_for_its_scan(withheld: MainWindow) -> None:
    withheld.session.set_research_wanted(True)
    withheld.actions_.requests.clear()
    withheld.tools.overrule("a reason that is long enough")
    assert withheld.errors.isVisible()
    assert "a case does not keep it" in withheld.errors.message.text()
    assert not withheld.jobs.running()


def test_that_an_overruled_case_is_logged_before_it_is_shown_and_has_no_pdf(
    withheld: MainWindow, worker: Any, tmp_path: Path, qtbot: Any
) -> None:
    case = sample_case(Outcome.RESULT)
    other = sample_case(Outcome.WITHHELD)
    assert case.prediction is not None
    assert case.provenance is not None
    told = {**case.provenance.parameters, "override_reason": "pilot of a method"}
    case = replace(
        case,
        quality=other.quality,
        prediction=replace(case.prediction, research_only=True),
        provenance=replace(case.provenance, parameters=told),
    )
    folder = write_case(case, tmp_path / "done", files=sample_view_files(), replace=True)
    shown: list[bool] = []

    def answer(job: Any, on_event: Callable[[Any], None]) -> dict[str, Any]:
        from app.worker.protocol import JobAnnouncement

        on_event(JobAnnouncement(job.job_id, "case_updated", {"case_folder": str(folder)}))
        return {"case_folder": str(folder)}

    worker.answers["analyse"] = answer
    withheld.session.set_research_wanted(True)
    withheld.session.case_changed.connect(lambda: shown.append(True))
    withheld.tools.overrule("pilot of a method")
    qtbot.waitUntil(lambda: bool(shown), timeout=5000)
    assert len(shown) == 1  # not at the announcement, only when it was logged
    with open_index() as index:
        assert [entry.folder for entry in index.recent_cases()] == [folder.absolute()]
        assert index.participant_of_scan(case.scan.sha256) == case.participant.uuid
    from app.gui.views import SummaryView

    summary = view_of(withheld.page("report"), SummaryView)
    assert not summary.export.isEnabled()
    assert "No participant summary" in summary.state.text()
    gates = view_of(withheld.page("check"), GatesView)
    assert "overruled in research mode" in gates.verdict.text()
    assert not gates.override.isVisible()


def test_that_new_controls_are_named_for_a_screen_reader(check: Any) -> None:
    for kind in (RegistrationView, CoverageView, RecordView, GatesView, MotionView):
        view = view_of(check, kind)
        for box in view.findChildren(QComboBox):
            assert box.accessibleName()
        for button in view.findChildren(QPushButton):
            assert button.accessibleName() or button.text()


def test_that_a_case_without_signals_says_so(
    check: Any, window: MainWindow, tmp_path: Path
) -> None:
    folder = make_sample_case(tmp_path, Outcome.RESULT)
    read = OpenCase.read(folder)
    bare = replace(read.case, signals=None, motion=None, quality=None)
    window.session.show_case(replace(read, case=bare))
    assert view_of(check, CoverageView).count.text() == "This part of the case was not computed."
    assert "not computed" in view_of(check, GatesView).verdict.text()


def test_that_volumes_are_counted_in_the_file_as_in_the_pdf(
    check: Any, window: MainWindow, qtbot: Any
) -> None:
    view = view_of(check, MotionView)
    opened = window.session.case
    assert opened is not None
    signals = replace(opened.case.signals, first_frame=4)  # type: ignore[type-var]
    window.session.show_case(replace(opened, case=replace(opened.case, signals=signals)))
    time_s = 14 * signals.repetition_time_s  # type: ignore[union-attr]
    assert view.frame_text(10).startswith(f"volume 14 in the file (first = 0)  ·  {time_s:.1f} s")
    axis = view._plots[-1].getAxis("bottom")
    step, places = axis.tickValues(0.0, 100.0, 400.0)[0]
    assert step == 20
    assert places == [16.0, 36.0, 56.0, 76.0, 96.0]
    assert axis.tickStrings(places, 1.0, step) == ["20", "40", "60", "80", "100"]
    assert axis.labelText.startswith("Volume in the file")


def test_that_notes_stand_among_the_findings(check: Any, window: MainWindow) -> None:
    from app.core.results import Finding, Severity

    opened = window.session.case
    assert opened is not None
    note = Finding("scan.x", Severity.NOTE, "A note of the scan.")
    warning = Finding("scan.y", Severity.WARNING, "A warning of the scan.")
    for findings, words in (
        ((note, warning), "Warning: A warning of the scan.  Note: A note of the scan."),
        ((note,), "No warnings.  Note: A note of the scan."),
        ((), "No warnings."),
    ):
        window.session.show_case(replace(opened, case=replace(opened.case, findings=findings)))
        assert view_of(check, GatesView).findings.full_text() == words


def test_that_the_region_panel_names_log_odds_only_where_it_holds_them(
    window: MainWindow, case_folders: dict[str, Path]
) -> None:
    from app.gui.session import OpenCase
    from app.gui.views import RegionsView

    view = view_of(window.page("explain"), RegionsView)
    for name, title in (("result", "Regions by (b), log-odds"), ("withheld", "Regions")):
        window.session.show_case(OpenCase.read(case_folders[name]))
        assert view.title_label.text() == view.accessibleName() == title
