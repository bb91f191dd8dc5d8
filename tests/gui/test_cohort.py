"""The Cohort workspace with a worker that answers from a table: rows, undo, queue, filters."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt

from app.cohort.rows import CohortRow, plain_row
from app.core.settings import Settings
from app.gui.cohort.folder_dialog import proposed_results
from app.gui.cohort.sheet import thumbnail
from app.gui.cohort.table import COLUMNS, SCORE, score_words
from app.gui.main_window.window import MainWindow
from app.worker.protocol import Binding, Job, JobAnnouncement
from tests.gui.conftest import FakeWorker

NAMES = ("sub-01", "sub-02", "sub-03", "sub-04")


def _row(name: str, **more: Any) -> CohortRow:
    return CohortRow(key=name, participant=name, source=f"{name}/func/x.nii.gz", **more)


def _rows() -> list[CohortRow]:
    scored = {"outcome": "result", "probability": 0.61, "interval_low": 0.4, "interval_high": 0.8,
              "base_rate": 0.44, "case_id": "c1", "quality": "pass", "mean_fd_mm": 0.2,
              "novelty_percentile": 40.0, "responder_definition": "D", "drug": "X",
              "simulated": True}  # fmt: skip
    return [
        _row("sub-01", site="A", sex="F", **scored),
        _row("sub-02", site="B", outcome="withheld", reason="Withheld: too much motion",
             case_id="c2", quality="withheld", mean_fd_mm=0.9),
        _row("sub-03", site="A", outcome="failed", reason="The file is cut off.", code="x"),
        _row("sub-04", site="B"),
    ]  # fmt: skip


def _listing(rows: list[CohortRow]) -> Callable[[Job, Callable[[Any], None]], dict[str, Any]]:
    def answer(job: Job, on_event: Callable[[Any], None]) -> dict[str, Any]:
        text = json.dumps([plain_row(row) for row in rows])
        on_event(JobAnnouncement(Binding.of(job), "cohort_rows", {"rows": text}))
        return {"count": len(rows), "findings": ["A column is odd."], "units": {}}

    return answer


@pytest.fixture
def opened(window: MainWindow, worker: FakeWorker, qtbot: Any, tmp_path: Path) -> MainWindow:
    worker.answers["cohort_list"] = _listing(_rows())
    window.show_step("cohort")
    window.cohort.page().open_folder(tmp_path / "bids", tmp_path / "out")
    qtbot.waitUntil(lambda: len(window.cohort.state.rows) == len(NAMES), timeout=5000)
    qtbot.waitUntil(lambda: not window.cohort.work.running, timeout=5000)
    return window


def _cell(window: MainWindow, row: int, title: str) -> str:
    column = next(n for n, c in enumerate(COLUMNS) if c.title == title)
    return str(window.cohort.page().participants.filter.index(row, column).data())


def test_that_each_row_has_a_score_or_its_reason(opened: MainWindow) -> None:
    scores = [_cell(opened, row, SCORE) for row in range(4)]
    assert scores == ["0.61 (0.40–0.80)", "withheld: too much motion",
                      "failed: The file is cut off.", "–"]  # fmt: skip
    assert _cell(opened, 0, "Outcome") == "sealed until a plan is locked"
    assert opened.cohort.page().findings.text() == "A column is odd."
    assert "base rate 0.44, responder: D" in opened.cohort.page().participants.counts.text()
    assert "SIMULATED" in opened.strip.text()
    opened.show_step("load")
    assert "SIMULATED" not in opened.strip.text()


def test_that_a_withheld_row_never_shows_a_number() -> None:
    row = _row("sub-09", outcome="withheld", reason="Withheld: motion", interval_low=None)
    assert not any(character.isdigit() for character in score_words(row))


def test_that_rows_sort_by_value_and_filter_by_words_and_state(opened: MainWindow) -> None:
    tab = opened.cohort.page().participants
    column = next(n for n, c in enumerate(COLUMNS) if c.title == "FD mm")
    tab.view.sortByColumn(column, Qt.SortOrder.AscendingOrder)
    assert tab.shown_keys()[:2] == ("sub-01", "sub-02")  # unknown last
    tab.search.setText("b motion")
    assert tab.shown_keys() == ("sub-02",)
    tab.search.clear()
    tab.filter.show_only("failed")
    assert tab.shown_keys() == ("sub-03",)
    tab.filter.show_only("all")
    assert len(tab.shown_keys()) == 4


def test_that_exclusion_is_undone_by_the_windows_undo(opened: MainWindow) -> None:
    state, tab = opened.cohort.state, opened.cohort.page().participants
    index = tab.filter.index(0, 0)
    assert tab.filter.setData(index, Qt.CheckState.Unchecked.value, Qt.ItemDataRole.CheckStateRole)
    tab.view.selectRow(1)
    tab.exclude.click()
    assert state.excluded == {"sub-01", "sub-02"}
    assert [row.key for row in state.included()] == ["sub-03", "sub-04"]
    undo = opened.menus.actions["edit.undo"]
    assert undo.isEnabled()
    undo.trigger()
    assert state.excluded == {"sub-01"}
    undo.trigger()
    assert state.excluded == frozenset()
    opened.menus.actions["edit.redo"].trigger()
    assert state.excluded == {"sub-01"}
    assert "false" in tab.export_text().splitlines()[2]
    opened.show_step("predict")  # another page has an undo of its own
    assert not opened.menus.actions["edit.undo"].isEnabled()


def test_that_the_queue_runs_what_is_included_and_can_be_stopped(
    opened: MainWindow, worker: FakeWorker, qtbot: Any
) -> None:
    page, state = opened.cohort.page(), opened.cohort.state
    state.exclude(["sub-02"])
    assert page.run.text() == "Go on with 1"
    page.run.click()
    qtbot.waitUntil(lambda: worker.jobs[-1].name == "cohort_run", timeout=5000)
    assert worker.jobs[-1].arguments["keys"] == ["sub-01", "sub-03", "sub-04"]
    assert not page.run.isEnabled()
    assert page.progress.isVisible()
    assert opened.steps.buttons["cohort"].state == "running"
    page.progress.cancel.click()
    qtbot.waitUntil(lambda: not opened.cohort.work.running, timeout=5000)
    assert page.run.isEnabled()
    assert state.rows["sub-01"].probability == 0.61  # what was done is kept


def test_that_rows_come_in_while_the_queue_runs(
    opened: MainWindow, worker: FakeWorker, qtbot: Any
) -> None:
    new = replace(_rows()[3], outcome="withheld", reason="Withheld: short", case_id="c4")

    def run(job: Job, on_event: Callable[[Any], None]) -> dict[str, Any]:
        facts = {"rows": json.dumps([plain_row(new)])}
        on_event(JobAnnouncement(Binding.of(job), "cohort_rows", facts))
        return {"outcomes": {"withheld": 1}}

    worker.answers["cohort_run"] = run
    opened.cohort.page().run_included()
    qtbot.waitUntil(lambda: not opened.cohort.work.running, timeout=5000)
    assert _cell(opened, 3, SCORE) == "withheld: short"
    assert opened.cohort.state.left() == ()


def test_that_opening_a_row_opens_its_participant(
    opened: MainWindow, case_folders: dict[str, Path]
) -> None:
    folder = case_folders["result"]
    state = opened.cohort.state
    state.out_dir = folder.parent.parent
    target = state.out_dir / "cases"
    if not target.exists():
        target.symlink_to(folder.parent)
    state.put_rows([replace(_rows()[0], case_id=folder.name)])
    tab = opened.cohort.page().participants
    tab.view.selectRow(2)
    tab.open_selected()  # failed: there is nothing to open
    assert opened.session.case is None
    tab.view.selectRow(0)
    tab.open_selected()
    assert opened.session.case is not None
    assert opened.session.case.case.case_id == folder.name


def test_that_clinic_mode_hides_the_workspace(opened: MainWindow) -> None:
    assert opened.steps.buttons["cohort"].isVisible()
    opened.actions_.settings = Settings(clinic_mode=True)
    opened.cohort.follow_settings()
    assert not opened.steps.buttons["cohort"].isVisible()
    assert opened.step == "load"
    opened.show_step("cohort")
    assert opened.step == "load"


def test_that_results_are_proposed_outside_the_data(tmp_path: Path) -> None:
    raw = tmp_path / "study"
    raw.mkdir()
    (raw / "participants.tsv").write_text("participant_id\n")
    assert proposed_results(raw) == raw / "derivatives" / "neuroresponder"
    derived = raw / "derivatives" / "fmriprep"
    assert proposed_results(derived) == derived.with_name("fmriprep-neuroresponder")
    root = Path(tmp_path.anchor)  # on the way to every typed path
    assert proposed_results(root) == root / "derivatives" / "neuroresponder"


def test_that_the_contact_sheet_shows_a_carpet_for_each_analysed_row(
    opened: MainWindow, tmp_path: Path
) -> None:
    page, state = opened.cohort.page(), opened.cohort.state
    page.sheet.rows.reader.inline = True
    for case_id in ("c1", "c2"):
        (tmp_path / "out" / "cases" / case_id / "view").mkdir(parents=True)
    carpet = np.zeros((5, 7), np.float32)
    carpet[:, 3] = 9.0  # one frame of motion
    np.save(tmp_path / "out" / "cases" / "c1" / "view" / "carpet_before.npy", carpet)
    page.tabs.setCurrentWidget(page.sheet)
    rows = page.sheet.rows
    names = [str(rows.index(number).data()) for number in range(rows.rowCount())]
    assert names == ["sub-01, FD 0.20 mm", "sub-02, FD 0.90 mm"]
    for number in range(2):
        rows.index(number).data(Qt.ItemDataRole.DecorationRole)
    assert set(rows._icons) == {"sub-01", "sub-02"}  # grey where there is no carpet
    picture = thumbnail(tmp_path / "out" / "cases" / "c1" / "view" / "carpet_before.npy")
    assert picture.shape == (96, 200)
    assert picture[:, 100].min() == 255  # frame 3 of 7
    assert picture[:, 10].max() < 140
    assert state.case_folder("sub-04") is None


def _idle(window: MainWindow, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: not window.cohort.work.running, timeout=5000)


def test_that_outcomes_are_sealed_until_their_plan_is_locked(
    opened: MainWindow, worker: FakeWorker, qtbot: Any, tmp_path: Path
) -> None:
    page, state = opened.cohort.page(), opened.cohort.state
    plan = tmp_path / "plan.toml"
    plan.write_text("")
    words = {"sub-01": ["responder: 7 to 4.2 (\N{MINUS SIGN}40 %)", "NRS fall >= 30 %"],
             "sub-02": ["unknown", "NRS fall >= 30 %"]}  # fmt: skip
    worker.answers["cohort_outcomes"] = lambda _job, _event: {"locked": "a", "outcomes": words}
    page.learning.plan.setText(str(plan))
    _idle(opened, qtbot)
    assert [job.name for job in worker.jobs] == ["cohort_list"]  # no lock: nobody looks
    assert _cell(opened, 0, "Outcome") == "sealed until a plan is locked"
    assert "measured_outcome" not in page.participants.export_text()
    tooltip = page.participants.filter.index(0, 4).data(Qt.ItemDataRole.ToolTipRole)
    assert "can be bent" in tooltip
    lock = tmp_path / "out" / "evaluations" / "plan" / "plan.lock.json"
    lock.parent.mkdir(parents=True)
    lock.write_text("{}")
    page.learning._plan_changed()
    qtbot.waitUntil(lambda: bool(state.outcomes), timeout=5000)
    asked = worker.jobs[-1].arguments
    assert asked["people"][0] == ["sub-01", "sub-01", ""]
    assert asked["table"] == str(tmp_path / "bids" / "participants.tsv")
    assert _cell(opened, 0, "Outcome").startswith("responder: 7")
    assert _cell(opened, 0, "Definition") == "NRS fall >= 30 %"
    assert "unknown\tNRS fall >= 30 %" in page.participants.export_text()
    page.participants.search.setText("responder 40")
    assert page.participants.shown_keys() == ("sub-01",)
    page.participants.search.clear()
    _idle(opened, qtbot)
    page.learning.plan.setText(str(tmp_path / "other.toml"))  # not there: sealed again
    assert _cell(opened, 0, "Outcome") == "sealed until a plan is locked"


def test_that_the_queue_asks_the_chosen_model_and_a_trained_one_is_a_click_away(
    opened: MainWindow, worker: FakeWorker, qtbot: Any, tmp_path: Path
) -> None:
    page, state = opened.cohort.page(), opened.cohort.state
    assert _cell(opened, 3, "Model") == "next run: simulated-demo"
    state.put_rows([replace(_rows()[0], model="simulated-demo")])
    worker.answers["bundle_import"] = lambda job, _event: {"imported": "my-model"}
    archive = str(tmp_path / "m.nrmodel")
    page.learning.show_answer(
        {"evaluation": str(tmp_path / "none.json"), "bundle": "b", "shows_numbers": True,
         "archive": archive}
    )  # fmt: skip
    assert not page.learning.take.isHidden()
    assert state.model_id == "simulated-demo"  # nothing is installed unasked
    page.learning.take.click()
    qtbot.waitUntil(lambda: state.model_id == "my-model", timeout=5000)
    _idle(opened, qtbot)
    assert worker.jobs[-1].arguments["source"] == archive
    assert [page.model.itemText(n) for n in range(page.model.count())] == [
        "simulated-demo", "my-model",
    ]  # fmt: skip
    assert page.model.currentText() == "my-model"
    assert _cell(opened, 3, "Model") == "next run: my-model"
    assert _cell(opened, 0, "Model") == "simulated-demo"  # that gave the score
    assert set(state.left()) == {"sub-01", "sub-04"}  # the scored row is asked again
    page.run.click()
    qtbot.waitUntil(lambda: worker.jobs[-1].name == "cohort_run", timeout=5000)
    assert worker.jobs[-1].arguments["model_id"] == "my-model"
    page.progress.cancel.click()
    _idle(opened, qtbot)
    page.model.setCurrentIndex(0)
    page.model.activated.emit(0)
    assert state.model_id == "simulated-demo"


def test_that_summaries_are_asked_of_the_selection_or_of_all_that_count(
    opened: MainWindow, worker: FakeWorker, qtbot: Any, tmp_path: Path
) -> None:
    page, state = opened.cohort.page(), opened.cohort.state
    said: list[str] = []
    opened.cohort.work.said.connect(said.append)
    worker.answers["cohort_reports"] = lambda _job, _event: {"written": 1, "refused": []}
    state.exclude(["sub-02"])
    keys = page.participants.selected() or tuple(row.key for row in state.included())
    opened.cohort.work.write_reports(keys, tmp_path / "pdf")
    _idle(opened, qtbot)
    cases = worker.jobs[-1].arguments["cases"]
    assert [key for key, _ in cases] == ["sub-01"]  # the others have no case, or do not count
    assert cases[0][1] == str(tmp_path / "out" / "cases" / "c1")
    assert said == ["1 summary was written."]
