"""What a tester tries: card, withheld number, two explanations, health, reproducible report."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from app.core.errors import CancelledError
from app.core.explanation_wording import frames_map, health_estimate
from app.core.parcel_places import parcel_places_mm
from app.core.progress import Progress, ProgressEvent
from app.core.results import Outcome
from app.gui.connections import shown_connections
from app.gui.main_window.states import step_states
from app.gui.main_window.window import MainWindow
from app.gui.session import OpenCase
from app.gui.views import (
    CardView,
    HealthView,
    PreviewView,
    RegionsView,
    SensitivityView,
    SummaryView,
)
from app.gui.widgets.explanation_caption import ExplanationCaption
from app.gui.widgets.overlay import current_overlay
from app.gui.widgets.score_axis import ScoreAxis
from app.gui.widgets.variant_strip import VariantStrip
from app.reporting.files import read_view
from app.reporting.ranking import top_connections, top_regions
from app.reporting.report import write_summary
from app.study.case_store import nameless, read_case
from app.worker.jobs import report
from app.worker.protocol import Job
from app.worker.report_jobs import REPORT_JOBS
from tests.gui.conftest import FakeWorker
from tests.sample_case import make_sample_case


def find(window: MainWindow, step: str, kind: type[Any]) -> Any:
    window.show_step(step)
    found = window.page(step).findChildren(kind)
    assert found
    return found[0]


def words_of(widget: QWidget) -> str:
    """Every text, tooltip, accessible name and description below a widget."""
    found = []
    for one in [widget, *widget.findChildren(QWidget)]:
        text = getattr(one, "text", None)
        found += [one.toolTip(), one.accessibleName(), one.accessibleDescription(), one.statusTip()]
        if callable(text):
            found.append(str(text()))
    return " ".join(found)


# --- 1: the card -------------------------------------------------------------------------------


def test_that_the_essentials_of_the_card_are_read_without_scrolling(
    judged: MainWindow, qtbot: Any
) -> None:
    judged.resize(1280, 720)
    card = find(judged, "predict", CardView)
    qtbot.wait(50)
    view = card.area.viewport()
    assert (judged.width(), judged.height()) == (1280, 720)

    def in_sight(part: QWidget) -> bool:
        top = part.mapTo(view, part.rect().topLeft()).y()
        bottom = part.mapTo(view, part.rect().bottomLeft()).y()
        return part.isVisible() and top >= 0 and bottom <= view.height()

    inside = card.area.widget()
    labels = [label for label in inside.findChildren(QLabel) if in_sight(label)]
    seen = " ".join(label.text() for label in labels)
    for needed in (
        "71 %",  # probability
        "95 % interval 58 to 82 %",
        "Cut-off 50 % (pre-registered)",
        "base rate 42 of 100",
        "At least 30 % less simulated pain after 8 simulated weeks",
        "44 %",  # covariates only
        "No control-arm model",
    ):
        assert needed in seen, needed
    axes = inside.findChildren(ScoreAxis)
    assert len(axes) == 2
    assert all(in_sight(axis) for axis in axes)
    assert axes[0].height() == axes[1].height()  # same scale, same size


# --- 2: withheld is nowhere --------------------------------------------------------------------


def test_that_a_withheld_case_offers_and_shows_no_explanation(
    window: MainWindow, worker: FakeWorker, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_case(case_folders["withheld"])
    health = find(window, "explain", HealthView)
    strip = find(window, "explain", SensitivityView)
    assert not health.compute.isEnabled()
    assert not strip.compute.isEnabled()
    assert health.as_table() is None
    assert strip.as_table() is None
    window.reports.explain(health=True, sensitivity=True)
    assert [job for job in worker.jobs if job.name == "explain"] == []
    for view in (health, strip):
        assert re.search(r"[+−]?\d", words_of(view)) is None  # not a digit
    folder = case_folders["withheld"]
    record = json.loads((folder / "case.json").read_text())
    assert record["sensitivity"] is record["explanation_health"] is None


# --- 5: frames and the series map --------------------------------------------------------------


def test_that_selected_frames_redraw_the_series_map_and_nothing_else(judged: MainWindow) -> None:
    session = judged.session
    opened = session.case
    assert opened is not None
    assert opened.attribution is not None
    session.set_display(overlay="series")
    whole = current_overlay(session)
    told: list[str] = []
    session.display_changed.connect(lambda: told.append("redraw"))
    session.select_frames(60, 40)
    assert told == ["redraw"]  # slices and surface draw anew
    judged.show_step("explain")
    caption = judged.page("explain").findChild(ExplanationCaption)
    assert caption is not None
    assert "Time series only, frames 44 to 64 (first = 0)" in caption.words.text()
    part = current_overlay(session)
    assert whole is not None
    assert part is not None
    np.testing.assert_array_equal(part.values, frames_map(opened.attribution.branches, 40, 60))
    assert not np.array_equal(part.values, whole.values)
    assert "volumes 44 to 64 (first = 0)" in part.title  # four frames were left out before
    session.set_display(overlay="scan")
    scan = current_overlay(session)
    assert scan is not None
    np.testing.assert_array_equal(scan.values, opened.attribution.scan.per_parcel)
    assert "Time series only" not in caption.words.text()


def test_that_frames_add_up_to_the_whole_series_map(judged: MainWindow) -> None:
    opened = judged.session.case
    assert opened is not None
    assert opened.attribution is not None
    branch = opened.attribution.branches
    last = branch.per_parcel_frame.shape[1] - 1
    parts = frames_map(branch, 0, 99) + frames_map(branch, 100, last)
    np.testing.assert_allclose(parts, frames_map(branch, 0, last))
    with pytest.raises(ValueError, match="frames 5 to"):
        frames_map(branch, 5, last + 1)


# --- 6: health ---------------------------------------------------------------------------------


def test_that_another_baseline_brings_its_own_figures_and_undo_brings_them_back(
    judged: MainWindow, qtbot: Any
) -> None:
    view = find(judged, "explain", HealthView)
    before = view.figures.text()
    assert view.baseline_box.count() == 3
    view.baseline_box.setCurrentIndex(2)
    view.baseline_box.activated.emit(2)
    assert view.figures.text() != before
    assert "agreement with the answer's own map" in view.figures.text()
    assert judged.session.state.explain.baseline == 2
    judged.session.history.stack.undo()
    assert view.figures.text() == before
    assert view.baseline_box.currentIndex() == 0


def test_that_the_report_cuts_each_region_where_the_window_goes(
    judged: MainWindow, judged_folder: Path
) -> None:
    opened, view = judged.session.case, read_view(judged_folder)
    assert opened is not None
    assert view.labels is not None
    assert view.affine is not None
    places = parcel_places_mm(view.labels, view.affine)
    assert len(places) == 427
    for parcel, place in enumerate(places[1:]):
        there = opened.parcel_centre_mm(parcel)
        assert there == (None if np.isnan(place[0]) else pytest.approx(tuple(place)))


def test_that_unstable_parcels_are_hatched_and_leave_the_lists(judged: MainWindow) -> None:
    session = judged.session
    opened = session.case
    assert opened is not None
    assert opened.health is not None
    assert opened.attribution is not None
    assert opened.case.signals is not None
    unstable = opened.health.unstable
    assert 0 < int(unstable.sum()) < unstable.size
    overlay = current_overlay(session)
    assert overlay is not None
    assert overlay.disagreeing[unstable].all()
    regions = find(judged, "explain", RegionsView)

    def first(count: int) -> list[int]:
        rows = [regions.proxy.index(row, 0) for row in range(count)]
        return [regions.proxy.mapToSource(row).row() for row in rows]

    hatched = opened.hatched
    assert hatched is not None
    assert hatched.sum() > unstable.sum()  # the methods disagree in some stable ones
    ranked = int((~hatched).sum())
    assert not hatched[first(ranked)].any()
    assert regions.regions.data(regions.regions.index(int(np.flatnonzero(hatched)[0]), 0)) == "–"
    report = top_regions(opened.attribution, opened.case.signals, ranked + 9, opened.health)
    assert [row.parcel for row in report] == first(len(report))  # screen and paper: one rule
    session.set_display(matrix="scan")
    shown = shown_connections(session)
    assert shown is not None
    assert shown.unstable is not None
    assert not shown.unstable.any()
    assert shown.opposite is not None
    assert not shown.opposite.any()
    paper = top_connections(opened.attribution, opened.case.signals, None, 9, opened.health)
    names = opened.case.signals.parcel_names
    assert [(row.first, row.second) for row in paper] == [
        (names[i], names[j]) for i, j in shown.edges.pairs()[:9]
    ]
    session.change("Unstable regions in the lists", "explain", show_unstable=True)
    again = shown_connections(session)
    assert again is not None
    assert again.unstable is not None
    assert len(again.edges) >= len(shown.edges)


def test_that_the_button_asks_the_worker_and_the_answer_fills_the_page(
    window: MainWindow,
    worker: FakeWorker,
    case_folders: dict[str, Path],
    judged_folder: Path,
    qtbot: Any,
) -> None:
    def answer(job: Job, tell: Callable[[Any], None]) -> dict[str, Any]:
        from app.worker.protocol import Binding, JobAnnouncement

        facts = {"case_folder": str(judged_folder)}
        tell(JobAnnouncement(Binding.of(job), "case_updated", facts))
        return facts

    worker.answers["explain"] = answer
    window.actions_.open_case(case_folders["result"])
    view = find(window, "explain", HealthView)
    assert "not computed yet" in words_of(view)
    qtbot.mouseClick(view.compute, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: view.work.isHidden(), timeout=5000)
    (job,) = [one for one in worker.jobs if one.name == "explain"]
    assert job.arguments["health"] is True
    assert job.arguments["sensitivity"] is False
    assert "Token orders (2)" in words_of(view)
    assert window.step == "explain"  # the page that asked stays


def test_that_health_says_how_long_it_takes_shows_how_far_it_is_and_can_be_cancelled(
    window: MainWindow, worker: FakeWorker, case_folders: dict[str, Path], qtbot: Any
) -> None:
    told: list[Callable[[Any], None]] = []

    def answer(job: Job, tell: Callable[[Any], None]) -> dict[str, Any]:
        told.append(tell)
        assert worker._event(job.job_id).wait(20)
        raise CancelledError("health")

    worker.answers["explain"] = answer
    window.actions_.open_case(case_folders["result"])
    view = find(window, "explain", HealthView)
    opened = window.session.case
    assert opened is not None
    assert opened.case.provenance is not None
    maps = opened.case.provenance.stage_seconds.get("explain", 0.0)
    assert view.work.told.full_text() == health_estimate({"explain": maps} if maps else {})
    assert health_estimate({}) == "Takes some minutes."
    assert health_estimate({"explain": 30.0}) == (
        "About 50 s: the maps took 30 s where the case was made."
    )
    assert "About 3 min" in health_estimate({"explain": 110.0})
    qtbot.mouseClick(view.compute, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(told))
    (job,) = [one for one in worker.jobs if one.name == "explain"]
    assert not view.compute.isEnabled()
    qtbot.mouseClick(view.compute, Qt.MouseButton.LeftButton)  # nothing is begun twice
    window.jobs.progressed.emit(
        job.job_id, ProgressEvent("health", 0, 2, 0.4, "token orders: 1", 60.0, 90.0)
    )
    assert view.work.bar.value() == 400
    assert view.work.told.full_text() == "40 %, about 2 min left, token orders: 1"
    window.progress.seconds_elapsed = 3.0
    qtbot.mouseClick(view.work.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(view.compute.isEnabled, timeout=5000)
    assert view.work.cancel.isHidden()
    assert len([one for one in worker.jobs if one.name == "explain"]) == 1


def test_that_the_strip_shows_each_variant_and_says_that_it_is_no_answer(
    judged: MainWindow,
) -> None:
    view = find(judged, "explain", SensitivityView)
    (strip,) = view.area.widget().findChildren(VariantStrip)
    opened = judged.session.case
    assert opened is not None
    assert opened.sensitivity is not None
    assert len(strip._rows) == 1 + len(opened.sensitivity.computed)
    words = words_of(view)
    assert "a variant is no answer" in words
    assert "On the other side: global signal regressed out" in words
    table = view.as_table()
    assert table is not None
    assert len(table.rows) == 1 + len(opened.sensitivity.variants)


# --- 12 and 15: the report ---------------------------------------------------------------------


def real_reports(worker: FakeWorker) -> None:
    """Let the jobs on reports be done by the real functions."""
    for name, work in REPORT_JOBS.items():
        worker.answers[name] = lambda job, _tell, work=work: work(job.arguments, Progress())


@pytest.fixture
def small_folder(tmp_path: Path) -> Path:
    """A case that a report of is written quickly: nothing but the answer and its quality."""
    return make_sample_case(tmp_path / "cases", Outcome.WITHHELD)


@pytest.fixture(scope="session")
def printed(case_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The withheld case's summary, as somebody got it by post."""
    folder = case_folders["withheld"]
    out = tmp_path_factory.mktemp("post") / "a" / "summary.pdf"
    out.parent.mkdir()
    return write_summary(read_case(folder), folder, out)


