"""Places that the user keeps, with notes: go there, note, remove, save as text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from app.core import wording
from app.core.errors import StorageError
from app.gui.session import Session
from app.gui.view_state.slices import Place
from app.gui.widgets.fields import muted
from app.gui.widgets.file_dialogs import ask_save
from app.gui.widgets.framed_dialog import FramedDialog
from app.study.files import replace_file, storage_errors

_COLUMNS = ("x mm", "y mm", "z mm", "Region", "Note")
_NOTE = _COLUMNS.index("Note")


class PlacesPanel(FramedDialog):
    """The list of the session's places; a double click or Enter goes to one."""

    chosen = Signal(tuple)  # world mm

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.space = ""
        self._filling = False
        self.setWindowTitle("Places")
        self.setModal(False)
        self.wish(520, 300)
        column = self.inside
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setAccessibleName("Places with notes")
        self.table.setHorizontalHeaderLabels(list(_COLUMNS))
        self.table.verticalHeader().hide()
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self.table.itemChanged.connect(self._noted)
        self.table.cellDoubleClicked.connect(self._double_clicked)
        column.addWidget(muted("Never write a name or another identifying text into a note."))
        column.addWidget(self.table, 1)
        row = QHBoxLayout()
        self.keep = QPushButton("Keep this place")
        self.go = QPushButton("Go there")
        self.remove = QPushButton("Remove")
        self.save = QPushButton("Save as text…")
        for button, do in (
            (self.keep, self.keep_place),
            (self.go, self.go_to_row),
            (self.remove, self.remove_row),
            (self.save, self.ask_file),
        ):
            button.setAutoDefault(False)
            button.clicked.connect(lambda _checked=False, act=do: act())
            row.addWidget(button)
        column.addLayout(row)
        session.slices_changed.connect(self._fill)
        session.case_changed.connect(self._fill)
        self._fill()

    def show_space(self, space: str) -> None:
        """List the places of one space only: others are no places of this picture."""
        self.space = space
        self._fill()

    def listed(self) -> list[Place]:
        """The places of this space, the oldest first."""
        return [p for p in self.session.state.slices.places if p.space == self.space]

    def keep_place(self) -> None:
        """Add where the crosshair stands."""
        session = self.session
        mm = session.native_mm if self.space == "scanner" else session.crosshair_mm
        self._change("Place kept", (*session.state.slices.places, Place(mm, self.space)))
        self.table.setCurrentCell(self.table.rowCount() - 1, _NOTE)

    def go_to_row(self) -> None:
        """Go to the chosen place."""
        place = self._current()
        if place is not None:
            self.chosen.emit(place.mm)

    def remove_row(self) -> None:
        """Forget the chosen place; undo brings it back."""
        place = self._current()
        if place is not None:
            left = list(self.session.state.slices.places)
            left.remove(place)
            self._change("Place removed", tuple(left))

    def ask_file(self) -> None:
        """Choose where the text goes."""
        name, _ = ask_save(self, "Save places as text", "places.tsv", "Text (*.tsv *.txt)")
        if name:
            self.save_text(Path(name))

    def save_text(self, path: Path) -> bool:
        """Write the places as tab-separated text; tells whether it worked."""
        try:
            with storage_errors():
                replace_file(path, self.text().encode("utf-8"))
        except StorageError as error:
            self.setWindowTitle(f"Places: {error.message}")
            return False
        return True

    def text(self) -> str:
        """A header and one line a place; numbers with a point."""
        lines = ["\t".join(("x_mm", "y_mm", "z_mm", "space", "region", "note"))]
        for place in self.listed():
            note = " ".join(place.note.split())
            numbers = [f"{value:.1f}" for value in place.mm]
            lines.append("\t".join((*numbers, place.space, self._region(place), note)))
        return "\n".join([*lines, f"# {wording.RUO_LINE}", ""])

    def _region(self, place: Place) -> str:
        opened = self.session.case
        signals = opened.case.signals if opened is not None else None
        if opened is None or signals is None or place.space == "scanner":
            return ""
        parcel = opened.parcel_at(place.mm)
        if parcel is None or parcel >= len(signals.parcel_names):
            return "outside the atlas"
        return signals.parcel_names[parcel]

    def _current(self) -> Place | None:
        row, listed = self.table.currentRow(), self.listed()
        return listed[row] if 0 <= row < len(listed) else None

    def _double_clicked(self, _row: int, column: int) -> None:
        if column != _NOTE:
            self.go_to_row()

    def _noted(self, item: QTableWidgetItem) -> None:
        listed = self.listed()
        if self._filling or item.column() != _NOTE or item.row() >= len(listed):
            return
        old = listed[item.row()]
        if item.text() != old.note:
            places = [
                replace(p, note=item.text()) if p is old else p
                for p in self.session.state.slices.places
            ]
            self._change("Note of a place", tuple(places))

    def _change(self, words: str, places: tuple[Place, ...]) -> None:
        self.session.change(words, "slices", places=places)

    def _fill(self) -> None:
        self._filling = True
        row = self.table.currentRow()
        listed = self.listed()
        self.table.setRowCount(len(listed))
        for index, place in enumerate(listed):
            numbers = [f"{value:.1f}".replace("-", "\N{MINUS SIGN}") for value in place.mm]
            cells = [*numbers, self._region(place).replace("_", " "), place.note]
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                if column != _NOTE:
                    item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                self.table.setItem(index, column, item)
        if listed:
            self.table.setCurrentCell(min(max(row, 0), len(listed) - 1), 0)
        for button in (self.go, self.remove, self.save):
            button.setEnabled(bool(listed))
        self._filling = False
