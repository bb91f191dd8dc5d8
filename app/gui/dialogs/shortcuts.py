"""F1: every key, taken from the real bindings; they can be searched, changed and reset."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from app.gui.bindings import Binding, KeyMap, normal, parsed, refusal
from app.gui.widgets.framed_dialog import FramedDialog

_BARE = (Qt.Key.Key_Control, Qt.Key.Key_Shift, Qt.Key.Key_Alt, Qt.Key.Key_Meta, Qt.Key.Key_AltGr)
MOUSE = "Mouse"


class ShortcutsDialog(FramedDialog):
    """A list of what can be done with its keys, and a field that takes new ones.

    Parameters
    ----------
    bindings
        Everything that keys do, of the whole window and of each view.
    gestures
        (view, what it does, what the mouse does): told, not changed.
    keymap
        The keys that hold now.
    choose
        Called with a binding's name and its new keys, None for the delivered ones.
    switch_single
        Called when single letters are switched on or off.
    """

    def __init__(
        self,
        bindings: Sequence[Binding],
        gestures: Sequence[tuple[str, str, str]],
        keymap: KeyMap,
        choose: Callable[[str, str | None], None],
        switch_single: Callable[[bool], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard and mouse")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.wish(680, 600)
        self._bindings, self._keymap, self._choose = tuple(bindings), keymap, choose
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search")
        self.search.setAccessibleName("Search the keys")
        self.search.textChanged.connect(self._filter)
        self.table = _table(len(self._bindings) + len(gestures))
        for row, (view, words, mouse) in enumerate(gestures, start=len(self._bindings)):
            _fill(self.table, row, (view, words, mouse))
        self.table.currentCellChanged.connect(lambda *_cells: self._row_changed())
        self.single = QCheckBox("Single letters act while a view has the focus")
        self.single.setChecked(keymap.single_keys)
        self.single.toggled.connect(switch_single)
        column = self.inside
        column.addWidget(self.search)
        column.addWidget(self.table, 1)
        column.addLayout(self._editor())
        self.note = QLabel()
        self.note.setObjectName("muted")
        self.note.setWordWrap(True)
        column.addWidget(self.note)
        bottom = QHBoxLayout()
        bottom.addWidget(self.single, 1)
        bottom.addWidget(self.reset_all)
        close = QPushButton("Close")
        close.setAutoDefault(False)
        close.clicked.connect(lambda _checked=False: self.close())
        bottom.addWidget(close)
        column.addLayout(bottom)
        keymap.changed.connect(self._show_keys)
        self._show_keys()
        self.table.setCurrentCell(0, 0)
        self.search.setFocus()

    def _editor(self) -> QHBoxLayout:
        self.field = KeysField()
        self.apply = QPushButton("Set keys")
        self.apply.clicked.connect(lambda _checked=False: self._apply())
        self.none = QPushButton("No keys")
        self.none.clicked.connect(lambda _checked=False: self._set(""))
        self.reset = QPushButton("As delivered")
        self.reset.clicked.connect(lambda _checked=False: self._set(None))
        self.reset_all = QPushButton("Reset all keys")
        self.reset_all.clicked.connect(lambda _checked=False: self._reset_all())
        row = QHBoxLayout()
        row.addWidget(self.field, 1)
        for button in (self.apply, self.none, self.reset, self.reset_all):
            button.setAutoDefault(False)
        for button in (self.apply, self.none, self.reset):
            row.addWidget(button)
        return row

    def current(self) -> Binding | None:
        """The binding whose row is chosen; None on a row of the mouse."""
        row = self.table.currentRow()
        return self._bindings[row] if 0 <= row < len(self._bindings) else None

    def _show_keys(self) -> None:
        for row, binding in enumerate(self._bindings):
            shown = _native(self._keymap.keys(binding))
            if binding.name in self._keymap.chosen:
                shown += "  (yours)"
            cells = (binding.where or "Everywhere", binding.words, shown)
            _fill(self.table, row, cells, binding.help)
        self._row_changed()

    def _row_changed(self) -> None:
        binding = self.current()
        self.field.setEnabled(binding is not None)
        for button in (self.apply, self.none, self.reset):
            button.setEnabled(binding is not None)
        self.field.set_keys(self._keymap.keys(binding) if binding is not None else "")
        self.note.setText(
            binding.help if binding is not None else "What the mouse does cannot be changed here."
        )

    def _apply(self) -> None:
        self._set(self.field.keys)

    def _set(self, keys: str | None) -> None:
        binding = self.current()
        if binding is None:
            return
        wanted = binding.keys if keys is None else normal(keys)
        problem = refusal(wanted, binding, self._bindings, self._keymap)
        if problem:
            self.note.setText(problem)
            return
        self._choose(binding.name, None if wanted == normal(binding.keys) else wanted)
        self.note.setText(f"{binding.words}: {self._keymap.shown(binding) or 'no keys'}.")

    def _reset_all(self) -> None:
        for name in list(self._keymap.chosen):
            self._choose(name, None)
        self.note.setText("All keys are as delivered.")

    def _filter(self, text: str) -> None:
        parts = text.lower().split()
        for row in range(self.table.rowCount()):
            cells = (self.table.item(row, column) for column in range(3))
            words = " ".join(cell.text() for cell in cells if cell is not None).lower()
            self.table.setRowHidden(row, not all(part in words for part in parts))


class KeysField(QLineEdit):
    """Takes the next key press as it is; Tab and Escape keep their meaning."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = ""  # portable text
        self.setReadOnly(True)
        self.setPlaceholderText("Choose this field and press the new keys")
        self.setAccessibleName("New keys")
        self.installEventFilter(self)

    def set_keys(self, keys: str) -> None:
        """Show keys."""
        self.keys = keys
        self.setText(_native(keys))

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """No shortcut acts while keys are taken."""
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take a key with what is held."""
        leaves = (Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Escape)
        if event.key() in leaves and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().keyPressEvent(event)
        elif event.key() not in _BARE:
            pressed = QKeySequence(event.keyCombination())
            self.set_keys(pressed.toString(QKeySequence.SequenceFormat.PortableText))


def _native(keys: str) -> str:
    return QKeySequence.listToString(parsed(keys), QKeySequence.SequenceFormat.NativeText)


def _table(rows: int) -> QTableWidget:
    table = QTableWidget(rows, 3)
    table.setHorizontalHeaderLabels(["Where", "Action", "Keys or mouse"])
    table.setAccessibleName("Keys and mouse")
    table.verticalHeader().hide()
    table.setShowGrid(False)
    table.setAlternatingRowColors(True)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setTabKeyNavigation(False)
    header = table.horizontalHeader()
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
    header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
    return table


def _fill(table: QTableWidget, row: int, cells: Sequence[str], hint: str = "") -> None:
    for column, words in enumerate(cells):
        item = QTableWidgetItem(words)
        item.setToolTip(hint or words)
        table.setItem(row, column, item)