def place_beside(pdf: Path, folder: Path, tmp_path: Path) -> tuple[Path, Path]:
    near = tmp_path / "post"
    copied = Path(shutil.copytree(folder, near / folder.name))
    return Path(shutil.copy(pdf, near / "summary.pdf")), copied


def test_that_a_report_opens_its_case_and_altered_data_are_told(
    window: MainWindow,
    worker: FakeWorker,
    printed: Path,
    case_folders: dict[str, Path],
    tmp_path: Path,
    qtbot: Any,
) -> None:
    real_reports(worker)
    pdf, folder = place_beside(printed, case_folders["withheld"], tmp_path)
    window.actions_.open_path(pdf)  # dropped anywhere in the window
    qtbot.waitUntil(lambda: window.session.case is not None, timeout=20000)
    opened = window.session.case
    assert opened is not None
    assert opened.folder == folder
    assert window.errors.isHidden()
    table = next(folder.glob("*_relmat.tsv"))
    table.write_text("changed")
    window.close_case()
    window.reports.open_report(pdf)
    qtbot.waitUntil(lambda: not window.errors.isHidden(), timeout=20000)
    assert "Altered data" in words_of(window.errors)
    assert nameless(table.name) in words_of(window.errors)
    assert "sub-" not in words_of(window.errors)


