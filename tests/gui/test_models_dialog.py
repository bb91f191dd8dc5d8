"""The dialog of published models: nothing without consent, nothing that waits."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QFileDialog, QMessageBox, QPushButton, QTableWidget

from app.core.errors import DownloadError
from app.core.progress import ProgressEvent
from app.gui.dialogs.models import ModelsDialog
from app.gui.jobs import Jobs
from app.gui.main_window.window import MainWindow
from app.worker.process import Worker
from app.worker.protocol import Binding, JobProgress
from app.worker.published import CATALOGUE
from tests import hostile_bins as bins

IDS = [entry.id for entry in CATALOGUE]


def states(**changes: Any) -> dict[str, Any]:
    """An answer about all entries; `changes` are those of A424."""
    nothing = {"installed": False, "trouble": "", "partial_bytes": 0, "words": "not installed"}
    return {"states": [{"id": i, **nothing, **(changes if i == "A424" else {})} for i in IDS]}


@pytest.fixture
def dialog(jobs: Jobs, worker: Any, qtbot: Any) -> Iterator[ModelsDialog]:
    worker.answers["models_state"] = lambda _job, _tell: states()
    made = ModelsDialog(jobs)
    made.show_now()
    qtbot.waitUntil(lambda: len(made._states) == len(IDS), timeout=5000)
    made.choose("A424")
    yield made
    made.close()
    jobs.close()
    made.deleteLater()


def asked(worker: Any, name: str) -> list[dict[str, Any]]:
    return [job.arguments for job in worker.jobs if job.name == name]


def state_words(dialog: ModelsDialog, entry_id: str = "A424") -> str:
    item = dialog.table.item(IDS.index(entry_id), 4)
    assert item is not None
    return item.text()


def test_that_every_entry_shows_its_terms_and_who_may_not_use_it(dialog: ModelsDialog) -> None:
    for entry in CATALOGUE:
        dialog.choose(entry.id)
        text = dialog.text.toPlainText()
        for words in (entry.licence.name, entry.licence.address, entry.who_may_not_use_it,
                      entry.source, entry.files[0].url):  # fmt: skip
            assert words in text
        assert ("not commercial" in dialog.accept_box.text()) == entry.licence.non_commercial


def test_that_nothing_starts_before_the_licence_is_accepted(
    dialog: ModelsDialog, worker: Any, qtbot: Any
) -> None:
    for button in (dialog.install_button, dialog.import_button):
        assert not button.isEnabled()
        assert button.toolTip() == "Accept the licence first"
        button.click()
    dialog.accept_box.setChecked(True)
    assert dialog.install_button.isEnabled()
    dialog.choose("old_13M")
    assert not dialog.accept_box.isChecked()  # consent is for one entry
    assert not dialog.install_button.isEnabled()
    assert [job.name for job in worker.jobs] == ["models_state"]


def test_that_an_install_shows_progress_and_then_its_state(
    dialog: ModelsDialog, worker: Any, qtbot: Any
) -> None:
    go_on = threading.Event()

    def install(job: Any, tell: Any) -> dict[str, Any]:
        event = ProgressEvent("Download A424.dat", 2, 4, 0.5, "0.1 MB of 0.2 MB", 1.0, 1.0)
        tell(JobProgress(Binding.of(job), event))
        go_on.wait(10)
        return {"installed": "A424"}

    worker.answers["models_install"] = install
    worker.answers["models_state"] = lambda _job, _tell: states(
        installed=True, words="installed, verified"
    )
    dialog.accept_box.setChecked(True)
    dialog.install_button.click()
    qtbot.waitUntil(lambda: dialog.progress.percent.text() == "50 %", timeout=5000)
    assert dialog.progress.isVisible()
    assert not dialog.install_button.isEnabled()  # one at a time
    assert not dialog.remove_button.isEnabled()
    go_on.set()
    qtbot.waitUntil(lambda: state_words(dialog) == "installed, verified", timeout=5000)
    assert asked(worker, "models_install") == [{"id": "A424", "accepted": True}]
    assert dialog.message.text() == "A424 is installed."
    assert not dialog.progress.isVisible()
    assert dialog.verify_button.isEnabled()
    assert dialog.remove_button.isEnabled()
    assert not dialog.accept_box.isChecked()


def test_that_cancel_keeps_what_has_come_and_offers_to_resume(
    dialog: ModelsDialog, worker: Any, qtbot: Any
) -> None:
    worker.answers["models_state"] = lambda _job, _tell: states(
        partial_bytes=50_000, words="0.1 MB of a download kept"
    )
    dialog.accept_box.setChecked(True)
    dialog.install_button.click()  # the worker runs it until it is cancelled
    qtbot.waitUntil(lambda: bool(asked(worker, "models_install")), timeout=5000)
    dialog.progress.cancel.click()
    qtbot.waitUntil(lambda: "Resume" in dialog.message.text(), timeout=5000)
    qtbot.waitUntil(lambda: dialog.install_button.text() == "Resu&me", timeout=5000)
    assert dialog.remove_button.isEnabled()


def test_that_a_fault_is_told_in_the_dialog(dialog: ModelsDialog, worker: Any, qtbot: Any) -> None:
    def fail(_job: Any, _tell: Any) -> dict[str, Any]:
        raise DownloadError("The connection was cut.", "Start it again.", code="download.cut")

    worker.answers["models_install"] = fail
    dialog.accept_box.setChecked(True)
    dialog.install_button.click()
    qtbot.waitUntil(lambda: dialog.message.isVisible(), timeout=5000)
    assert dialog.message.text() == "The connection was cut. Start it again."
    assert dialog.message.accessibleDescription() == dialog.message.text()
    assert dialog.install_button.isEnabled()


def test_that_files_are_imported_as_the_chosen_entry(
    dialog: ModelsDialog, worker: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.answers["models_import"] = lambda _job, _tell: {"installed": "A424"}
    names = ["/media/usb/A424.dat", "/media/usb/A424+2mm.nii.gz"]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_a, **_k: (names, ""))
    dialog.accept_box.setChecked(True)
    dialog.import_button.click()
    qtbot.waitUntil(lambda: dialog.message.text() == "A424 was imported.", timeout=5000)
    assert asked(worker, "models_import") == [{"paths": names, "id": "A424", "accepted": True}]


def test_that_verify_tells_damage_and_remove_asks_first(
    jobs: Jobs, worker: Any, qtbot: Any
) -> None:
    worker.answers["models_state"] = lambda _job, _tell: states(installed=True, words="installed")
    worker.answers["models_verify"] = lambda _job, _tell: {"troubles": {"A424": "Its file x."}}
    worker.answers["models_remove"] = lambda _job, _tell: {"removed": True}
    dialog = ModelsDialog(jobs)
    dialog.show_now()
    dialog.choose("A424")
    qtbot.waitUntil(dialog.verify_button.isEnabled, timeout=5000)
    dialog.verify_button.click()
    qtbot.waitUntil(lambda: "damaged. Its file x." in dialog.message.text(), timeout=5000)
    qtbot.waitUntil(dialog.remove_button.isEnabled, timeout=5000)
    dialog.remove_button.click()
    (box,) = dialog.findChildren(QMessageBox)
    assert not asked(worker, "models_remove")
    assert box.defaultButton().text() == "Keep"
    next(b for b in box.buttons() if b.text() == "Remove").click()
    qtbot.waitUntil(lambda: dialog.message.text() == "A424 was removed.", timeout=5000)
    assert asked(worker, "models_remove") == [{"id": "A424"}]
    dialog.close()
    jobs.close()
    dialog.deleteLater()


def test_that_everything_is_reached_by_keyboard_and_has_a_name(
    dialog: ModelsDialog, qtbot: Any
) -> None:
    qtbot.waitUntil(dialog.table.hasFocus, timeout=5000)
    row = dialog.table.currentRow()
    qtbot.keyClick(dialog.table, Qt.Key.Key_Up)
    assert dialog.table.currentRow() == row - 1
    dialog.accept_box.setChecked(True)
    for wanted in (
        dialog.text, dialog.accept_box, dialog.install_button, dialog.import_button,
    ):  # fmt: skip
        qtbot.keyClick(dialog.focusWidget(), Qt.Key.Key_Tab)
        assert dialog.focusWidget() is wanted
    for one in (*dialog.findChildren(QPushButton), *dialog.findChildren(QCheckBox)):
        assert one.text()
    for table in dialog.findChildren(QTableWidget):
        assert table.accessibleName()
    assert dialog.text.accessibleName()


def test_that_the_menu_opens_the_dialog_and_closing_asks_while_it_works(
    window: MainWindow, worker: Any, qtbot: Any
) -> None:
    worker.answers["models_state"] = lambda _job, _tell: states()
    (action,) = [a for a in window.menus.all if "odels and atlases" in a.text()]
    action.trigger()
    dialog = window.tools.models
    assert dialog is not None
    assert dialog.isVisible()
    assert not dialog.isModal()
    qtbot.waitUntil(lambda: len(dialog._states) == len(IDS), timeout=5000)
    dialog.choose("A424")
    dialog.accept_box.setChecked(True)
    dialog.install_button.click()
    dialog.close()
    assert window.actions_.downloads.running()  # it goes on behind
    window.actions_.cancel_all()  # another scan is opened
    assert window.actions_.downloads.running()
    window.close()
    assert window.isVisible()
    (box,) = window.findChildren(QMessageBox)
    assert "Installing A424" in box.text()
    box.reject()
    (running,) = window.actions_.downloads.running()
    window.actions_.downloads.cancel(running.job.job_id)
    qtbot.waitUntil(lambda: not window.actions_.downloads.running(), timeout=5000)
    window.actions_.downloads.close()


def test_that_a_hostile_file_is_told_by_the_real_worker_and_the_window_goes_on(
    qapp: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    config = {**bins.CONFIG, "hidden_size": 512, "num_hidden_layers": 4}
    (tmp_path / "config.json").write_text(json.dumps({**config, "decoder_hidden_size": 512}))
    bomb = bins.whole(bins.call("os", "system", (bins.text(f"touch {canary}"),)))
    (tmp_path / "pytorch_model.bin").write_bytes(bins.archive({"a/data.pkl": bomb}))
    names = [str(tmp_path / name) for name in ("config.json", "pytorch_model.bin")]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_a, **_k: (names, ""))
    jobs = Jobs(Worker)
    dialog = ModelsDialog(jobs)
    dialog.show_now()
    dialog.choose("old_13M")
    qtbot.waitUntil(lambda: bool(dialog._states), timeout=60_000)
    dialog.accept_box.setChecked(True)
    dialog.import_button.click()
    qtbot.waitUntil(lambda: dialog.message.isVisible(), timeout=60_000)
    assert "wants to run code" in dialog.message.text()
    qtbot.waitUntil(lambda: not jobs.running(), timeout=60_000)
    assert state_words(dialog, "old_13M") == "not installed"
    assert not canary.exists()
    dialog.close()
    jobs.close()
    dialog.deleteLater()
