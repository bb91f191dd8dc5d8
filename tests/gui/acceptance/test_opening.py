"""What is dropped on the window: scans, series, runs, and what is none of these."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QPushButton, QWidget

from app.gui.dialogs.picker import PickerDialog
from app.gui.main_window.window import MainWindow
from app.gui.views import HeaderView, IntakeView, SlicesView
from app.gui.widgets.plane import edge_letters
from tests import dicom_files as dicom
from tests.gui.acceptance.conftest import end
from tests.unit.analysis.conftest import make_run
from tests.unit.scans.nifti_files import write

LEFT = Qt.MouseButton.LeftButton
LONG_MS = 120_000
Start = Callable[[], MainWindow]


def drop(target: QWidget, *paths: Path) -> None:
    """Drag files over a widget and let go; Qt looks for who takes them, from there upwards."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    middle = target.rect().center()
    copy, none = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    over = QDragEnterEvent(middle, copy, mime, LEFT, none)
    taker: QWidget | None = target
    while taker is not None:
        if taker.acceptDrops():
            over.ignore()
            QApplication.sendEvent(taker, over)
            if over.isAccepted():
                break
        taker = taker.parentWidget()
    assert taker is not None, "nobody takes the files"
    event = QDropEvent(middle.toPointF(), copy, mime, LEFT, none, QEvent.Type.Drop)
    QApplication.sendEvent(taker, event)


def opened(window: MainWindow, path: Path, qtbot: Any) -> None:
    """Wait until a scan shows its header and its volumes."""

    def there() -> bool:
        preview = window.session.preview
        return preview is not None and preview.path == path and preview.volume is not None

    qtbot.waitUntil(lambda: there() or window.errors.isVisible(), timeout=LONG_MS)
    assert window.errors.isHidden(), window.errors.message.text()
    qtbot.waitUntil(lambda: not window.jobs.running(), timeout=LONG_MS)


def picker(window: MainWindow, qtbot: Any) -> PickerDialog:
    """The table of series or runs that a folder asks with."""

    def shown() -> list[PickerDialog]:
        return [one for one in window.findChildren(PickerDialog) if one.isVisible()]

    qtbot.waitUntil(lambda: bool(shown()), timeout=LONG_MS)
    return shown()[0]


def click_row(dialog: PickerDialog, row: int, qtbot: Any) -> None:
    at = dialog.table.visualItemRect(dialog.table.item(row, 1)).center()
    qtbot.mouseClick(dialog.table.viewport(), LEFT, pos=at)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


# row 1 -----------------------------------------------------------------------------------------


def test_that_what_is_dropped_opens_or_is_refused_and_is_recent_after_a_restart(
    real: Start, tmp_path: Path, qtbot: Any
) -> None:
    """Row 1: scan and DICOM folder open, text is refused in one sentence; both are recent."""
    window = real()
    scan = write(tmp_path / "sub-03_task-rest_bold.nii.gz")
    drop(window, scan)
    opened(window, scan, qtbot)
    protocol = dicom.oblique(frames=20, slices=4)
    folder = dicom.save(dicom.mosaic(protocol, dicom.truth_voxels(protocol)), tmp_path / "dicom")
    # Over a field that takes typed text, too: a path must never become a pseudonym.
    form = window.page("load").findChildren(IntakeView)[0]
    before = form.label.text()
    drop(form.label, folder)
    opened(window, folder, qtbot)
    assert form.label.text() in (before, "", "sub-unnamed")
    (tmp_path / "notes.txt").write_text("words")
    drop(window.stack.currentWidget(), tmp_path / "notes.txt")
    assert window.errors.isVisible()
    assert window.errors.message.text() == "This kind of file cannot be opened."
    assert window.session.preview is not None
    assert window.session.preview.path == folder
    end(window, qtbot)

    again = real()
    buttons = {button.text(): button for button in again.start.findChildren(QPushButton)}
    assert buttons[scan.name].isEnabled()
    assert buttons["dicom"].isEnabled()
    again.menus.fill_recent()
    assert [a.text() for a in again.menus.recent.actions()][:2] == ["dicom", scan.name]
    qtbot.mouseClick(buttons[scan.name], LEFT)
    opened(again, scan, qtbot)