def test_that_the_preview_shows_the_pages_with_the_comment_and_signing_keeps_a_version(
    window: MainWindow, worker: FakeWorker, small_folder: Path, qtbot: Any
) -> None:
    pytest.importorskip("pypdfium2")
    real_reports(worker)
    window.actions_.open_case(small_folder)
    summary = find(window, "report", SummaryView)
    preview = find(window, "report", PreviewView)
    qtbot.waitUntil(lambda: len(preview.pages) >= 3, timeout=60000)
    assert all(not page.isNull() for page in preview.pages)
    assert not summary.sign.isEnabled()
    qtbot.keyClicks(summary.comment, "Repeat the scan.")
    qtbot.keyClicks(summary.reader, "A. B.")
    assert window.session.state.review.comment == "Repeat the scan."
    qtbot.mouseClick(summary.confirmed, Qt.MouseButton.LeftButton)
    summary.confirmed.setChecked(True)
    assert summary.sign.isEnabled()
    opened = window.session.case
    assert opened is not None
    window.reports.sign(opened.folder, summary.note(), opened.case.scan.sha256)
    qtbot.waitUntil(lambda: "Signed versions: 1" in summary.versions.text(), timeout=60000)
    assert len(list((small_folder / "reports").glob("*_version-01.*"))) == 3
    assert OpenCase.read(small_folder).case.case_id == opened.case.case_id


