"""Work that is cancelled, numbers that are withheld, reports that come back."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pypdf import PdfReader
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox, QTableView, QWidget

from app.core import wording
from app.core.folders import data_folder
from app.core.request import AnalysisRequest
from app.core.results import Outcome, Prediction, Verdict
from app.core.settings import Settings
from app.gui.application import make_window
from app.gui.main_window.window import MainWindow
from app.gui.messages import Messages
from app.gui.views import CardView, IntakeView, RegionsView, SlicesView
from app.gui.widgets.step_bar import STEPS
from app.gui.widgets.tables import TableDialog
from app.gui.widgets.view import View
from app.simulation.participant import SimulatedParticipant
from app.study.case_store import read_case
from app.worker.process import Worker
from app.worker.requests import analyse_job
from tests.gui.acceptance.conftest import Start, end, open_scan, run
from tests.live_case import view_of
from tests.participants import simulate_small

LONG_MS = 300_000


# row 15 ----------------------------------------------------------------------------------------


def files_below(*places: Path) -> list[str]:
    return sorted(str(p.relative_to(place)) for place in places for p in place.rglob("*")
                  if p.is_file())  # fmt: skip


def test_that_a_cancelled_analysis_stops_while_scrolling_goes_on_and_leaves_no_file(
    qapp: Any, person: SimulatedParticipant, tmp_path: Path, qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Row 15: preprocessing runs, slices scroll, Escape cancels: no file of the run is left."""
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setenv("TMPDIR", str(private))
    monkeypatch.setenv("NEURORESPONDER_CACHE", str(tmp_path / "cache"))  # nothing is recalled
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    window = make_window(Worker, Settings(theme="dark"), Messages())
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    open_scan(window, person.paths.bold, qtbot)
    before = files_below(private)
    assert before  # the decoded volumes of the scan that is open
    (form,) = window.page("load").findChildren(IntakeView)
    qtbot.mouseClick(form.run, Qt.MouseButton.LeftButton)
    window.show_step("load")
    (slices,) = window.page("load").findChildren(SlicesView)
    canvas = slices.stage.canvases["axial"]
    stages: set[str] = set()

    def worked() -> bool:
        stages.add(window.progress.stage.full_text().split(" (")[0])
        return len(stages - {"Starting", ""}) >= 2

    places = set()
    for turn in range(3000):
        wheel(canvas, 120 if turn % 8 < 4 else -120)
        qtbot.wait(20)
        places.add(canvas.voxel)
        if worked() and len(places) > 3:
            break
    assert len(places) > 3
    assert window.jobs.running()
    canvas.setFocus()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not window.jobs.running(), timeout=10_000)
    assert window.session.case is None
    assert files_below(private) == before
    assert not list((data_folder() / "cases").glob("*"))
    assert window.resume.isVisible()
    assert "Nothing half-written remains" in window.resume.words.text()
    end(window, qtbot)
    assert list(private.iterdir()) == []