def test_that_files_dropped_on_any_field_open_and_leave_no_path_in_it(
    window: MainWindow, case_folders: dict[str, Path]
) -> None:
    """Row 1: dropping works anywhere; no field takes a path for words."""
    window.actions_.open_path(case_folders["result"])
    for step in ("load", "check", "predict", "explain", "report", "cohort"):
        window.show_step(step)
        for field in window.page(step).findChildren(QWidget):
            if not field.isVisible() or not field.acceptDrops():
                continue
            mime = QMimeData()
            mime.setUrls([QUrl.fromLocalFile("/data/Mustermann.nii")])
            event = QDragEnterEvent(
                QPoint(2, 2), Qt.DropAction.CopyAction, mime, LEFT, Qt.KeyboardModifier.NoModifier
            )
            event.ignore()
            QApplication.sendEvent(field, event)
            assert not event.isAccepted(), (step, field)
    assert window.page("load").findChildren(QLineEdit)


# row 2 -----------------------------------------------------------------------------------------


def test_that_one_of_three_series_opens_in_4d_and_its_source_stays_untouched(
    real: Start, tmp_path: Path, qtbot: Any
) -> None:
    """Row 2: the chosen series opens with the TR of its DICOM header; no file was changed."""
    place = tmp_path / "study"
    rest = dicom.oblique(frames=20, slices=4)
    scout = dicom.Protocol(
        frames=1, slices=3, number=1, series=dicom.ROOT + "1.1", description="localizer",
        sequence="fl2d1",
    )  # fmt: skip
    head = dicom.Protocol(
        frames=1, slices=9, number=3, series=dicom.ROOT + "1.3", description="t1_mprage",
        sequence="tfl3d1",
    )  # fmt: skip
    dicom.save(dicom.mosaic(rest, dicom.truth_voxels(rest)), place / "a")
    dicom.save(dicom.classic(scout, dicom.truth_voxels(scout)), place / "b")
    dicom.save(dicom.classic(head, dicom.truth_voxels(head)), place / "c")
    before = hashes(place)
    window = real()
    drop(window, place)
    dialog = picker(window, qtbot)
    kinds = [dialog.table.item(row, 2).text() for row in range(dialog.table.rowCount())]
    assert len(kinds) == 3
    assert kinds.count("rest") == 1
    click_row(dialog, kinds.index("rest"), qtbot)
    qtbot.mouseClick(dialog.open_button, LEFT)
    opened(window, place, qtbot)
    preview, volumes = window.session.preview, window.session.volumes
    assert preview is not None
    assert volumes is not None
    assert preview.scan.repetition_time_s == rest.repetition_time_s
    (header,) = window.page("load").findChildren(HeaderView)
    assert dict(header.rows())["Repetition time"] == "2.1 s (from the DICOM header)"
    assert volumes.count == 20
    (slices,) = window.page("load").findChildren(SlicesView)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    canvas = slices.stage.canvases["axial"]
    canvas.setFocus()
    qtbot.waitUntil(canvas.hasFocus)
    for _ in range(3):
        qtbot.keyClick(canvas, Qt.Key.Key_Period)
    assert "vol 3 (first = 0)" in slices.read_out.full_text()
    assert slices.stage.content is not None
    np.testing.assert_allclose(slices.stage.content.volume, volumes.volume(3))
    assert hashes(place) == before


# row 3 -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one person after fMRIPrep."""
    root = tmp_path_factory.mktemp("derivatives") / "fmriprep"
    root.mkdir()
    (root / "dataset_description.json").write_text(json.dumps({
        "Name": "made", "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.2.0"}],
    }))  # fmt: skip
    for run in (1, 2):
        make_run(root, run, frames=40)
    return root


def displacement(table: Path) -> Any:
    header, *lines = table.read_text().splitlines()
    column = header.split("\t").index("framewise_displacement")
    cells = [line.split("\t")[column] for line in lines]
    return np.array([np.nan if cell == "n/a" else float(cell) for cell in cells])