def test_that_many_cases_are_written_and_each_failure_is_told(
    window: MainWindow,
    worker: FakeWorker,
    case_folders: dict[str, Path],
    tmp_path: Path,
    qtbot: Any,
) -> None:
    real_reports(worker)
    broken = tmp_path / "broken"
    shutil.copytree(case_folders["withheld"], broken)
    window.reports.batch([broken], tmp_path / "out")
    qtbot.waitUntil(lambda: not window.errors.isHidden(), timeout=20000)
    assert "No summary of broken" in words_of(window.errors)


def test_that_an_export_is_what_the_preview_shows(
    window: MainWindow,
    worker: FakeWorker,
    small_folder: Path,
    tmp_path: Path,
    qtbot: Any,
) -> None:
    worker.answers["report"] = lambda job, _on_event: report(job.arguments, Progress())
    window.actions_.open_case(small_folder)
    plain, noted = tmp_path / "plain.pdf", tmp_path / "noted.html"
    if window.session.case is not None and window.session.case.summary_pdf.is_file():
        window.reports.export(plain)  # says the same as the case's own: copied
        assert plain.read_bytes() == window.session.case.summary_pdf.read_bytes()
    window.session.change("Comment of the report", "review", comment="Repeat the scan.")
    window.actions_.set_convention("neurological")
    window.reports.export(noted)
    qtbot.waitUntil(noted.is_file, timeout=60_000)
    text = noted.read_text(encoding="utf-8")
    assert "Repeat the scan." in text
    assert "Neurological" in text
    assert "not signed" in text.lower()


def test_that_a_signed_version_makes_the_report_done(
    window: MainWindow, small_folder: Path
) -> None:
    window.actions_.open_case(small_folder)
    opened = window.session.case
    assert opened is not None
    opened.summary_pdf.unlink(missing_ok=True)
    assert step_states(window.session, frozenset())["report"][0] == "idle"
    folder = opened.folder / "reports"
    folder.mkdir(exist_ok=True)
    (folder / f"{opened.case.stem()}_desc-summary_version-01.pdf").write_bytes(b"%PDF-")
    assert step_states(window.session, frozenset())["report"][0] == "done"
