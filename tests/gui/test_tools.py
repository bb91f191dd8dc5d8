"""Settings and model card: what they show, what they change, what they ask the worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QFileDialog, QLabel, QPushButton, QSpinBox

from app.core import wording
from app.core.errors import ModelError
from app.core.progress import Progress
from app.core.settings import load_settings
from app.gui.dialogs.model_card import ModelCardDialog
from app.gui.dialogs.settings import SettingsDialog
from app.gui.main_window.window import MainWindow
from app.gui.views import CardView, IntakeView
from app.gui.widgets.fields import set_choice
from app.worker.bundle_jobs import bundle_card
from tests.gui.conftest import FakeWorker

GIB = 1 << 30
DEVICES = {
    "devices": [
        {"key": "cuda", "name": "Card X", "free_bytes": 6 * GIB, "total_bytes": 8 * GIB},
        {"key": "cpu", "name": "Processor", "free_bytes": 500 << 20, "total_bytes": 16 * GIB},
    ]
}


def words(widget: Any) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel))


def pick(box: QComboBox, key: str) -> None:
    set_choice(box, key)
    box.activated.emit(box.currentIndex())


@pytest.fixture
def settings_dialog(window: MainWindow, worker: FakeWorker, qtbot: Any) -> SettingsDialog:
    worker.answers["devices"] = lambda _job, _tell: DEVICES
    window.tools.show_settings()
    dialog = window.tools.settings_dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: "Card X" in dialog.device.itemText(1))
    return dialog


def test_that_settings_show_each_device_with_its_free_memory(
    settings_dialog: SettingsDialog,
) -> None:
    device = settings_dialog.device
    assert device.itemText(1) == "Card X: 6.0 GB of 8.0 GB free"
    assert device.itemText(2) == "Apple graphics (MPS): not on this machine"
    assert device.itemText(3) == "Processor: 500 MB of 16.0 GB free"
    assert not device.model().item(2).isEnabled()  # type: ignore[attr-defined]
    assert "Automatic takes: Card X: 6.0 GB of 8.0 GB free" in settings_dialog.device_note.text()


def test_that_every_change_holds_at_once_and_is_saved(
    window: MainWindow, settings_dialog: SettingsDialog
) -> None:
    pick(settings_dialog.device, "cuda")
    pick(settings_dialog.theme, "light")
    pick(settings_dialog.convention, "neurological")
    pick(settings_dialog.nose, "right")
    settings_dialog.threads.setValue(1)
    settings_dialog.memory.setValue(4096)
    settings_dialog.recent.setChecked(False)
    settings_dialog.research.setChecked(True)
    settings_dialog.text_size.setValue(150)
    settings_dialog.single.setChecked(False)
    settings_dialog.clinic.setChecked(True)
    pick(settings_dialog.right_drag, "zoom")
    for settings in (window.actions_.settings, load_settings()[0]):
        assert settings.device == "cuda"
        assert settings.theme == "light"
        assert not settings.radiological
        assert settings.sagittal_nose == "right"
        assert settings.threads == 1
        assert settings.worker_memory_limit_mb == 4096
        assert not settings.remember_recent
        assert settings.research_mode
        assert settings.text_size_percent == 150
        assert not settings.single_keys
        assert settings.clinic_mode
        assert settings.right_drag == "zoom"
    assert window.session.display.theme == "light"
    assert window.session.display.convention == "neurological"


def test_that_research_mode_in_the_settings_is_where_new_runs_start(
    window: MainWindow, settings_dialog: SettingsDialog
) -> None:
    intake = window.page("load").findChildren(IntakeView)[0]
    assert not intake.values()["research"]
    settings_dialog.research.setChecked(True)
    assert intake.values()["research"]
    assert wording.RESEARCH_STAMP in words(settings_dialog)


def test_that_the_memory_limit_goes_with_the_next_job(
    window: MainWindow, worker: FakeWorker, settings_dialog: SettingsDialog, qtbot: Any
) -> None:
    settings_dialog.memory.setValue(2048)
    worker.answers["bundle_card"] = lambda job, _tell: bundle_card(job.arguments, Progress())
    window.tools.show_card()
    qtbot.waitUntil(lambda: window.tools.card_dialog is not None)
    assert worker.jobs[-1].memory_limit_bytes == 2048 << 20
    window.tools.card_dialog.close()  # type: ignore[union-attr]


def test_that_every_control_of_the_settings_has_a_name_and_takes_the_keyboard(
    settings_dialog: SettingsDialog, qtbot: Any
) -> None:
    kinds = (QComboBox, QSpinBox, QCheckBox)
    controls = [one for kind in kinds for one in settings_dialog.findChildren(kind)]
    assert len(controls) == 12
    for control in controls:
        name = control.accessibleName() or getattr(control, "text", str)()
        assert name
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus
    qtbot.keyClick(settings_dialog, Qt.Key.Key_Escape)
    assert not settings_dialog.isVisible()


def test_that_a_worker_that_cannot_tell_leaves_the_settings_usable(
    window: MainWindow, worker: FakeWorker, qtbot: Any
) -> None:
    def fail(_job: Any, _tell: Any) -> Any:
        raise ModelError("No devices today.", "Try again.", code="model.device")

    worker.answers["devices"] = fail
    window.tools.show_settings()
    dialog = window.tools.settings_dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: "No devices today" in dialog.device_note.text())
    pick(dialog.device, "cpu")
    assert window.actions_.settings.device == "cpu"
    worker.answers["bundle_card"] = lambda _job, _tell: fail_otherwise()
    window.tools.show_card("simulated-demo")
    qtbot.waitUntil(window.errors.isVisible)
    qtbot.waitUntil(lambda: "Something else" in window.errors.message.text())
    assert "No devices today" in dialog.device_note.text()


def fail_otherwise() -> Any:
    raise ModelError("Something else went wrong.", "Try again.", code="model.card")


@pytest.fixture
def card_dialog(
    window: MainWindow, worker: FakeWorker, case_folders: dict[str, Path], qtbot: Any
) -> ModelCardDialog:
    worker.answers["bundle_card"] = lambda _job, _tell: bundle_card(
        {"model_id": "simulated-demo"}, Progress()
    )
    window.actions_.open_path(case_folders["result"])
    card = window.page("predict").findChildren(CardView)[0]
    button = next(b for b in card.findChildren(QPushButton) if b.text() == "Model card")
    button.click()
    qtbot.waitUntil(lambda: window.tools.card_dialog is not None)
    assert window.tools.card_dialog is not None
    return window.tools.card_dialog


def test_that_the_card_opens_from_the_prediction_limitations_first(
    window: MainWindow, worker: FakeWorker, card_dialog: ModelCardDialog
) -> None:
    model = window.session.case.case.prediction.model  # type: ignore[union-attr]
    assert worker.jobs[-1].arguments == {"model_id": model.model_id}  # type: ignore[union-attr]
    text = words(card_dialog)
    assert wording.SIMULATED_STAMP in text
    assert wording.RUO_LINE in text
    titles = ["Limitations", "What it answers", "Who it was made from", "How well it did"]
    places = [text.index(title) for title in titles]
    assert places == sorted(places)
    for expected in ("Rescue medication", "No control-arm model", "Gain over covariates",
                     " in AUROC (95 % interval ", "HCPEx", "Apache-2.0"):  # fmt: skip
        assert expected in text
    assert card_dialog.models.currentText() == "simulated-demo"


def test_that_a_model_can_be_exported_and_installed_from_the_window(
    window: MainWindow,
    worker: FakeWorker,
    card_dialog: ModelCardDialog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: Any,
) -> None:
    worker.answers["bundle_export"] = lambda job, _tell: {"exported": job.arguments["target"]}
    worker.answers["bundle_import"] = lambda _job, _tell: {"imported": "simulated-demo"}
    chosen = str(tmp_path / "mine.v2")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args: (chosen, ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_args: (chosen + ".nrmodel", ""))
    card_dialog.export.click()
    qtbot.waitUntil(lambda: window.banner.text() == "The model was exported.")
    assert worker.jobs[-1].arguments == {
        "model_id": "simulated-demo",
        "target": str(tmp_path / "mine.v2.nrmodel"),
    }
    window.tools.ask_import()
    qtbot.waitUntil(lambda: "simulated-demo was installed" in window.banner.text())
    qtbot.waitUntil(lambda: worker.jobs[-1].name == "bundle_card")


def test_that_a_refused_file_is_told_in_one_sentence(
    window: MainWindow, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    def refuse(_job: Any, _tell: Any) -> Any:
        raise ModelError("The file cannot be installed as a model: it is too short.", "Get it.")

    worker.answers["bundle_import"] = refuse
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_args: ("/x/y.nrmodel", ""))
    window.tools.ask_import()
    qtbot.waitUntil(window.errors.isVisible)
    assert "too short" in window.errors.message.text()
