"""The window as a person uses it: open, select, switch, drop, close."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication, QLabel, QMessageBox, QWidget

from app.core import wording
from app.core.resources import project_root
from app.core.results import Outcome
from app.core.settings import load_settings, recent_files
from app.gui.main_window.window import MainWindow
from app.gui.views import (
    CardView,
    MatrixView,
    RegionsView,
    SlicesView,
    SurfaceView,
    TimeSeriesView,
)
from app.gui.widgets.step_bar import STEPS
from app.gui.widgets.view import ElidedLabel, View


def drop(window: MainWindow, *paths: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(200, 200),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
        QEvent.Type.Drop,
    )
    window.dropEvent(event)


def all_words(root: QWidget) -> str:
    """Everything that can be read, hovered, heard or copied below a widget."""
    words: list[str] = []
    for widget in [root, *root.findChildren(QWidget)]:
        words += [widget.toolTip(), widget.accessibleName(), widget.accessibleDescription()]
        if isinstance(widget, ElidedLabel):
            words.append(widget.full_text())
        if isinstance(widget, QLabel):
            words.append(widget.text())
    for view in root.findChildren(RegionsView):
        proxy = view.proxy
        for row in range(proxy.rowCount()):
            words += [str(proxy.index(row, c).data()) for c in range(proxy.columnCount())]
    return "\n".join(words)


def test_that_a_dropped_case_opens_at_the_prediction(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    drop(window, case_folders["result"])
    assert window.session.case is not None
    assert window.steps.buttons["predict"].isChecked()
    text = all_words(window.page("predict"))
    for words in (
        "71 %",
        "95 % interval 58 to 82 %",
        "base rate 42",
        "44 %",
        "pre-registered",
        "conformal set, 90 % level",
        "compatible with a response, and unusual without one. Not a verdict",
    ):
        assert words in text
    assert recent_files()[0] == case_folders["result"]


def test_that_a_text_file_is_refused_in_one_sentence(window: MainWindow, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    drop(window, path)
    assert window.errors.isVisible()
    assert window.errors.message.text() == "This kind of file cannot be opened."
    assert window.errors.hint.text()
    assert window.session.case is None


def test_that_a_broken_case_leaves_the_open_one(
    window: MainWindow, case_folders: dict[str, Path], tmp_path: Path
) -> None:
    window.actions_.open_path(case_folders["result"])
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "case.json").write_text("{")
    window.actions_.open_path(broken)
    assert window.errors.isVisible()
    assert window.session.case is not None


def test_that_selecting_a_parcel_selects_it_everywhere_within_100_ms(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    page = window.page("explain")
    qtbot.wait(300)
    matrix, regions = page.findChild(MatrixView), page.findChild(RegionsView)
    slices, series = page.findChild(SlicesView), page.findChild(TimeSeriesView)
    surface = page.findChild(SurfaceView)
    assert matrix is not None
    assert regions is not None
    assert slices is not None
    assert series is not None
    assert surface is not None
    assert surface.canvas.scene is not None
    window.session.select_parcel(3)
    QApplication.processEvents()
    elapsed = []  # CPU time of the window's thread, so that a busy machine does not matter
    for parcel in (50, 200, 300, 7, 120):
        began = time.thread_time()
        matrix.canvas.clicked.emit(parcel, 90)
        QApplication.processEvents()
        elapsed.append(time.thread_time() - began)
        name = window.session.case.case.signals.parcel_names[parcel]  # type: ignore[union-attr]
        assert window.session.edge == (parcel, 90)
        assert regions.proxy.mapToSource(regions.table.currentIndex()).row() == parcel
        assert slices.stage.content is not None
        assert slices.stage.content.selected == parcel
        assert name.replace("_", " ") in series.parcel_label.full_text()
        assert name[:-2].replace("_", " ") in slices.region.full_text()
        assert matrix.canvas.selected == parcel
    assert sorted(elapsed)[len(elapsed) // 2] < 0.1


def test_that_a_click_on_the_surface_selects_a_left_parcel_from_the_left(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    surface = window.page("explain").findChild(SurfaceView)
    assert surface is not None
    qtbot.wait(200)
    for view, side in (("Left", "L"), ("Right", "R")):
        surface.look_from(view)
        qtbot.wait(100)
        qtbot.mouseClick(
            surface.canvas, Qt.MouseButton.LeftButton, pos=surface.canvas.rect().center()
        )
        signals = window.session.case.case.signals  # type: ignore[union-attr]
        assert signals is not None
        assert window.session.parcel is not None
        assert signals.hemispheres[window.session.parcel] == side


def test_that_a_withheld_number_is_nowhere(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    for key, _ in STEPS:
        window.show_step(key)
    window.actions_.open_path(case_folders["withheld"])
    for key, _ in STEPS:
        window.show_step(key)
        qtbot.wait(20)
    text = all_words(window)
    card = all_words(window.page("predict").findChild(CardView))  # type: ignore[arg-type]
    assert "Withheld" in text
    assert "Mean framewise displacement is 0.71 mm" in text
    for number in (
        "71 %",
        "0.7100",
        "44 %",
        "interval",
        "log-odds)",
        "58 to 82",
        "+0.9",
        "onformal",
    ):
        assert number not in text.replace("0.710 mm", "")
    assert "%" not in card.replace("At least 30 % less", "")
    assert QApplication.clipboard().text() == "" or "71" not in QApplication.clipboard().text()


def test_that_an_inconclusive_case_names_no_class(
    window: MainWindow, case_folders: dict[str, Path]
) -> None:
    window.actions_.open_path(case_folders["inconclusive"])
    text = all_words(window.page("predict"))
    assert "Inconclusive" in text
    assert "no class is named" in text
    assert "52 %" in text


@pytest.mark.parametrize("outcome", [outcome.value for outcome in Outcome])
def test_that_every_view_carries_the_stamp_and_the_strip_stays(
    window: MainWindow, case_folders: dict[str, Path], outcome: str
) -> None:
    window.actions_.open_path(case_folders[outcome])
    assert wording.RUO_LINE in window.strip.text()
    assert wording.SIMULATED_STAMP in window.strip.text()
    for key, _ in STEPS:
        window.show_step(key)
        for view in window.page(key).findChildren(View):
            assert wording.SIMULATED_STAMP in view.stamp_label.full_text(), view.name


def test_that_the_convention_word_stands_in_every_slice_view(
    window: MainWindow, case_folders: dict[str, Path]
) -> None:
    window.actions_.open_path(case_folders["result"])
    for word, key in (("Neurological", "neurological"), ("Radiological", "radiological")):
        window.actions_.set_convention(key)
        assert window.banner.isVisible()
        assert word in window.banner.text()
        for step in ("load", "check", "explain"):
            window.show_step(step)
            for view in window.page(step).findChildren(SlicesView):
                assert view.stage.content is not None
                assert view.stage.content.convention_word == word
                assert word in view.stamp_label.full_text()
    assert load_settings()[0].radiological


def test_that_the_theme_switches_live_and_canvases_stay_black(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    slices = window.page("explain").findChild(SlicesView)
    assert slices is not None
    for theme, dark in (("light", False), ("dark", True), ("light", False)):
        window.actions_.set_theme(theme)
        qtbot.wait(20)
        assert (window.palette().window().color().lightness() < 128) == dark
        canvas = slices.stage.canvases["axial"]
        corner = canvas.grab().toImage().pixelColor(2, canvas.height() // 4)
        assert corner.lightness() < 10
    assert load_settings()[0].theme == "light"


def test_that_a_scan_is_inspected_and_cancel_works(
    window: MainWindow, worker: Any, tmp_path: Path, qtbot: Any
) -> None:
    path = tmp_path / "sub-01_task-rest_bold.nii.gz"
    path.write_bytes(b"x")
    drop(window, path)
    qtbot.waitUntil(lambda: bool(worker.jobs), timeout=2000)
    assert worker.jobs[0].name == "inspect"
    assert window.progress.isVisible()
    assert window.steps.buttons["load"].state == "running"
    with qtbot.waitSignal(window.jobs.finished, timeout=2000):
        window.progress.cancel.click()
    assert not window.progress.isVisible()
    assert window.steps.buttons["load"].state == "idle"
    assert not window.errors.isVisible()


def test_that_closing_with_work_running_asks(
    window: MainWindow, worker: Any, tmp_path: Path, qtbot: Any
) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(b"x")
    window.actions_.open_path(path)
    qtbot.waitUntil(lambda: bool(worker.jobs), timeout=2000)
    window.close()
    box = window.findChild(QMessageBox)
    assert box is not None
    assert window.isVisible()
    box.escapeButton().click()
    assert window.isVisible()
    window.close()
    boxes = [b for b in window.findChildren(QMessageBox) if b.isVisible()]
    next(b for b in boxes[-1].buttons() if b is not boxes[-1].escapeButton()).click()
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=3000)
    assert worker.closed


def test_that_a_missing_recent_file_is_greyed(
    window: MainWindow, case_folders: dict[str, Path], tmp_path: Path
) -> None:
    from app.core.settings import remember_file

    remember_file(tmp_path / "gone.nii.gz")
    window.actions_.open_path(case_folders["result"])
    window.menus.fill_recent()
    entries = {action.text(): action.isEnabled() for action in window.menus.recent.actions()}
    assert entries["gone.nii.gz (missing)"] is False
    assert entries[f"Case {case_folders['result'].name}"] is True
    window.clear_recent()
    assert recent_files() == ()


def test_that_a_picture_carries_words_and_stamps(
    window: MainWindow, case_folders: dict[str, Path], tmp_path: Path, qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    qtbot.wait(200)
    for view in window.visible_views():
        target = tmp_path / f"{view.name}.png"
        assert view.save_picture(target)
        assert target.stat().st_size > 2000
        assert wording.RUO_LINE not in view.stamp_label.full_text()


def test_that_every_control_has_an_accessible_name(
    window: MainWindow, case_folders: dict[str, Path]
) -> None:
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QSlider

    window.actions_.open_path(case_folders["result"])
    for key, _ in STEPS:
        window.show_step(key)
    for kind in (QComboBox, QSlider, QAbstractButton, QLineEdit):
        for widget in window.findChildren(kind):
            # Qt's own corner and clear buttons belong to the control around them.
            owners = ("QTableView", "QLineEdit", "QComboBox")
            if any(widget.parent().inherits(owner) for owner in owners):
                continue
            if widget.objectName().startswith("qt_"):
                continue
            assert widget.accessibleName() or getattr(widget, "text", str)(), widget


def test_that_the_window_opens_without_the_heavy_packages() -> None:
    script = (
        "import sys\n"
        "from app.gui.application import make_application, make_window\n"
        "from app.core.settings import Settings\n"
        "from app.gui.messages import Messages\n"
        "a = make_application()\n"
        "w = make_window(lambda: None, Settings(), Messages())\n"
        "w.show(); a.processEvents()\n"
        "assert not {'pyqtgraph', 'app.gui.views'} & set(sys.modules)  # after the first paint\n"
        "import app.gui.main_window.pages\n"
        "heavy = {'torch', 'nilearn', 'ants', 'matplotlib', 'vtkmodules', 'pyvista', 'captum',"
        " 'sklearn', 'numba', 'scipy', 'pandas', 'nibabel'}\n"
        "found = sorted(heavy & set(sys.modules))\n"
        "w.close()\n"
        "sys.exit(', '.join(found) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project_root(), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
