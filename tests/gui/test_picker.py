"""Choosing a series or run: what is shown, what can be opened, what is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QDoubleSpinBox

from app.core.errors import ScanError
from app.core.results import PARCEL_SPACE, Finding, Outcome, Severity
from app.gui.dialogs.picker import PickerDialog, cells
from app.gui.main_window.window import MainWindow
from app.gui.views.header import HeaderView
from app.scans.contents import Choice, Contents, SourceKind
from app.worker.requests import Inspection, pack
from tests.gui.conftest import FakeWorker
from tests.gui.test_main_window import all_words, drop
from tests.sample_case import sample_case

REST = Choice("series-2", Path("/data"), SourceKind.DICOM, "rest_bold", "rest", "EPI, 240 volumes",
              5, 240, 2.0, (64, 64, 36), "2024-05-17", "MR")  # fmt: skip
SCOUT = Choice("series-1", Path("/data"), SourceKind.DICOM, "localizer", "localiser", "its name",
               1, obstacle="Not a functional run.")  # fmt: skip
ASKING = Choice("b", Path("/b.nii.gz"), SourceKind.DERIVATIVES, "sub-1_bold", "rest", "a rest",
                3, question="Which?", confounds=(Path("/c1.tsv"), Path("/c2.tsv")))  # fmt: skip
WARNED = Finding("dicom.several_people", Severity.WARNING, "Two people.", "Check.")


def picker(qtbot: Any, *choices: Choice) -> tuple[PickerDialog, list[Any]]:
    chosen: list[Any] = []
    contents = Contents(SourceKind.DICOM, Path("/data"), choices, (WARNED,))
    dialog = PickerDialog(contents, lambda *answer: chosen.append(answer))
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog, chosen


def test_that_the_first_fit_row_is_selected_and_opens(qapp: Any, qtbot: Any) -> None:
    dialog, chosen = picker(qtbot, SCOUT, REST)
    assert dialog.current() == REST
    dialog.open_button.click()
    assert chosen == [(REST, None)]


def test_that_a_row_that_cannot_be_analysed_is_greyed_and_says_why(qapp: Any, qtbot: Any) -> None:
    dialog, chosen = picker(qtbot, SCOUT, REST)
    item = dialog.table.item(0, 1)
    assert item is not None
    assert not item.flags() & Qt.ItemFlag.ItemIsEnabled
    assert item.toolTip() == "Not a functional run."
    dialog.table.clearSelection()
    assert not dialog.open_button.isEnabled()
    dialog.buttons.accepted.emit()
    assert chosen == []
    dialog.reject()


def test_that_a_run_with_a_question_opens_only_after_the_answer(qapp: Any, qtbot: Any) -> None:
    dialog, chosen = picker(qtbot, ASKING)
    assert dialog.confounds.isVisible() and not dialog.open_button.isEnabled()
    dialog.confounds.setCurrentIndex(2)
    dialog.open_button.click()
    assert chosen == [(ASKING, Path("/c2.tsv"))]


def test_that_the_row_holds_what_a_person_needs_to_choose() -> None:
    assert cells(REST) == (
        "5", "rest_bold", "rest", "240", "2", "64 × 64 × 36", "2024-05-17", "", "",
        "EPI, 240 volumes",
    )  # fmt: skip


def serve(worker: FakeWorker, contents: Contents) -> None:
    """A worker that lists these contents and inspects what is chosen."""
    scan = sample_case(Outcome.RESULT).scan
    worker.answers["look"] = lambda _job, _tell: {"contents": pack(contents)}
    worker.answers["inspect"] = lambda _job, _tell: pack(Inspection(scan, (), {"label": "sub-1"}))


def test_that_a_dropped_folder_of_several_series_asks_which(
    window: MainWindow, worker: FakeWorker, tmp_path: Path, qtbot: Any
) -> None:
    folder = tmp_path / "dicom"
    folder.mkdir()
    contents = Contents(SourceKind.DICOM, folder, (SCOUT, replace(REST, path=folder)), ())
    serve(worker, contents)
    drop(window, folder)
    qtbot.waitUntil(lambda: bool(window.findChildren(PickerDialog)))
    dialog = window.findChildren(PickerDialog)[0]
    assert dialog.contents == contents and not [j for j in worker.jobs if j.name == "inspect"]
    dialog.open_button.click()
    qtbot.waitUntil(lambda: window.session.preview is not None)
    asked = next(job for job in worker.jobs if job.name == "inspect")
    assert asked.arguments["series"] == "series-2" and asked.arguments["path"] == str(folder)
    preview = window.session.preview
    assert preview is not None and preview.selection == {"series": "series-2"}
    window.actions_.run_analysis({"participant_label": "sub-1"})
    qtbot.waitUntil(lambda: any(job.name == "analyse" for job in worker.jobs))
    record = next(job for job in worker.jobs if job.name == "analyse").arguments["request"]
    assert record["series"] == "series-2"


def test_that_a_folder_with_one_run_opens_without_asking(
    window: MainWindow, worker: FakeWorker, tmp_path: Path, qtbot: Any
) -> None:
    folder = tmp_path / "dicom"
    folder.mkdir()
    one = Choice("k", folder, SourceKind.DICOM, "rest", "rest", "why", 1, 30)
    serve(worker, Contents(SourceKind.DICOM, folder, (one,), ()))
    drop(window, folder)
    qtbot.waitUntil(lambda: window.session.preview is not None)
    assert not window.findChildren(PickerDialog)


def test_that_several_dropped_slices_open_their_folder(
    window: MainWindow, worker: FakeWorker, tmp_path: Path, qtbot: Any
) -> None:
    one = Choice("k", tmp_path, SourceKind.DICOM, "rest", "rest", "why", 1, 30)
    serve(worker, Contents(SourceKind.DICOM, tmp_path, (one,), ()))
    drop(window, tmp_path / "a.dcm", tmp_path / "b.dcm")
    qtbot.waitUntil(lambda: bool(worker.jobs))
    assert worker.jobs[0].arguments["path"] == str(tmp_path)
    qtbot.waitUntil(lambda: window.session.preview is not None)


@pytest.mark.parametrize("code", ["scan.tr_missing", "dicom.tr_conflict"])
def test_that_a_missing_repetition_time_can_be_stated(
    window: MainWindow, worker: FakeWorker, tmp_path: Path, qtbot: Any, code: str
) -> None:
    path = tmp_path / "run.nii"
    path.write_bytes(b"")
    scan = sample_case(Outcome.RESULT).scan

    def inspect(job: Any, _tell: Any) -> dict[str, Any]:
        if job.arguments["repetition_time_s"] is None:
            raise ScanError("No repetition time.", "State it.", code=code)
        return pack(Inspection(scan, (), {}))

    worker.answers["inspect"] = inspect
    window.actions_.open_path(path)
    qtbot.waitUntil(lambda: bool(window.findChildren(QDoubleSpinBox)))
    spin = window.findChildren(QDoubleSpinBox)[0]
    dialog = spin.parent()
    assert isinstance(dialog, QDialog)
    button = dialog.findChildren(QDialogButtonBox)[0].button(QDialogButtonBox.StandardButton.Open)
    assert not button.isEnabled()
    spin.setValue(2.5)
    button.click()
    qtbot.waitUntil(lambda: window.session.preview is not None)
    assert worker.jobs[-2].arguments["repetition_time_s"] == 2.5


def test_that_parcel_series_say_that_there_is_no_image(
    window: MainWindow, worker: FakeWorker, tmp_path: Path, qtbot: Any
) -> None:
    path = tmp_path / "sub-1_atlas-HCPEx_timeseries.tsv"
    path.write_text("1\n")
    scan = replace(sample_case(Outcome.RESULT).scan, space=PARCEL_SPACE, shape=(426, 1, 1, 240))
    blocking = Finding("series.not_stated", Severity.BLOCKING, "Not stated.", "State it.")
    worker.answers["inspect"] = lambda _job, _tell: pack(Inspection(scan, (blocking,), {}))
    window.actions_.open_path(path)
    qtbot.waitUntil(lambda: window.session.preview is not None)
    assert [job.name for job in worker.jobs] == ["inspect"]
    words = all_words(window.page("load").findChildren(HeaderView)[0])
    assert "426 parcels, 240 frames; no image" in words
    assert "voxels" not in words
    assert "Not stated." in window.steps.buttons["load"].toolTip()
