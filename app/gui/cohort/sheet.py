"""The tab with a contact sheet: the carpet of every analysed row, before cleaning, at a glance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QIcon, QImage, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QLabel, QListView, QVBoxLayout, QWidget

from app.core.errors import AppError, StorageError
from app.gui.cohort.state import CohortState
from app.gui.cohort.table import outcome_words
from app.gui.jobs import Reader
from app.gui.widgets.theme import scaled

_AnyIndex = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_ROLE = Qt.ItemDataRole
WIDTH, HEIGHT = 200, 96  # pixels of a carpet
_CLIP_SD = 2.0  # as the carpet of one scan
_FILE = "view/carpet_before.npy"


def thumbnail(path: Path) -> NDArray[np.uint8]:
    """(HEIGHT, WIDTH) grey of a carpet; mean of the frames and rows that fall on a pixel.

    Raises
    ------
    StorageError
        ``gui.carpet`` where there is none, or it is damaged.
    """
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
        if rows.ndim != 2 or not rows.size:
            raise ValueError("no carpet")
        values = _shrunk(_shrunk(np.asarray(rows, np.float32), HEIGHT).T, WIDTH).T
    except (OSError, ValueError) as fault:
        raise StorageError("The case has no carpet.", code="gui.carpet") from fault
    grey = np.clip((values / _CLIP_SD + 1.0) * 127.5, 0, 255)
    return np.ascontiguousarray(np.nan_to_num(grey, nan=127.5).astype(np.uint8))


def _shrunk(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Rows averaged, or repeated, to `size` of them."""
    edges = np.linspace(0, len(values), size + 1)
    first = np.minimum(edges[:-1].astype(int), len(values) - 1)
    after = np.maximum(np.ceil(edges[1:]).astype(int), first + 1)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return np.asarray((sums[after] - sums[first]) / (after - first)[:, None], np.float32)


class SheetRows(QAbstractListModel):
    """Analysed rows in order; a picture is read when it is first asked for."""

    def __init__(self, state: CohortState) -> None:
        super().__init__(state)
        self.state = state
        self.reader = Reader(self)
        self._keys: list[str] = []
        self._icons: dict[str, QIcon] = {}
        self._wanted: list[str] = []
        self._busy = ""
        state.opened.connect(self._start_again)
        state.rows_changed.connect(self._rows_changed)

    def rowCount(self, parent: _AnyIndex = _ROOT) -> int:
        """Number of pictures."""
        return 0 if parent.isValid() else len(self._keys)

    def data(self, index: _AnyIndex, role: int = _ROLE.DisplayRole) -> object:
        """Name and state below, the carpet above."""
        key = self._keys[index.row()]
        row = self.state.rows[key]
        if role == _ROLE.DisplayRole:
            moved = "" if row.mean_fd_mm is None else f", FD {row.mean_fd_mm:.2f} mm"
            return f"{row.participant} {row.session.removeprefix('ses-')}".strip() + moved
        if role == _ROLE.ToolTipRole:
            return f"{row.participant}: {outcome_words(row).lower()}. {row.reason}".strip()
        if role == _ROLE.UserRole:
            return key
        if role == _ROLE.SizeHintRole:  # the same before and after the picture is there
            return QSize(WIDTH + 12, HEIGHT + 30)
        if role == _ROLE.DecorationRole:
            if key not in self._icons:
                self._want(key)
            return self._icons.get(key)
        return None

    def close(self) -> None:
        """Read nothing more."""
        self.reader.close()

    def _start_again(self) -> None:
        self.reader.forget()
        self._wanted, self._busy = [], ""
        self.beginResetModel()
        self._keys = sorted(key for key, row in self.state.rows.items() if row.finished)
        self._icons = {key: icon for key, icon in self._icons.items() if key in self.state.rows}
        self.endResetModel()

    def _rows_changed(self, keys: tuple[str, ...]) -> None:
        for key in keys:
            self._icons.pop(key, None)
        self._start_again()

    def _want(self, key: str) -> None:
        if key != self._busy and key not in self._wanted:
            self._wanted.append(key)
            self._next()

    def _next(self) -> None:
        if self._busy or not self._wanted:
            return
        key = self._busy = self._wanted.pop(0)
        folder = self.state.case_folder(key)
        if folder is None:
            self._busy = ""
            return
        self.reader.read("carpet", lambda: thumbnail(folder / _FILE),
                         lambda answer: self._arrived(key, answer))  # fmt: skip

    def _arrived(self, key: str, answer: NDArray[np.uint8] | AppError) -> None:
        self._busy = ""
        grey = np.full((HEIGHT, WIDTH), 127, np.uint8) if isinstance(answer, AppError) else answer
        image = QImage(grey.data, WIDTH, HEIGHT, WIDTH, QImage.Format.Format_Grayscale8)
        self._icons[key] = QIcon(QPixmap.fromImage(image.copy()))
        if key in self._keys:
            place = self.index(self._keys.index(key))
            self.dataChanged.emit(place, place, [_ROLE.DecorationRole])
        self._next()


class SheetTab(QWidget):
    """All carpets side by side; opening one opens its participant."""

    case_asked = Signal(object)  # folder of a case

    def __init__(self, state: CohortState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Contact sheet")
        self.state = state
        self.rows = SheetRows(state)
        self.view = QListView()
        self.view.setModel(self.rows)
        self.view.setViewMode(QListView.ViewMode.IconMode)
        self.view.setIconSize(QSize(WIDTH, HEIGHT))
        self.view.setGridSize(QSize(WIDTH + 20, HEIGHT + scaled(36)))
        self.view.setResizeMode(QListView.ResizeMode.Adjust)
        self.view.setMovement(QListView.Movement.Static)
        self.view.setUniformItemSizes(True)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setAccessibleName("Carpets of all analysed rows")
        self.view.activated.connect(self._open)
        words = QLabel(
            "Carpets before cleaning: parcels in rows, time to the right, each parcel's course in "
            "standard deviations (\N{MINUS SIGN}2 black, +2 white). Vertical stripes are motion."
        )
        words.setObjectName("muted")
        words.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 6, 0, 0)
        column.addWidget(words)
        column.addWidget(self.view, 1)

    def _open(self, index: QModelIndex) -> None:
        folder = self.state.case_folder(str(index.data(_ROLE.UserRole)))
        if folder is not None:
            self.case_asked.emit(folder)