def test_that_each_run_gets_its_own_confounds_and_a_missing_table_is_asked_for(
    real: Start, two_runs: Path, qtbot: Any
) -> None:
    """Row 3: two runs, each with its own table; without one, that run asks and the other opens."""
    window = real()
    tables = [next(two_runs.rglob(f"*run-{n}_desc-confounds*.tsv")) for n in (1, 2)]
    for row, table in enumerate(tables):
        drop(window, two_runs)
        dialog = picker(window, qtbot)
        assert dialog.table.rowCount() == 2
        click_row(dialog, row, qtbot)
        assert not dialog.confounds.isVisible()
        qtbot.mouseClick(dialog.open_button, LEFT)
        qtbot.waitUntil(lambda: window.session.preview is not None, timeout=LONG_MS)
        qtbot.waitUntil(lambda: not window.jobs.running(), timeout=LONG_MS)
        (form,) = window.page("load").findChildren(IntakeView)
        qtbot.mouseClick(form.run, LEFT)
        qtbot.waitUntil(lambda: not window.jobs.running(), timeout=LONG_MS)
        assert window.session.case is not None
        signals = window.session.case.case.signals
        assert signals is not None
        used = np.asarray(signals.confounds["framewise_displacement"])
        np.testing.assert_allclose(used, displacement(table)[signals.first_frame :])
    tables[1].rename(tables[1].with_suffix(".away"))
    try:
        drop(window, two_runs)
        dialog = picker(window, qtbot)
        click_row(dialog, 1, qtbot)
        assert dialog.confounds.isVisible()
        assert "choose one" in dialog.question.text()
        assert not dialog.open_button.isEnabled()
        click_row(dialog, 0, qtbot)
        assert not dialog.confounds.isVisible()
        qtbot.mouseClick(dialog.open_button, LEFT)
        qtbot.waitUntil(lambda: window.session.preview is not None, timeout=LONG_MS)
        assert "run-1" in window.session.preview.path.name  # type: ignore[union-attr]
    finally:
        tables[1].with_suffix(".away").rename(tables[1])


# row 4 -----------------------------------------------------------------------------------------


def test_that_a_bright_left_half_lies_beside_l_on_screen_and_in_the_picture(
    real: Start, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 4: stored from right to left, the bright left half lies beside L in both conventions."""
    stored = np.full((20, 22, 16, 20), 60, np.int16)
    stored[10:] = 900  # the first axis runs to the left
    stored[..., ::2] += 1  # a signal that never changes is refused
    affine = np.diag([-8.0, 8.0, 8.0, 1.0])
    affine[:3, 3] = [76.0, -84.0, -60.0]
    image = nibabel.Nifti1Image(stored, affine)
    image.set_sform(affine, 1)
    image.header.set_zooms((8.0, 8.0, 8.0, 2.0))
    image.header.set_xyzt_units("mm", "sec")
    scan = tmp_path / "sub-01_task-rest_bold.nii.gz"
    nibabel.save(image, scan)
    window = real()
    drop(window, scan)
    opened(window, scan, qtbot)
    (view,) = window.page("load").findChildren(SlicesView)
    for word in ("radiological", "neurological"):
        window.menus.actions[f"view.{word}"].trigger()
        target = tmp_path / f"{word}.png"
        monkeypatch.setattr(
            QFileDialog, "getSaveFileName", lambda *_a, target=target, **_k: (str(target), "")
        )
        view.picture_asked.emit()
        picture = QImage(str(target))
        scale = picture.width() / view.width()
        for name in ("axial", "coronal"):
            canvas = view.stage.canvases[name]
            assert canvas.content is not None
            letters = edge_letters(canvas.plane, canvas.content.affine)
            screen = canvas.grab().toImage()
            corner = canvas.mapTo(view, QPoint(0, 0))
            for shot, at, factor in ((screen, QPoint(0, 0), 1.0), (picture, corner, scale)):
                bright = {
                    side: shot.pixelColor(
                        round((at.x() + x * canvas.width()) * factor),
                        round((at.y() + 0.4 * canvas.height()) * factor),
                    ).lightness()
                    for side, x in (("left", 0.35), ("right", 0.65))
                }
                brighter = max(bright, key=lambda side: bright[side])
                assert abs(bright["left"] - bright["right"]) > 60
                assert letters[brighter] == "L", (word, name)
