"""A case folder whose files are no longer what was written: told once, never drawn as its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import StorageError
from app.gui.main_window.window import MainWindow
from app.gui.session import OpenCase
from app.gui.views import MatrixView, SlicesView, SurfaceView
from app.study.case_store import nameless, read_case, update_case
from tests.gui.conftest import FakeWorker
from tests.live_case import view_of

MAP = "sub-demo_ses-1_task-rest_space-MNI_desc-attribution.nii.gz"


@pytest.fixture
def folder(case_folders: dict[str, Path], tmp_path: Path) -> Path:
    """A case of its own, with a map for other programs and a summary."""
    place = shutil.copytree(case_folders["result"], tmp_path / case_folders["result"].name)
    case = read_case(place)
    return update_case(place, case, {MAP: b"a map", f"{case.stem()}_desc-summary.pdf": b"%PDF"})


def told(window: MainWindow) -> str:
    assert window.errors.isVisible()
    assert window.errors.error is not None
    assert window.errors.error.code == "study.altered"
    return f"{window.errors.message.text()} {window.errors.hint.text()}"


def test_that_a_whole_case_opens_without_a_word(window: MainWindow, folder: Path) -> None:
    window.actions_.open_path(folder)
    assert window.session.case is not None
    assert not window.errors.isVisible()


@pytest.mark.parametrize("change", ["changed", "missing"])
def test_that_an_altered_map_for_other_programs_is_told_and_the_case_opens(
    window: MainWindow, folder: Path, change: str
) -> None:
    if change == "changed":
        (folder / MAP).write_bytes(b"another map")
    else:
        (folder / MAP).unlink()
    window.actions_.open_path(folder)
    assert window.session.case is not None
    assert not window.session.case.altered  # nothing that is drawn
    words = told(window)
    assert "1 file is not what this program wrote" in words
    assert f"{change.capitalize()}: task-rest_space-MNI_desc-attribution.nii.gz" in words
    assert "demo" not in words
    assert "demo" not in window.errors.report()


def test_that_what_rests_on_an_altered_file_is_not_drawn_and_the_rest_is(
    window: MainWindow, folder: Path, qtbot: object
) -> None:
    labels = np.load(folder / "view" / "labels.npy")
    np.save(folder / "view" / "labels.npy", np.where(labels == 3, 7, labels).astype(np.int16))
    (folder / "view" / "surface.npz").unlink()
    window.actions_.open_path(folder)
    opened = window.session.case
    assert opened is not None
    assert opened.view.labels is None
    assert opened.parcel_centre_mm(3) is None
    words = told(window)
    assert "Changed: view/labels.npy" in words
    assert "missing: view/surface.npz" in words
    slices = view_of(window, "explain", SlicesView, qtbot)
    assert slices.volume() is not None  # the template is whole
    surface = view_of(window, "explain", SurfaceView, qtbot)
    assert "Not drawn: its file" in surface.empty_reason()
    matrix = view_of(window, "explain", MatrixView, qtbot)
    assert matrix.canvas.content is not None


def test_that_a_file_that_was_put_beside_the_others_is_not_drawn(folder: Path) -> None:
    assert OpenCase.read(folder).view.native_mask is not None
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["view/native_mask.npy"]  # nobody knows what it should be
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert OpenCase.read(folder).view.native_mask is None


def test_that_altered_numbers_are_refused(window: MainWindow, folder: Path) -> None:
    (folder / "arrays.npz").write_bytes(b"other numbers")
    window.actions_.open_path(folder)
    assert window.session.case is None
    assert isinstance(window.errors.error, StorageError)


def test_that_an_altered_summary_is_never_handed_on(
    window: MainWindow, folder: Path, worker: FakeWorker, tmp_path: Path, qtbot: object
) -> None:
    window.actions_.open_path(folder)
    opened = window.session.case
    assert opened is not None
    window.actions_.export_summary(tmp_path / "first.pdf")
    assert (tmp_path / "first.pdf").read_bytes() == b"%PDF"
    opened.summary_pdf.write_bytes(b"%PDF with another number")
    worker.answers["report"] = lambda job, _tell: {"summary": job.arguments["out"]}
    with qtbot.waitSignal(window.jobs.finished, timeout=5000):  # type: ignore[attr-defined]
        window.actions_.export_summary(tmp_path / "second.pdf")
    assert [job.name for job in worker.jobs] == ["report"]  # it is written anew from the case
    assert not (tmp_path / "second.pdf").exists()


def test_that_files_for_other_programs_are_looked_at_while_the_case_is_shown(
    window: MainWindow, folder: Path, qtbot: object
) -> None:
    (folder / MAP).write_bytes(b"another map")
    window.actions_.reader.inline = False
    window.actions_.open_path(folder)
    qtbot.waitUntil(lambda: window.session.case is not None, timeout=5000)  # type: ignore[attr-defined]
    qtbot.waitUntil(window.errors.isVisible, timeout=5000)  # type: ignore[attr-defined]
    assert "attribution.nii.gz" in told(window)


def test_that_a_name_without_labels_keeps_the_rest() -> None:
    assert nameless("reports/sub-Anna_ses-2_desc-summary_version-01.pdf") == (
        "reports/desc-summary_version-01.pdf"
    )
    assert nameless("view/labels.npy") == "view/labels.npy"
