"""What a user prefers: device, threads, memory, display, research mode; changes hold at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.core import wording
from app.core.settings import Settings
from app.gui.widgets.fields import choice
from app.gui.widgets.theme import font

DEVICES = {
    "auto": "Automatic: the best there is",
    "cuda": "NVIDIA graphics card (CUDA)",
    "mps": "Apple graphics (MPS)",
    "cpu": "Processor",
}
_MB = 1 << 20
_NAME_WIDTH = 156
_LARGEST_MEMORY_MB = 4 << 20


class SettingsDialog(QDialog):
    """One row a setting; every change is told at once as (field of `Settings`, value)."""

    changed = Signal(str, object)

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Settings")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(680)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 14, 20, 14)
        column.setSpacing(8)
        self._computing(column, settings)
        self._display(column, settings)
        self._research(column, settings)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        column.addSpacing(6)
        column.addWidget(buttons)

    def show_devices(self, devices: Sequence[Mapping[str, Any]]) -> None:
        """Name and free memory of what this machine has; the others cannot be chosen."""
        known = {str(one["key"]): one for one in devices}
        for index in range(self.device.count()):
            key = str(self.device.itemData(index))
            if key in known:
                self.device.setItemText(index, _device_words(known[key]))
            elif key != "auto":
                self.device.setItemText(index, f"{DEVICES[key]}: not on this machine")
                self._enable(index, key == str(self.device.currentData()))
        best = next(iter(known.values()), None)
        if best is not None:
            self.device_note.setText(
                f"Automatic takes: {_device_words(best)}. When its memory runs out, the work is "
                "repeated smaller, then on the processor, and the case says so."
            )

    def show_devices_unknown(self, words: str) -> None:
        """Say why the devices are not known."""
        self.device_note.setText(words)

    # parts ---------------------------------------------------------------------------

    def _computing(self, column: QVBoxLayout, settings: Settings) -> None:
        form = _form(column, "Computing")
        self.device = choice("Device", DEVICES, settings.device, self._tell("device"))
        self.device.setMinimumContentsLength(38)
        self.device_note = _note("Asking this machine for its devices …")
        self.device_note.setMinimumHeight(2 * self.device_note.fontMetrics().lineSpacing() + 4)
        self.device_note.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.threads = QSpinBox()
        self.threads.setRange(0, 4 * (os.cpu_count() or 1))
        self.threads.setSpecialValueText("all cores")
        self.threads.setValue(settings.threads)
        self.threads.valueChanged.connect(self._tell("threads"))
        self.memory = QSpinBox()
        self.memory.setRange(0, _LARGEST_MEMORY_MB)
        self.memory.setSingleStep(512)
        self.memory.setSuffix(" MB")
        self.memory.setSpecialValueText("three quarters of the machine's")
        self.memory.setValue(settings.worker_memory_limit_mb)
        self.memory.valueChanged.connect(self._tell("worker_memory_limit_mb"))
        _row(form, "Device", self.device)
        form.addRow(self.device_note)
        _row(form, "Threads", self.threads)
        form.addRow(_note("Never changes an answer."))
        _row(form, "Memory limit", self.memory)
        form.addRow(_note("Work that needs more is ended with a message. Holds from the next run."))

    def _display(self, column: QVBoxLayout, settings: Settings) -> None:
        form = _form(column, "Display")
        self.theme = choice(
            "Theme",
            {"system": "Follow the system", "dark": "Dark", "light": "Light"},
            settings.theme,
            self._tell("theme"),
        )
        self.convention = choice(
            "Left and right",
            {
                key: f"{word}: {wording.CONVENTION_MEANING[word]}"
                for key, word in (
                    ("radiological", wording.RADIOLOGICAL),
                    ("neurological", wording.NEUROLOGICAL),
                )
            },
            "radiological" if settings.radiological else "neurological",
            lambda key: self.changed.emit("radiological", key == "radiological"),
        )
        self.convention.setMinimumContentsLength(38)
        self.nose = choice(
            "Nose in sagittal slices",
            {"left": "Left", "right": "Right"},
            settings.sagittal_nose,
            self._tell("sagittal_nose"),
        )
        _row(form, "Theme", self.theme)
        _row(form, "Left and right", self.convention)
        _row(form, "Nose in sagittal slices", self.nose)
        self.recent = QCheckBox("Remember which files were opened last")
        self.recent.setChecked(settings.remember_recent)
        self.recent.toggled.connect(self._tell("remember_recent"))
        form.addRow(self.recent)

    def _research(self, column: QVBoxLayout, settings: Settings) -> None:
        form = _form(column, "Research mode")
        self.research = QCheckBox("Compute numbers where a check withholds them")
        self.research.setChecked(settings.research_mode)
        self.research.toggled.connect(self._tell("research_mode"))
        self.research.setAccessibleDescription(wording.RESEARCH_STAMP)
        warning = _note(
            "Such a number has no meaning for the person. Every view, page and export of it "
            f"carries: {wording.RESEARCH_STAMP}. It can still be switched off for each run."
        )
        warning.setObjectName("stamp")
        form.addRow(self.research)
        form.addRow(warning)

    def _tell(self, name: str) -> Any:
        return lambda value: self.changed.emit(name, value)

    def _enable(self, index: int, enabled: bool) -> None:
        model = self.device.model()
        item = getattr(model, "item", None)
        if item is not None:
            item(index).setEnabled(enabled)


def _device_words(device: Mapping[str, Any]) -> str:
    free, total = int(device["free_bytes"]) // _MB, int(device["total_bytes"]) // _MB
    return f"{device['name']}: {_size(free)} of {_size(total)} free"


def _size(megabytes: int) -> str:
    return f"{megabytes / 1024:.1f} GB" if megabytes >= 1024 else f"{megabytes} MB"


def _form(column: QVBoxLayout, title: str) -> QFormLayout:
    head = QLabel(title)
    head.setFont(font(head.font(), scale=1.15, bold=True))
    column.addSpacing(4)
    column.addWidget(head)
    form = QFormLayout()
    form.setHorizontalSpacing(14)
    form.setVerticalSpacing(6)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    column.addLayout(form)
    return form


def _row(form: QFormLayout, words: str, field: QComboBox | QSpinBox) -> None:
    label = QLabel(words)
    label.setObjectName("muted")
    label.setFixedWidth(_NAME_WIDTH)
    label.setBuddy(field)
    field.setAccessibleName(words)
    form.addRow(label, field)


def _note(words: str) -> QLabel:
    label = QLabel(words)
    label.setObjectName("muted")
    label.setWordWrap(True)
    label.setFont(font(label.font(), scale=0.9))
    return label
