"""What a user prefers: found by a word, changed at once, reset or exported together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.core import wording
from app.core.settings import Settings
from app.gui.widgets.fields import choice, set_choice
from app.gui.widgets.framed_dialog import FramedDialog
from app.gui.widgets.settings_rows import Section, note
from app.gui.widgets.theme import scaled

DEVICES = {
    "auto": "Automatic: the best there is",
    "cuda": "NVIDIA graphics card (CUDA)",
    "mps": "Apple graphics (MPS)",
    "cpu": "Processor",
}
_CONVENTIONS = {
    key: f"{word}: {wording.CONVENTION_MEANING[word]}"
    for key, word in (
        ("radiological", wording.RADIOLOGICAL),
        ("neurological", wording.NEUROLOGICAL),
    )
}
_MB = 1 << 20
_LARGEST_MEMORY_MB = 4 << 20


class SettingsDialog(FramedDialog):
    """One row a setting; every change is told at once as (field of `Settings`, value)."""

    changed = Signal(str, object)
    reset_asked = Signal()
    export_asked = Signal()
    keys_asked = Signal()

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Settings")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._silent = False
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search")
        self.search.setAccessibleName("Search the settings")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(4, 0, 12, 4)
        column.setSpacing(8)
        self.sections = [
            self._computing(settings),
            self._display(settings),
            self._keyboard(settings),
            self._work(settings),
            self._research(settings),
        ]
        for section in self.sections:
            column.addWidget(section)
        column.addStretch(1)
        area = QScrollArea()
        area.setAccessibleName("Settings")
        area.setWidgetResizable(True)
        area.setWidget(inside)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        whole = self.inside
        whole.setContentsMargins(20, 14, 20, 14)
        whole.addWidget(self.search)
        whole.addWidget(area, 1)
        whole.addLayout(self._buttons())
        self.wish(760, 640)

    def show_settings(self, settings: Settings) -> None:
        """Show values without telling anybody: they were changed elsewhere."""
        self._silent = True
        set_choice(self.device, settings.device)
        set_choice(self.theme, settings.theme)
        set_choice(self.convention, "radiological" if settings.radiological else "neurological")
        set_choice(self.nose, settings.sagittal_nose)
        set_choice(self.right_drag, settings.right_drag)
        for box, number in (
            (self.threads, settings.threads),
            (self.memory, settings.worker_memory_limit_mb),
            (self.text_size, settings.text_size_percent),
        ):
            box.setValue(number)
        for tick, on in (
            (self.recent, settings.remember_recent),
            (self.research, settings.research_mode),
            (self.single, settings.single_keys),
            (self.clinic, settings.clinic_mode),
        ):
            tick.setChecked(on)
        self._silent = False

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

    def show_devices_wait(self, work: str) -> None:
        """The machine is asked when this work has ended."""
        self.device_note.setText(
            f"{work} is running: this machine is asked for its devices when that has ended."
        )

    def show_devices_unknown(self, words: str) -> None:
        """Say why the devices are not known."""
        self.device_note.setText(words)

    # parts ---------------------------------------------------------------------------

    def _computing(self, settings: Settings) -> Section:
        section = Section("Computing")
        self.device = choice("Device", DEVICES, settings.device, self._tell("device"))
        self.device.setMinimumContentsLength(38)
        self.device_note = note("Asking this machine for its devices …")
        self.device_note.setMinimumHeight(2 * self.device_note.fontMetrics().lineSpacing() + 4)
        self.device_note.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.threads = _number(0, 4 * (os.cpu_count() or 1), settings.threads, "all cores")
        self.threads.valueChanged.connect(self._tell("threads"))
        self.memory = _number(
            0,
            _LARGEST_MEMORY_MB,
            settings.worker_memory_limit_mb,
            "three quarters of the machine's",
        )
        self.memory.setSingleStep(512)
        self.memory.setSuffix(" MB")
        self.memory.valueChanged.connect(self._tell("worker_memory_limit_mb"))
        section.add("Device", self.device, self.device_note)
        section.add("Threads", self.threads, note("Never changes an answer."))
        section.add(
            "Memory limit",
            self.memory,
            note("Work that needs more is ended with a message. Holds from the next run."),
        )
        return section

    def _display(self, settings: Settings) -> Section:
        section = Section("Display")
        self.theme = choice(
            "Theme",
            {"system": "Like the system", "light": "Light", "dark": "Dark"},
            settings.theme,
            self._tell("theme"),
        )
        self.text_size = _number(100, 300, settings.text_size_percent)
        self.text_size.setSingleStep(10)
        self.text_size.setSuffix(" %")
        self.text_size.valueChanged.connect(self._tell("text_size_percent"))
        self.convention = choice(
            "Left and right",
            _CONVENTIONS,
            "radiological" if settings.radiological else "neurological",
            lambda key: self._told("radiological", key == "radiological"),
        )
        self.convention.setMinimumContentsLength(38)
        self.nose = choice(
            "Nose in sagittal slices",
            {"left": "Left", "right": "Right"},
            settings.sagittal_nose,
            self._tell("sagittal_nose"),
        )
        self.right_drag = choice(
            "Right drag in slices",
            {"window": "Brightness and contrast", "zoom": "Zoom"},
            settings.right_drag,
            self._tell("right_drag"),
        )
        section.add("Theme", self.theme)
        section.add("Text size", self.text_size)
        section.add("Left and right", self.convention)
        section.add("Nose in sagittal slices", self.nose)
        section.add("Right drag in slices", self.right_drag)
        return section

    def _keyboard(self, settings: Settings) -> Section:
        section = Section("Keyboard")
        self.single = _tick(
            "Single letters act while a view has the focus",
            settings.single_keys,
            self._tell("single_keys"),
        )
        self.keys = QPushButton("Keys\N{HORIZONTAL ELLIPSIS}")
        self.keys.setAutoDefault(False)
        self.keys.clicked.connect(lambda _checked=False: self.keys_asked.emit())
        section.add("", self.single)
        self.keys.setMaximumWidth(scaled(200))
        section.add("Every key (F1)", self.keys)
        return section

    def _work(self, settings: Settings) -> Section:
        section = Section("Work")
        self.clinic = _tick("Clinic mode", settings.clinic_mode, self._tell("clinic_mode"))
        self.recent = _tick(
            "Remember which files were opened last",
            settings.remember_recent,
            self._tell("remember_recent"),
        )
        words = "A guided path from the scan to its summary; what is for research only is hidden."
        section.add("", self.clinic, note(words))
        section.add("", self.recent)
        return section

    def _research(self, settings: Settings) -> Section:
        section = Section("Research mode")
        self.research = _tick(
            "Compute numbers where a check withholds them",
            settings.research_mode,
            self._tell("research_mode"),
        )
        self.research.setAccessibleDescription(wording.RESEARCH_STAMP)
        warning = note(
            "Such a number has no meaning for the person. Every view, page and export of it "
            f"carries: {wording.RESEARCH_STAMP}. It can still be switched off for each run."
        )
        warning.setObjectName("stamp")
        section.add("", self.research, warning)
        return section

    def _buttons(self) -> QHBoxLayout:
        self.reset = QPushButton("Reset all settings")
        self.reset.clicked.connect(lambda _checked=False: self.reset_asked.emit())
        self.export = QPushButton("Export\N{HORIZONTAL ELLIPSIS}")
        self.export.clicked.connect(lambda _checked=False: self.export_asked.emit())
        close = QPushButton("Close")
        close.clicked.connect(lambda _checked=False: self.close())
        row = QHBoxLayout()
        row.addWidget(self.reset)
        row.addWidget(self.export)
        row.addStretch(1)
        row.addWidget(close)
        for button in (self.reset, self.export, close):
            button.setAutoDefault(False)
        return row

    def _filter(self, text: str) -> None:
        for section in self.sections:
            section.filter(text)

    def _told(self, name: str, value: object) -> None:
        if not self._silent:
            self.changed.emit(name, value)

    def _tell(self, name: str) -> Any:
        return lambda value: self._told(name, value)

    def _enable(self, index: int, enabled: bool) -> None:
        model = self.device.model()
        item = getattr(model, "item", None)
        if item is not None:
            item(index).setEnabled(enabled)


def _number(low: int, high: int, value: int, special: str = "") -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setSpecialValueText(special)
    box.setMinimumHeight(26)
    box.setValue(value)
    return box


def _tick(words: str, on: bool, tell: Any) -> QCheckBox:
    box = QCheckBox(words)
    box.setChecked(on)
    box.toggled.connect(tell)
    return box


def _device_words(device: Mapping[str, Any]) -> str:
    free, total = int(device["free_bytes"]) // _MB, int(device["total_bytes"]) // _MB
    return f"{device['name']}: {_size(free)} of {_size(total)} free"


def _size(megabytes: int) -> str:
    return f"{megabytes / 1024:.1f} GB" if megabytes >= 1024 else f"{megabytes} MB"