def wheel(canvas: QWidget, turned: int) -> None:
    middle = QPointF(canvas.rect().center())
    event = QWheelEvent(
        middle, canvas.mapToGlobal(middle), QPoint(), QPoint(0, turned), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(canvas, event)


# beyond 2 --------------------------------------------------------------------------------------


def everything_said(window: MainWindow) -> str:
    """Whatever can be read, hovered or heard outside tables, and the clipboard."""
    said = [QGuiApplication.clipboard().text()]
    texts = (
        "text", "toPlainText", "full_text", "currentText", "placeholderText", "windowTitle",
        "toolTip", "statusTip", "whatsThis", "accessibleName", "accessibleDescription", "sentence",
    )  # fmt: skip
    for widget in [window, *window.findChildren(QWidget)]:
        said += [str(getattr(widget, name)()) for name in texts if hasattr(widget, name)]
    for action in window.menus.all:
        said += [action.text(), action.toolTip(), action.statusTip()]
    return "\n".join(said)


def every_table(window: MainWindow) -> str:
    """The cells of all tables with what hovers over them, and the table twin of each view."""
    roles = (
        Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole,
        Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.AccessibleDescriptionRole,
    )  # fmt: skip
    cells: list[str] = []
    for table in window.findChildren(QTableView):
        model = table.model()
        cells += [
            str(model.index(row, column).data(role))
            for row in range(model.rowCount())
            for column in range(model.columnCount())
            for role in roles
        ]
    for view in window.findChildren(View):
        found = view.as_table()
        cells += [str(list(row)) for row in found.rows] if found is not None else []
    return "\n".join(cells)


def unpacked(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """A file's bytes and those of everything that is packed in it."""
    yield name, content
    if name.endswith(".gz"):
        yield from unpacked(name.removesuffix(".gz"), gzip.decompress(content))
    elif name.endswith(".npz"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for inner in archive.namelist():
                yield f"{name}!{inner}", archive.read(inner)
    elif name.endswith(".pdf"):
        reader = PdfReader(io.BytesIO(content))
        yield f"{name}!text", "\n".join(page.extract_text() for page in reader.pages).encode()
        for label, copies in reader.attachments.items():
            for copy in copies:
                yield f"{name}!{label}", copy


def spellings(number: float) -> list[bytes]:
    """How a file would hold a number: its digits, and its bytes in an array."""
    digits = {f"{abs(number):.8f}"[:-1], f"{100 * abs(number):.6f}"[:-1]}
    packed = [np.float64(number).tobytes(), np.float32(number).tobytes()]
    return [*(text.encode() for text in sorted(digits)), *packed]


def rounded(number: float) -> list[bytes]:
    """How a text would tell it to a reader; among columns of numbers they come by chance."""
    digits = {f"{abs(number):.4f}", f"{abs(number):.3f}", f"{100 * abs(number):.1f} %"}
    return [text.encode() for text in sorted(digits)]


def numbers_of(found: Prediction) -> list[float]:
    assert found.probability is not None
    assert found.interval is not None
    assert found.log_odds is not None
    assert found.log_odds_windows is not None
    assert found.contributions is not None
    windows = [float(value) for value in np.atleast_1d(found.log_odds_windows)]
    return [found.probability, *found.interval, found.log_odds, *windows,
            *found.contributions.values()]  # fmt: skip


def test_that_a_withheld_number_is_in_no_file_table_tooltip_or_clipboard(
    real: Start, real_worker: Worker, tmp_path: Path, qtbot: Any, isolated_home: Path,
) -> None:  # fmt: skip
    """Beyond 2: with added motion the outcome is withheld, the gate named, the number nowhere."""
    moved = simulate_small(tmp_path / "moved", motion=1.7)
    window = real()
    open_scan(window, moved.paths.bold, qtbot)
    run(window, qtbot)
    opened = window.session.case
    assert opened is not None
    case, folder = opened.case, opened.folder
    assert case.prediction is not None
    assert case.quality is not None
    assert case.prediction.outcome is Outcome.WITHHELD
    assert case.prediction.novelty is not None  # how unlike the others it is, is told all the same
    failed = [m for m in case.quality.metrics if m.verdict is Verdict.WITHHELD]
    assert "mean_fd_power_mm" in {metric.name for metric in failed}
    card = window.page("predict").findChildren(CardView)[0]
    words = everything_said(window)
    for metric in failed:
        assert metric.label in words
        assert wording.metric_value(metric) in words
        assert wording.limit_text(metric) in words
    assert "Withheld" in card.sentence()
    for key, _ in STEPS:
        window.show_step(key)
        qtbot.wait(30)
    qtbot.waitUntil(lambda: not window.jobs.running(), timeout=LONG_MS)
    window.menus.actions["view.table"].trigger()
    for view in window.visible_views():
        QGuiApplication.clipboard().setText(view.sentence())
    said, cells = everything_said(window).encode(), every_table(window).encode()
    target = tmp_path / "exported.html"
    window.reports.export(target)
    qtbot.waitUntil(target.is_file, timeout=LONG_MS)
    qtbot.waitUntil(lambda: not window.jobs.running(), timeout=LONG_MS)

    # What would have been the number: in research mode, over the verdict, somewhere else.
    request = AnalysisRequest(
        moved.paths.bold, tmp_path / "research", threads=1, stage_cache=True, research=True,
        override_reason="What would the number be?", attribution=False,
    )  # fmt: skip
    secret = read_case(Path(real_worker.run(analyse_job(request))["case_folder"])).prediction
    assert secret is not None
    numbers = numbers_of(secret)
    exact = [spelling for number in numbers for spelling in spellings(number)]
    told = [spelling for number in numbers for spelling in rounded(number)]
    kept = [path for place in (folder, isolated_home) for path in place.rglob("*")
            if path.is_file()]  # fmt: skip
    assert any(path.suffix == ".pdf" for path in kept)
    found = [
        (name, spelling)
        for path in (*kept, target)
        for name, content in unpacked(path.name, path.read_bytes())
        for spelling in (*exact, *(told if name.endswith((".html", "!text")) else ()))
        if spelling in content
    ]
    assert found == []
    assert [one for one in (*exact, *told) if one in said] == []
    assert [one for one in exact if one in cells] == []
    record = json.loads((folder / "case.json").read_text())
    assert record["probability"] is record["interval"] is None
    for dialog in window.findChildren(TableDialog):
        dialog.close()


def test_that_a_table_goes_with_the_number_and_with_the_participant(
    live: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    """Beyond 2: a table beside the window never outlives what it shows."""
    view_of(live, "explain", RegionsView, qtbot).table_asked.emit()
    assert len(live.findChildren(TableDialog)) == 1
    live.session.change("Leave out", "review", censored=(70, 71))
    qtbot.waitUntil(lambda: live.findChildren(TableDialog) == [])
    view_of(live, "explain", RegionsView, qtbot).table_asked.emit()
    assert "log-odds" not in str(live.findChildren(TableDialog)[0].table.columns)
    live.actions_.open_path(case_folders["withheld"])
    (box,) = (box for box in live.findChildren(QMessageBox) if box.isVisible())
    next(button for button in box.buttons() if button.text() == "Leave").click()
    qtbot.waitUntil(lambda: live.findChildren(TableDialog) == [])


# beyond 12 -------------------------------------------------------------------------------------


def test_that_a_report_in_another_place_gives_the_same_number_from_its_scan(
    real: Start, analysed: Path, person: SimulatedParticipant, tmp_path: Path, qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Beyond 12: report and data carried elsewhere lead to the same number; altered data do not."""
    printed = read_case(analysed)
    assert printed.prediction is not None
    post = tmp_path / "post"
    post.mkdir()
    pdf = Path(shutil.copy(next(analysed.glob("*_desc-summary.pdf")), post / "received.pdf"))
    func = post / "data"
    shutil.copytree(person.paths.bold.parent, func)
    scan = func / person.paths.bold.name
    window = real()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_a, **_k: (str(scan), ""))
    window.actions_.open_path(pdf)
    qtbot.waitUntil(lambda: window.session.case is not None, timeout=LONG_MS)
    qtbot.waitUntil(lambda: not window.jobs.running(), timeout=LONG_MS)
    opened = window.session.case
    assert opened is not None
    assert opened.folder != analysed
    assert opened.case.prediction is not None
    assert opened.case.prediction.probability == pytest.approx(
        printed.prediction.probability, abs=1e-6
    )
    assert opened.case.connectome is not None
    assert printed.connectome is not None
    np.testing.assert_array_equal(opened.case.connectome.matrix, printed.connectome.matrix)
    assert window.errors.isHidden(), window.errors.message.text()
    window.close_case()
    shutil.rmtree(opened.folder)
    stored = bytearray(scan.read_bytes())
    stored[-1] ^= 1
    scan.write_bytes(stored)
    window.actions_.open_path(pdf)
    qtbot.waitUntil(lambda: not window.errors.isHidden(), timeout=LONG_MS)
    assert "not the one of the report" in window.errors.message.text()
    assert window.session.case is None
