"""Dialogs that ask the worker: settings with the machine's devices, model cards, model files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from app.core import wording
from app.core.errors import StorageError
from app.core.settings import export_settings
from app.gui.diagnostics import provide, withdraw
from app.gui.dialogs.about import AboutDialog
from app.gui.dialogs.model_card import ModelCardDialog
from app.gui.dialogs.override import OverrideDialog
from app.gui.dialogs.settings import SettingsDialog
from app.gui.dialogs.shortcuts import ShortcutsDialog
from app.gui.main_window.key_list import all_bindings, all_gestures
from app.gui.main_window.rerun import analyse_again
from app.gui.widgets.file_dialogs import ask_open, ask_save
from app.gui.widgets.surface_canvas import SurfaceCanvas
from app.worker.bundle_requests import (
    bundle_card_job,
    bundle_export_job,
    bundle_import_job,
    devices_job,
)

if TYPE_CHECKING:
    from app.gui.dialogs.models import ModelsDialog
    from app.gui.main_window.window import MainWindow

DEFAULT_MODEL = "simulated-demo"
SUFFIX = ".nrmodel"
FILES = "NeuroResponder models (*.nrmodel)"


class Tools(QObject):
    """Opens the dialogs of a window and hands them the worker's answers."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window_ = window
        self.settings_dialog: SettingsDialog | None = None
        self.card_dialog: ModelCardDialog | None = None
        self.models: ModelsDialog | None = None
        self.keys_dialog: ShortcutsDialog | None = None
        self._devices_job_id = ""
        self._devices = ""
        provide("graphics", self._graphics)
        provide("device", lambda: f"{window.actions_.settings.device}; {self._devices}")
        window.actions_.answered.connect(self._answered)
        window.jobs.failed.connect(self._failed)

    # what the user asks ----------------------------------------------------------------

    def show_settings(self) -> None:
        """The settings; devices appear when the worker has told them."""
        if self.settings_dialog is None:
            dialog = SettingsDialog(self.window_.actions_.settings, self.window_)
            dialog.changed.connect(self.window_.actions_.change_setting)
            dialog.reset_asked.connect(self._reset_settings)
            dialog.export_asked.connect(self._export_settings)
            dialog.keys_asked.connect(self.show_keys)
            dialog.destroyed.connect(self._settings_closed)
            self.settings_dialog = dialog
            dialog.open()
            job = devices_job()
            self._devices_job_id = job.job_id
            work = self.window_.jobs.ahead_of(job.name)
            if work:
                dialog.show_devices_wait(work)
            self.window_.actions_.ask_worker(job)
        self.settings_dialog.raise_()

    def _reset_settings(self) -> None:
        actions = self.window_.actions_
        actions.reset_settings()
        if self.settings_dialog is not None:
            self.settings_dialog.show_settings(actions.settings)

    def _export_settings(self) -> None:
        """Choose where a copy of the settings goes; it holds no path and no name."""
        name, _ = ask_save(
            self.window_, "Export the settings", "settings.toml", "Settings (*.toml)"
        )
        if not name:
            return
        try:
            export_settings(self.window_.actions_.settings, Path(name))
        except StorageError as error:
            self.window_.actions_.messages.tell(error)
        else:
            self.window_.say("The settings were exported.")

    def show_models(self) -> None:
        """Published encoders and the atlas."""
        from app.gui.dialogs.models import ModelsDialog

        if self.models is None:
            self.models = ModelsDialog(self.window_.actions_.downloads, self.window_)
            self.models.said.connect(self.window_.say)
        self.models.show_now()

    def show_keys(self) -> None:
        """F1: every key and what the mouse does."""
        actions = self.window_.actions_
        self.keys_dialog = ShortcutsDialog(
            all_bindings(),
            all_gestures(),
            self.window_.session.keys,
            actions.set_keys,
            partial(actions.change_setting, "single_keys"),
            self.window_,
        )
        self.keys_dialog.open()

    def show_about(self) -> None:
        """Version and limits."""
        AboutDialog(self.window_).open()

    def show_card(self, model_id: str = "") -> None:
        """A model's card; without an id, that of the open case or of the delivered model."""
        opened = self.window_.session.case
        prediction = opened.case.prediction if opened is not None else None
        if not model_id and prediction is not None and prediction.model is not None:
            model_id = prediction.model.model_id
        job = bundle_card_job(model_id or DEFAULT_MODEL)
        work = self.window_.jobs.ahead_of(job.name)
        if work:
            self.window_.say(f"{work} is running: the model card opens when that has ended.")
        self.window_.actions_.ask_worker(job)

    def ask_import(self) -> None:
        """Choose a model's file to install."""
        name, _ = ask_open(self.window_, "Install a model", "", FILES)
        if name:
            self.window_.actions_.ask_worker(bundle_import_job(Path(name).absolute()))

    def ask_export(self, model_id: str) -> None:
        """Choose where a model's file goes."""
        name, _ = ask_save(self.window_, "Export the model", f"{model_id}.nrmodel", FILES)
        if name:
            target = Path(name).absolute()
            if target.suffix.lower() != SUFFIX:  # "pain.v2" keeps its name
                target = target.with_name(target.name + SUFFIX)
            self.window_.actions_.ask_worker(bundle_export_job(model_id, target))

    def ask_override(self) -> None:
        """Ask for the reason to overrule the open case's quality verdict; research mode only."""
        session = self.window_.session
        quality = session.case.case.quality if session.case is not None else None
        if quality is None or not session.may_overrule:
            return
        dialog = OverrideDialog(wording.failed_gates(quality), self.window_)
        dialog.confirmed.connect(self.overrule)
        dialog.open()

    def overrule(self, reason: str) -> None:
        """Analyse the open case's scan again in research mode, against its quality verdict."""
        session = self.window_.session
        if session.case is None or not session.may_overrule:
            return
        analyse_again(
            self.window_,
            "Open the scan, tick research mode and state the reason below it.",
            research=True,
            override_reason=reason,
        )

    # what the worker answers -------------------------------------------------------------

    def _answered(self, name: str, result: Mapping[str, Any]) -> None:
        if name == "devices":
            self._devices = ", ".join(str(one["name"]) for one in result["devices"])
        if name == "devices" and self.settings_dialog is not None:
            self.settings_dialog.show_devices(result["devices"])
        elif name == "bundle_card":
            self._show_card(result)
        elif name == "bundle_import":
            self.window_.say(f"The model {result['imported']} was installed.")
            self.show_card(result["imported"])
        elif name == "bundle_export":
            self.window_.say("The model was exported.")

    def _failed(self, job_id: str, error: object) -> None:
        if self.settings_dialog is not None and job_id == self._devices_job_id:
            self.settings_dialog.show_devices_unknown(str(error))

    def _show_card(self, card: Mapping[str, Any]) -> None:
        if self.card_dialog is None:
            dialog = ModelCardDialog(self.window_)
            dialog.model_asked.connect(self.show_card)
            dialog.export_asked.connect(self.ask_export)
            dialog.destroyed.connect(self._card_closed)
            self.card_dialog = dialog
        self.card_dialog.show_card(card)
        self.card_dialog.open()
        self.card_dialog.raise_()

    def close(self) -> None:
        """The window goes: nothing may ask it for facts any more."""
        withdraw("graphics", "device")

    def _graphics(self) -> str:
        """OpenGL's strings, where a surface was drawn already: asking may crash a bad driver."""
        for canvas in self.window_.findChildren(SurfaceCanvas):
            if canvas.scene is not None:
                return canvas.scene.graphics()
        return "no surface was drawn yet"

    def _settings_closed(self) -> None:
        self.settings_dialog = None

    def _card_closed(self) -> None:
        self.card_dialog = None
