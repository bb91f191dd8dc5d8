"""Walks the real window: every page, every dialog, every widget in them, and how its words fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QCheckBox,
    QComboBox,
    QDialog,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QStyle,
    QStyleOptionComboBox,
    QTabWidget,
    QToolButton,
    QWidget,
)

from app.core.progress import Progress
from app.gui.cohort.folder_dialog import FolderDialog
from app.gui.dialogs import questions
from app.gui.dialogs.override import OverrideDialog
from app.gui.dialogs.picker import PickerDialog
from app.gui.main_window.window import MainWindow
from app.gui.views import SlicesView
from app.gui.widgets.crosshair_panel import CrosshairPanel
from app.gui.widgets.step_bar import STEPS, WORKSPACES
from app.gui.widgets.title_label import TitleLabel
from app.gui.widgets.view import ElidedLabel
from app.scans.contents import Choice, Contents, SourceKind
from app.worker.bundle_jobs import bundle_card

PAGES = tuple(key for key, _ in (*STEPS, *WORKSPACES))
CHOICE = Choice("series-2", Path("/data"), SourceKind.DICOM, "rest_bold", "rest", "240 volumes",
                5, 240, 2.0, (64, 64, 36), "", "MR")  # fmt: skip


def each_page(window: MainWindow) -> Iterator[tuple[str, QWidget]]:
    """(page and turn of its tabs, page), each as it is seen."""
    for key in PAGES:
        window.show_step(key)
        page = window.page(key)
        tabs = page.findChildren(QTabWidget)
        for turn in range(max([tab.count() for tab in tabs], default=1)):
            for tab in tabs:
                tab.setCurrentIndex(min(turn, tab.count() - 1))
            QApplication.processEvents()
            yield f"{key}, tab {turn}", page


def each_dialog(window: MainWindow, worker: Any) -> Iterator[tuple[str, QDialog]]:
    """(name, dialog), each open over the window while it is told and closed after it."""
    worker.answers["devices"] = lambda _job, _tell: {"devices": []}
    worker.answers["bundle_card"] = lambda job, _tell: bundle_card(job.arguments, Progress())
    worker.answers["models"] = lambda _job, _tell: {"entries": {}}
    window.show_step("explain")
    (slices,) = window.page("explain").findChildren(SlicesView)
    opened = window.session.case
    assert opened is not None
    assert opened.case.quality is not None
    failed = opened.case.quality.metrics[:2]
    contents = Contents(SourceKind.DICOM, Path("/data"), (CHOICE,), ())
    openers: dict[str, Any] = {
        "settings": window.tools.show_settings,
        "keys": window.tools.show_keys,
        "about": window.tools.show_about,
        "models": window.tools.show_models,
        "model card": window.tools.show_card,
        "command palette": window.palettes.show,
        "regions": window.palettes.find_region,
        "places": slices.place.show_places,
        "crosshair": lambda: CrosshairPanel(window.session, slices).show(),
        "layers": lambda: slices.layers_button.setChecked(True),
        "table": window.exports.show_table,
        "overrule": lambda: OverrideDialog(failed, window).open(),
        "cohort folder": lambda: FolderDialog(window).open(),
        "picker": lambda: PickerDialog(contents, lambda *_answer: None, window).open(),
        "repetition time": lambda: questions.ask_repetition_time(window, "Why.", lambda _s: None),
        "stop": lambda: questions.ask_stop(window, "The analysis", lambda: None),
        "relocate": lambda: questions.ask_relocate(window, "scan", True, lambda: None),
        "cancel": lambda: questions.ask_cancel(window, "The analysis", 90.0, lambda: None),
        "remove": lambda: questions.ask_remove(window, "the model", lambda: None),
    }
    for name, show in openers.items():
        show()
        dialog = _waited_for()
        yield name, dialog
        dialog.close()
        QApplication.processEvents()


def _waited_for() -> QDialog:
    from tests.gui.screens import settle

    for _ in range(100):
        found = [w for w in QApplication.topLevelWidgets() if isinstance(w, QDialog)]
        shown = [dialog for dialog in found if dialog.isVisible()]
        if shown:
            settle(20)
            return shown[-1]
        settle(20)
    raise AssertionError("no dialog came")


def controls(inside: QWidget) -> list[QWidget]:
    """All widgets in sight that the keyboard can reach."""
    return [
        widget
        for widget in inside.findChildren(QWidget)
        if widget.isVisibleTo(inside)
        and widget.isEnabled()
        and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and widget.focusProxy() is None
    ]


def where(widget: QWidget) -> str:
    """Class and ancestors of a widget, for a message."""
    names: list[str] = []
    at: QWidget | None = widget
    while at is not None and len(names) < 4:
        names.append(type(at).__name__)
        at = at.parentWidget()
    return " in ".join(names)


# ---------------------------------------------------------------------------- words that fit


def cut(inside: QWidget) -> list[str]:
    """Words in sight that have less room than they need."""
    found = []
    for widget in inside.findChildren(QWidget):
        if not widget.isVisibleTo(inside) or not widget.width():
            continue
        if isinstance(widget, QScrollArea) and (content := widget.widget()) is not None:
            beyond = content.width() - widget.viewport().width()
            never = widget.horizontalScrollBarPolicy() == Qt.ScrollBarPolicy.ScrollBarAlwaysOff
            if never and beyond > 0:
                found.append(f"{where(widget)}: {beyond} px of it are never seen")
        need = _missing(widget)
        if need:
            found.append(f"{where(widget)}: {_text(widget)[:50]!r} {need}")
    return found


def patiently(find: Callable[[], list[str]]) -> list[str]:
    """What is found, and is still found once tables have laid out rows of wrapped words."""
    from tests.gui.screens import settle

    found = find()
    for _ in range(10):
        if not found:
            break
        settle(50)
        found = find()
    return found


def cut_on_pages(window: MainWindow) -> Iterator[str]:
    """What is cut on any page, each told once."""
    told = set()
    for name, page in each_page(window):
        for words in patiently(lambda page=page: cut(page)):
            if words not in told:
                told.add(words)
                yield f"{name}: {words}"


def _text(widget: QWidget) -> str:
    if isinstance(widget, QComboBox):
        return widget.currentText()
    return str(widget.text()) if hasattr(widget, "text") else ""


def _missing(widget: QWidget) -> str:
    """What is missing, in pixels; "" where the words fit or are shortened with an ellipsis."""
    if isinstance(widget, ElidedLabel | TitleLabel) or not _text(widget).strip():
        return ""
    metrics = widget.fontMetrics()
    if isinstance(widget, QLabel):
        if widget.wordWrap():
            need = widget.heightForWidth(widget.width())
            return f"needs {need} px of height, has {widget.height()}" * (need > widget.height())
        need = widget.sizeHint().width()
        return f"needs {need} px, has {widget.width()}" * (need > widget.width())
    if isinstance(widget, QComboBox):
        option = QStyleOptionComboBox()
        widget.initStyleOption(option)
        room = widget.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            widget,
        )
        need = metrics.horizontalAdvance(widget.currentText())
        return f"needs {need} px, has {room.width()}" * (need > room.width())
    if isinstance(widget, QPushButton | QCheckBox | QToolButton):
        hint = widget.sizeHint()
        if hint.width() > widget.width():
            return f"needs {hint.width()} px, has {widget.width()}"
        height = f"needs {hint.height()} px of height, has {widget.height()}"
        return height * (hint.height() > widget.height() + 1)
    if isinstance(widget, QAbstractButton):
        need = widget.sizeHint().width()
        return f"needs {need} px, has {widget.width()}" * (need > widget.width())
    if isinstance(widget, QLineEdit) and widget.isReadOnly():
        need = metrics.horizontalAdvance(widget.text())
        return f"needs {need} px, has {widget.width()}" * (need > widget.width())
    return ""
